// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/fetch.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "laconic/data/checksum.hpp"
#include "tests/unit/data/http_server.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::bytes_of;
using testing::error_of;
using testing::gzipped;
using testing::HttpServer;
using testing::read_text;
using testing::Reply;
using testing::TemporaryFolder;

std::string sample_text() {
  std::string out;
  for (int i = 0; i < 20000; ++i) out += std::to_string(i) + '\n';
  return out;
}

// A server with /file, a cache, and the download of the one to the other.
class Fetch : public ::testing::Test {
 protected:
  Fetch() {
    ::setenv("no_proxy", "127.0.0.1",
             1);  // a proxy of the environment is not asked for our own server
    server_.set("/file", {.body = text_});
    options_.cache = folder_.path();
  }

  Download sample(std::string_view path = "/file") {
    return {.url = server_.url(path),
            .target = target_,
            .sha256 = sha256(bytes_of(text_)),
            .content_bytes = text_.size()};
  }
  std::string failure(const Download& wanted) {
    return error_of<FetchError>([&] { download(wanted, options_); });
  }
  [[nodiscard]] bool part_exists() const { return std::filesystem::exists(part_); }

  const std::string text_ = sample_text();
  HttpServer server_;
  TemporaryFolder folder_;
  const std::filesystem::path target_ = folder_.path() / "set" / "file";
  const std::filesystem::path part_ = folder_.path() / "set" / "file.part";
  FetchOptions options_;
};

TEST_F(Fetch, BringsAFileAndLeavesNothingElse) {
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
  EXPECT_FALSE(part_exists());
  EXPECT_EQ(server_.requests(), (std::vector<std::string>{"/file"}));
}

TEST_F(Fetch, LeavesARightFileAlone) {
  folder_.write("set/file", text_);
  download(sample(), options_);
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(Fetch, ReplacesAWrongFile) {
  folder_.write("set/file", "old");
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
}

TEST_F(Fetch, KeepsAWrongFileWhenItCannotGetTheRightOne) {
  folder_.write("set/file", "old");
  server_.set("/file", {.status = 500});
  EXPECT_EQ(failure(sample()), server_.url("/file") + ": the server answers with HTTP status 500");
  EXPECT_EQ(read_text(target_), "old");
}

TEST_F(Fetch, ChecksTheContentOfGzip) {
  server_.set("/file", {.body = gzipped(text_)});
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), gzipped(text_));
}

TEST_F(Fetch, ResumesAPart) {
  folder_.write("set/file.part", text_.substr(0, 1000));
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
  EXPECT_EQ(server_.requests(), (std::vector<std::string>{"/file bytes=1000-"}));
}

TEST_F(Fetch, StartsOverWhenTheServerIgnoresTheRange) {
  server_.set("/file", {.body = text_, .honours_range = false});
  folder_.write("set/file.part", text_.substr(0, 1000));
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
  EXPECT_EQ(server_.requests().size(), 1U);
}

TEST_F(Fetch, GoesOnAfterATruncatedTransfer) {
  server_.set("/file", {.body = text_, .cut_after = 5000});
  EXPECT_EQ(failure(sample()),
            server_.url("/file") +
                ": the transfer broke off after 5000 bytes; run it again, it goes on from there");
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_EQ(read_text(part_), text_.substr(0, 5000));
  server_.set("/file", {.body = text_});
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
  EXPECT_EQ(server_.requests().back(), "/file bytes=5000-");
}

TEST_F(Fetch, AcceptsAPartThatIsComplete) {
  folder_.write("set/file.part", text_);
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
}

TEST_F(Fetch, StartsOverWhenThePartIsOfAnotherFile) {
  folder_.write("set/file.part", std::string(1000, 'x'));
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
  EXPECT_EQ(server_.requests(), (std::vector<std::string>{"/file bytes=1000-", "/file"}));
}

