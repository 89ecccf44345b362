// SPDX-License-Identifier: Apache-2.0
// The page of one or several runs: one HTML file that needs nothing else. It is the front end of
// report/, built once and carried in the binary (bundle.hpp), with the data of the runs as JSON in
// a script element that no browser executes. Every character of the data that HTML knows is
// escaped, so no text of a configuration can leave that element; the front end writes texts as
// text only.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "laconic/report/run_folder.hpp"

namespace laconic::report {

struct PageOptions {
  bool live = false;  // the page asks its server for newer data (`laconic watch`)
};

// {"live":...,"version":...,"runs":[...]}: what the page shows, in ASCII.
[[nodiscard]] std::string page_data(std::span<const RunFolder> runs, const PageOptions& options);
// `bundle` with the data in its place. ConfigError if it has no such place.
[[nodiscard]] std::string fill_page(std::string_view bundle, std::string_view data);
[[nodiscard]] std::string page(std::span<const RunFolder> runs, const PageOptions& options = {});

// Reads the folder's record files and writes FOLDER/report.html. Throws Error when the disk does
// not take it. Returns what could not be read.
std::vector<std::string> write_report(const std::filesystem::path& folder);

}  // namespace laconic::report
