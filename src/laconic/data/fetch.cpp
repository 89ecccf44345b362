// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/fetch.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <exception>
#include <memory>
#include <system_error>

#include "laconic/data/checksum.hpp"

namespace laconic::data {
namespace {

namespace fs = std::filesystem;

// What a server may send beyond the content, e.g. gzip headers of content that does not compress.
constexpr std::uint64_t kSlackBytes = std::uint64_t{1} << 16;
constexpr long kMaxRedirects = 5;

[[noreturn]] void system_failure(const fs::path& path, std::string_view action) {
  throw ConfigError(fmt::format("{}: cannot {}: {}", path.string(), action,
                                std::error_code(errno, std::generic_category()).message()));
}

// The file under construction, locked against other processes as long as this object lives.
class PartFile {
 public:
  explicit PartFile(fs::path path) : path_(std::move(path)) {
    while (!open_and_lock()) {
    }
  }
  ~PartFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  [[nodiscard]] const fs::path& path() const { return path_; }
  [[nodiscard]] std::uint64_t size() const {
    struct stat info {};
    if (::fstat(descriptor_, &info) != 0) system_failure(path_, "read the size");
    return static_cast<std::uint64_t>(info.st_size);
  }
  void clear() {
    if (::ftruncate(descriptor_, 0) != 0) system_failure(path_, "truncate");
  }
  void append(const char* data, std::size_t count) {
    while (count > 0) {
      const ssize_t written = ::write(descriptor_, data, count);
      if (written < 0 && errno != EINTR) system_failure(path_, "write");
      if (written <= 0) continue;
      data += written;
      count -= static_cast<std::size_t>(written);
    }
  }
  void remove() {
    if (::unlink(path_.c_str()) != 0) system_failure(path_, "remove");
  }
  // Contents first, then the name, then the folder: a crash leaves the whole file or none.
  void publish(const fs::path& target) {
    if (::fsync(descriptor_) != 0) system_failure(path_, "flush");
    if (::rename(path_.c_str(), target.c_str()) != 0) system_failure(path_, "rename");
    const int folder = ::open(target.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) system_failure(target.parent_path(), "open");
    const int flushed = ::fsync(folder);
    ::close(folder);
    if (flushed != 0) system_failure(target.parent_path(), "flush");
  }

 private:
  // False if the file was renamed or removed by another process between opening and locking it.
  bool open_and_lock() {
    descriptor_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (descriptor_ < 0) system_failure(path_, "open");
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      const bool busy = errno == EWOULDBLOCK;
      if (!busy) system_failure(path_, "lock");
      ::close(descriptor_);
      descriptor_ = -1;
      throw ConfigError(fmt::format(
          "{}: another process is downloading this file; wait until it is done", path_.string()));
    }
    struct stat mine {};
    struct stat named {};
    if (::fstat(descriptor_, &mine) != 0) system_failure(path_, "read the state");
    if (::stat(path_.c_str(), &named) == 0 && mine.st_ino == named.st_ino &&
        mine.st_dev == named.st_dev)
      return true;
    ::close(descriptor_);
    descriptor_ = -1;
    return false;
  }