TEST_F(Fetch, StartsOverWhenThePartIsLongerThanTheFile) {
  folder_.write("set/file.part", std::string(text_.size() + 100'000, 'x'));
  download(sample(), options_);
  EXPECT_EQ(read_text(target_), text_);
  EXPECT_EQ(server_.requests(), (std::vector<std::string>{"/file"}));
}

TEST_F(Fetch, RefusesAnotherRangeThanAskedFor) {
  server_.set("/file", {.body = text_, .wrong_begin = 7});
  folder_.write("set/file.part", text_.substr(0, 1000));
  EXPECT_EQ(
      failure(sample()),
      server_.url("/file") +
          ": the server sent the part from byte 7 instead of 1000; try again or another mirror");
  EXPECT_EQ(read_text(part_), text_.substr(0, 1000));
}

TEST_F(Fetch, ThrowsWrongContentAwayAndNamesBothChecksums) {
  const std::string other(text_.size(), 'x');
  server_.set("/file", {.body = other});
  EXPECT_EQ(failure(sample()), server_.url("/file") + ": the content has SHA-256 " +
                                   sha256(bytes_of(other)) + " instead of " +
                                   sha256(bytes_of(text_)) +
                                   "; what came was thrown away, try again or another mirror");
  EXPECT_FALSE(std::filesystem::exists(target_));
  EXPECT_FALSE(part_exists());
}

TEST_F(Fetch, RefusesAnEmptyBody) {
  server_.set("/file", {.body = ""});
  const std::string text = failure(sample());
  EXPECT_NE(text.find("the content has SHA-256 e3b0c44298fc1c14"), std::string::npos) << text;
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(Fetch, StopsWhenMoreArrivesThanTheFileCanHave) {
  server_.set("/file", {.body = std::string(text_.size() + 100'000, 'x')});
  EXPECT_EQ(failure(sample()), server_.url("/file") + ": more than the " +
                                   std::to_string(text_.size() + 65536) +
                                   " bytes that the file can have; this is another file");
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(Fetch, NamesUrlAndStatus) {
  EXPECT_EQ(failure(sample("/missing")),
            server_.url("/missing") + ": the server answers with HTTP status 404");
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(Fetch, NamesTheUrlThatDoesNotAnswer) {
  Download wanted = sample();
  wanted.url = "http://127.0.0.1:1/file";
  EXPECT_TRUE(failure(wanted).starts_with("http://127.0.0.1:1/file: ")) << failure(wanted);
}

TEST_F(Fetch, GivesUpOnASilentServer) {
  server_.set("/file", {.silent = true});
  options_.stall_seconds = 1;
  const std::string text = failure(sample());
  EXPECT_NE(text.find("Operation too slow"), std::string::npos) << text;
}

TEST_F(Fetch, FollowsARedirect) {
  server_.set("/moved", {.status = 302, .location = server_.url("/file")});
  download(sample("/moved"), options_);
  EXPECT_EQ(read_text(target_), text_);
}

TEST_F(Fetch, EndsALoopOfRedirects) {
  server_.set("/loop", {.status = 302, .location = server_.url("/loop")});
  const std::string text = failure(sample("/loop"));
  EXPECT_NE(text.find("Maximum (5) redirects followed"), std::string::npos) << text;
}

TEST_F(Fetch, SpeaksHttpAlone) {
  const auto secret = folder_.write("secret", text_);
  Download wanted = sample();
  wanted.url = "file://" + secret.string();
  EXPECT_TRUE(failure(wanted).starts_with("file://")) << failure(wanted);
  server_.set("/moved", {.status = 302, .location = "file://" + secret.string()});
  EXPECT_TRUE(failure(sample("/moved")).starts_with(server_.url("/moved")))
      << failure(sample("/moved"));
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(Fetch, ReportsProgressWithWhatWasThere) {
  folder_.write("set/file.part", text_.substr(0, 1000));
  std::uint64_t last = 1000;
  options_.progress = [&](const FetchProgress& progress) {
    EXPECT_GT(progress.received_bytes, last);
    last = progress.received_bytes;
    EXPECT_EQ(progress.total_bytes, text_.size());
  };
  download(sample(), options_);
  EXPECT_EQ(last, text_.size());
}

TEST_F(Fetch, PassesOnWhatTheProgressCallbackThrows) {
  options_.progress = [](const FetchProgress&) { throw std::domain_error("enough"); };
  EXPECT_EQ(error_of<std::domain_error>([&] { download(sample(), options_); }), "enough");
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(Fetch, RefusesAFileThatAnotherProcessIsBringing) {
  folder_.write("set/file.part", "");
  const int other = ::open(part_.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(other, 0);
  ASSERT_EQ(::flock(other, LOCK_EX), 0);
  EXPECT_EQ(error_of<ConfigError>([&] { download(sample(), options_); }),
            part_.string() + ": another process is downloading this file; wait until it is done");
  ::close(other);
}

TEST_F(Fetch, RefusesACacheThatCannotBeCreated) {
  folder_.write("set", "a file where the folder should be");
  const std::string text = error_of<ConfigError>([&] { download(sample(), options_); });
  EXPECT_TRUE(text.ends_with("set LACONIC_CACHE to a folder that can be written")) << text;
}

// A data set of two files whose publisher and mirror are folders of the test server.
class FetchSet : public Fetch {
 protected:
  FetchSet() {
    server_.set("/mirror/train", {.body = text_});
    server_.set("/mirror/test.gz", {.body = gzipped("1 1:1\n")});
    known_.base_url = publisher_;
    known_.mirrors = {mirror_};
  }

  const std::string publisher_ = server_.url("/publisher/");
  const std::string mirror_ = server_.url("/mirror");
  const std::string train_sum_ = sha256(bytes_of(text_));
  const std::string test_sum_ = sha256(bytes_of("1 1:1\n"));
  KnownDataset known_{.name = "toy",
                      .files = {{.role = FileRole::kTrain,
                                 .name = "train",
                                 .remote_name = "train",
                                 .sha256 = train_sum_,
                                 .bytes = text_.size(),
                                 .rows = 1},
                                {.role = FileRole::kTest,
                                 .name = "test",
                                 .remote_name = "test.gz",
                                 .sha256 = test_sum_,
                                 .bytes = 6,
                                 .rows = 1}}};
};

TEST_F(FetchSet, TurnsToTheMirrorWhenThePublisherFails) {
  const auto paths = fetch(known_, options_);
  EXPECT_EQ(paths, (std::vector<std::filesystem::path>{folder_.path() / "toy/train",
                                                       folder_.path() / "toy/test.gz"}));
  EXPECT_EQ(server_.requests(),
            (std::vector<std::string>{"/publisher/train", "/mirror/train", "/publisher/test.gz",
                                      "/mirror/test.gz"}));
  for (const KnownFile& file : known_.files) {
    EXPECT_TRUE(find_file(known_, file, {.cache = options_.cache}).has_value());
  }
}

TEST_F(FetchSet, BringsOnlyWhatIsMissing) {
  folder_.write("toy/test", "1 1:1\n");  // plain instead of gzip, same content
  options_.base_url = mirror_;
  const auto paths = fetch(known_, options_);
  EXPECT_EQ(paths[1], folder_.path() / "toy/test");
  EXPECT_EQ(server_.requests(), (std::vector<std::string>{"/mirror/train"}));
}

TEST_F(FetchSet, NamesEverySourceThatFailed) {
  server_.set("/mirror/train", {.status = 503});
  EXPECT_EQ(error_of<FetchError>([&] { (void)fetch(known_, options_); }),
            publisher_ + "train: the server answers with HTTP status 404\n" + mirror_ +
                "/train: the server answers with HTTP status 503");
}

TEST_F(FetchSet, AsksForHandsWhereItCannot) {
  known_.by_hand = "the publisher serves parchment; copy it and name it train";
  EXPECT_EQ(error_of<ConfigError>([&] { (void)fetch(known_, options_); }),
            "toy: it cannot be fetched: the publisher serves parchment; copy it and name it train, "
            "below LACONIC_DATA "
            "in the folder toy");
  options_.base_url = mirror_;
  EXPECT_EQ(fetch(known_, options_).size(), 2U);
}

TEST_F(FetchSet, BringsNothingThatItCannotCheck) {
  known_.by_hand = "its checksum is not known; take it from a friend";
  known_.files[1].sha256 = {};
  options_.base_url = mirror_;
  EXPECT_EQ(error_of<ConfigError>([&] { (void)fetch(known_, options_); }),
            "toy: it cannot be fetched: its checksum is not known; take it from a friend, below "
            "LACONIC_DATA in the folder toy");
}

TEST_F(FetchSet, BringsFilesIntoTheFolderOfTheDataSet) {
  known_.folder = "toys";
  options_.base_url = mirror_;
  for (const auto& path : fetch(known_, options_))
    EXPECT_EQ(path.parent_path(), options_.cache / "toys");
}

TEST_F(FetchSet, NeedsACache) {
  options_.cache.clear();
  EXPECT_EQ(error_of<ConfigError>([&] { (void)fetch(known_, options_); }),
            "there is no cache folder to download to; set LACONIC_CACHE");
}

}  // namespace
}  // namespace laconic::data
