// SPDX-License-Identifier: Apache-2.0
// laconic data: the public data sets that laconic knows, where they are, and how to get them.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/catalog.hpp"
#include "laconic/data/fetch.hpp"

namespace laconic::cli {
namespace {

using data::KnownDataset;
using data::KnownFile;

const KnownDataset& known(const std::string& name) {
  if (const KnownDataset* dataset = data::find_known(name)) return *dataset;
  std::vector<std::string_view> names;
  for (const KnownDataset& dataset : data::known_datasets()) names.push_back(dataset.name);
  throw ConfigError(fmt::format("'{}' is not a known data set; use {}", name, join_or(names)));
}

std::size_t files_here(const KnownDataset& dataset, const data::Places& places) {
  std::size_t count = 0;
  for (const KnownFile& file : dataset.files) {
    count += data::find_file(dataset, file, places).has_value() ? 1 : 0;
  }
  return count;
}

int list_datasets() {
  const data::Places places = data::places_from_environment();
  std::string out;
  for (const KnownDataset& dataset : data::known_datasets()) {
    const std::size_t here = files_here(dataset, places);
    const std::string_view state = here == dataset.files.size() ? "here"
                                   : !dataset.by_hand.empty()   ? "by hand"
                                                                : "fetch";
    out += fmt::format("{:<18} {:<8} {}\n", dataset.name, state, dataset.summary);
  }
  print_out(out);
  return kDone;
}

std::string size_text(const KnownDataset& dataset, const KnownFile& file) {
  if (file.bytes == 0) return "size not known";
  return fmt::format("{} {}, {}", file.rows, data::row_unit(dataset.format),
                     bytes_text(static_cast<double>(file.bytes)));
}

int info(const std::string& name) {
  const KnownDataset& dataset = known(name);
  const data::Places places = data::places_from_environment();
  std::string out = fmt::format("{}: {}\n", dataset.name, dataset.summary);
  out += wrapped(fmt::format("Licence: {}", dataset.licence), 2, 80);
  out += wrapped(fmt::format("Publisher: {}", dataset.base_url), 2, 80);
  if (!dataset.by_hand.empty()) {
    out += wrapped(fmt::format("By hand: {}", dataset.by_hand), 2, 80);
  }
  for (const KnownFile& file : dataset.files) {
    const auto path = data::find_file(dataset, file, places);
    out += fmt::format("\n  {} ({}): {}\n    sha256 {}\n    {}\n", file.name,
                       data::role_name(file.role), size_text(dataset, file),
                       file.sha256.empty() ? "not known" : file.sha256,
                       path ? path->string() : std::string("not here"));
  }
  print_out(out);
  return kDone;
}

// One line that is rewritten on a terminal; nothing elsewhere.
class DownloadLine {
 public:
  void show(const data::FetchProgress& progress) {
    if (!live_) return;
    const auto now = std::chrono::steady_clock::now();
    const bool complete = progress.total_bytes && *progress.total_bytes == progress.received_bytes;
    if (!complete && now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    shown_ = true;
    const std::string total =
        progress.total_bytes ? " of " + bytes_text(static_cast<double>(*progress.total_bytes)) : "";
    fmt::print(
        stderr, "\r\x1b[2K{}",
        left(fmt::format("{}{}  {}", bytes_text(static_cast<double>(progress.received_bytes)),
                         total, progress.url),
             79));
  }
  ~DownloadLine() {
    if (shown_) fmt::print(stderr, "\n");
  }

 private:
  bool live_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  std::chrono::steady_clock::time_point last_ = {};
};

struct FetchChoice {
  std::string name = {};
  std::string base_url = {};
};

int fetch(const FetchChoice& choice) {
  const KnownDataset& dataset = known(choice.name);
  std::vector<std::filesystem::path> paths;
  {
    DownloadLine line;
    data::FetchOptions options;
    options.base_url = choice.base_url;
    options.progress = [&line](const data::FetchProgress& progress) { line.show(progress); };
    paths = data::fetch(dataset, options);
  }
  for (const auto& path : paths) print_out(path.string() + "\n");
  return kDone;
}

}  // namespace

void add_data(CLI::App& app, Action& chosen) {
  auto choice = std::make_shared<FetchChoice>();  // lives as long as the application's callbacks
  CLI::App* command = app.add_subcommand("data", "Known data sets: list, describe, download");
  command->require_subcommand(1);
  command->add_subcommand("list", "List the known data sets and whether they are here")
      ->callback([&chosen] { chosen = [] { return list_datasets(); }; });
  CLI::App* info_command =
      command->add_subcommand("info", "Show a data set's files, licence and publisher");
  info_command->add_option("NAME", choice->name, "As laconic data list shows it")->required();
  info_command->callback([choice, &chosen] { chosen = [choice] { return info(choice->name); }; });
  CLI::App* fetch_command =
      command->add_subcommand("fetch", "Download a data set, checked against its SHA-256");
  fetch_command->add_option("NAME", choice->name, "As laconic data list shows it")->required();
  fetch_command
      ->add_option("--from", choice->base_url,
                   "Another server: http://HOST/FOLDER that holds the files")
      ->type_name("URL");
  fetch_command->callback([choice, &chosen] { chosen = [choice] { return fetch(*choice); }; });
}

}  // namespace laconic::cli