  fs::path path_;
  int descriptor_ = -1;
};

// State of one HTTP transfer, shared with libcurl's callbacks.
struct Transfer {
  CURL* handle = nullptr;
  PartFile* part = nullptr;
  const FetchOptions* options = nullptr;
  std::string url = {};
  std::uint64_t offset = 0;       // where this transfer began within the file
  std::uint64_t received = 0;     // size of the file so far
  std::uint64_t limit = 0;        // of the file
  std::uint64_t range_begin = 0;  // as the server says
  bool started = false;
  std::exception_ptr failure = {};  // thrown in a callback; C code must not be unwound
};

long response_status(CURL* handle) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

// "content-range: bytes 100-199/200" gives 100.
void note_range(std::string_view header, Transfer& transfer) {
  constexpr std::string_view kName = "content-range: bytes ";
  if (header.size() <= kName.size() || strncasecmp(header.data(), kName.data(), kName.size()) != 0)
    return;
  header.remove_prefix(kName.size());
  std::from_chars(header.data(), header.data() + header.size(), transfer.range_begin);
}

// The first bytes of the body: did the server honour the range?
void start_body(Transfer& transfer) {
  transfer.started = true;
  const long status = response_status(transfer.handle);
  if (status == 200 && transfer.offset > 0) {
    transfer.part->clear();
    transfer.offset = 0;
    transfer.received = 0;
  }
  if (status == 206 && transfer.range_begin != transfer.offset) {
    throw FetchError(fmt::format(
        "{}: the server sent the part from byte {} instead of {}; try again or another mirror",
        transfer.url, transfer.range_begin, transfer.offset));
  }
}

void receive_body(std::string_view bytes, Transfer& transfer) {
  if (!transfer.started) start_body(transfer);
  if (bytes.size() > transfer.limit - std::min(transfer.limit, transfer.received)) {
    transfer.part->clear();
    throw FetchError(
        fmt::format("{}: more than the {} bytes that the file can have; this is another file",
                    transfer.url, transfer.limit));
  }
  transfer.part->append(bytes.data(), bytes.size());
  transfer.received += bytes.size();
  if (!transfer.options->progress) return;
  curl_off_t length = -1;
  curl_easy_getinfo(transfer.handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  FetchProgress progress{.url = transfer.url, .received_bytes = transfer.received};
  if (length >= 0) progress.total_bytes = transfer.offset + static_cast<std::uint64_t>(length);
  transfer.options->progress(progress);
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  note_range({data, size * count}, *static_cast<Transfer*>(user));
  return size * count;
}

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  try {
    receive_body({data, size * count}, transfer);
    return size * count;
  } catch (...) {
    transfer.failure = std::current_exception();
    return 0;  // ends the transfer
  }
}

struct CurlCleanup {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using CurlHandle = std::unique_ptr<CURL, CurlCleanup>;

CurlHandle make_handle() {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  CurlHandle handle(global == CURLE_OK ? curl_easy_init() : nullptr);
  if (!handle) throw Error("libcurl cannot be initialised");
  return handle;
}

void configure(Transfer& transfer, char* error_text) {
  CURL* handle = transfer.handle;
  const FetchOptions& options = *transfer.options;
  curl_easy_setopt(handle, CURLOPT_URL, transfer.url.c_str());
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, kMaxRedirects);
  curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "laconic");
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_seconds));
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_seconds));
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error_text);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  if (transfer.offset > 0) {
    // Not CURLOPT_RESUME_FROM: that fails when the server ignores the range.
    curl_easy_setopt(handle, CURLOPT_RANGE, fmt::format("{}-", transfer.offset).c_str());
  }
}

// Receives what is missing of the part. True if it now holds bytes of an earlier attempt.
bool receive(const Download& download, const FetchOptions& options, PartFile& part) {
  const std::uint64_t limit = download.content_bytes + kSlackBytes;
  if (part.size() > limit) part.clear();
  const CurlHandle handle = make_handle();
  Transfer transfer{
      .handle = handle.get(), .part = &part, .options = &options, .url = download.url};
  transfer.offset = transfer.received = part.size();
  transfer.limit = limit;
  char error_text[CURL_ERROR_SIZE] = "";
  configure(transfer, error_text);
  const CURLcode code = curl_easy_perform(handle.get());
  if (transfer.failure) std::rethrow_exception(transfer.failure);
  const long status = response_status(handle.get());
  if (code == CURLE_HTTP_RETURNED_ERROR) {
    constexpr long kRangeNotSatisfiable = 416;
    if (status == kRangeNotSatisfiable && transfer.offset > 0) return true;  // nothing is missing
    throw FetchError(
        fmt::format("{}: the server answers with HTTP status {}", download.url, status));
  }
  if (code == CURLE_PARTIAL_FILE) {
    throw FetchError(fmt::format(
        "{}: the transfer broke off after {} bytes; run it again, it goes on from there",
        download.url, transfer.received));
  }
  if (code != CURLE_OK) {
    const std::string_view reason = error_text[0] != '\0' ? error_text : curl_easy_strerror(code);
    throw FetchError(fmt::format("{}: {}", download.url, reason));
  }
  if (!transfer.started) part.clear();  // an empty body
  return transfer.offset > 0;
}

// Empty if the file holds the right content.
std::string content_problem(const fs::path& path, const Download& download) {
  try {
    const std::string found = sha256_of_content(path, download.content_bytes + kSlackBytes);
    if (found == download.sha256) return {};
    return fmt::format("the content has SHA-256 {} instead of {}", found, download.sha256);
  } catch (const ConfigError& error) {  // damaged gzip, or too long
    return error.what();
  }
}

std::string joined_url(std::string_view base, std::string_view name) {
  while (!base.empty() && base.back() == '/') base.remove_suffix(1);
  return fmt::format("{}/{}", base, name);
}

fs::path fetch_file(const KnownDataset& dataset, const KnownFile& file,
                    const FetchOptions& options) {
  Download wanted{.sha256 = std::string(file.sha256), .content_bytes = file.bytes};
  if (auto present = find_file(dataset, file, {.cache = options.cache})) {
    if (content_problem(*present, wanted).empty()) return *std::move(present);
  }
  wanted.target = options.cache / dataset.folder_name() / file.remote_name;
  std::vector<std::string_view> bases = {dataset.base_url};
  bases.insert(bases.end(), dataset.mirrors.begin(), dataset.mirrors.end());
  if (!options.base_url.empty()) bases = {options.base_url};
  std::string problems;
  for (const std::string_view base : bases) {
    wanted.url = joined_url(base, file.remote_name);
    try {
      download(wanted, options);
      return wanted.target;
    } catch (const FetchError& error) {
      if (!problems.empty()) problems += '\n';
      problems += error.what();
    }
  }
  throw FetchError(problems);
}

}  // namespace

void download(const Download& download, const FetchOptions& options) {
  std::error_code code;
  if (fs::exists(download.target, code) && content_problem(download.target, download).empty())
    return;
  fs::create_directories(download.target.parent_path(), code);
  if (code) {
    throw ConfigError(
        fmt::format("{}: cannot be created: {}; set LACONIC_CACHE to a folder that can be written",
                    download.target.parent_path().string(), code.message()));
  }
  fs::path part_path = download.target;
  part_path += ".part";
  PartFile part(std::move(part_path));
  const bool resumed = receive(download, options, part);
  std::string problem = content_problem(part.path(), download);
  if (!problem.empty() && resumed) {  // the earlier part may be of another mirror's file
    part.clear();
    receive(download, options, part);
    problem = content_problem(part.path(), download);
  }
  if (!problem.empty()) {
    part.remove();
    throw FetchError(fmt::format("{}: {}; what came was thrown away, try again or another mirror",
                                 download.url, problem));
  }
  part.publish(download.target);
}

std::vector<fs::path> fetch(const KnownDataset& dataset, const FetchOptions& options) {
  if (options.cache.empty())
    throw ConfigError("there is no cache folder to download to; set LACONIC_CACHE");
  const bool is_checkable = std::all_of(dataset.files.begin(), dataset.files.end(),
                                        [](const KnownFile& file) { return !file.sha256.empty(); });
  if (!dataset.by_hand.empty() && (options.base_url.empty() || !is_checkable)) {
    throw ConfigError(
        fmt::format("{}: it cannot be fetched: {}, below LACONIC_DATA in the folder {}",
                    dataset.name, dataset.by_hand, dataset.folder_name()));
  }
  std::vector<fs::path> out;
  for (const KnownFile& file : dataset.files) out.push_back(fetch_file(dataset, file, options));
  return out;
}

}  // namespace laconic::data
