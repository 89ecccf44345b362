// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/live_page.hpp"

#include <fmt/format.h>

#include <system_error>

#include "laconic/report/bundle.hpp"
#include "laconic/report/page.hpp"
#include "laconic/report/run_folder.hpp"

namespace laconic::report {
namespace {

// Changes whenever a file of the run does.
std::string state_of(const std::filesystem::path& folder) {
  std::string out = "\"";
  for (const char* const name : {"records.jsonl", "cells.jsonl", "summary.json"}) {
    std::error_code code;
    const auto size = std::filesystem::file_size(folder / name, code);
    const auto time = std::filesystem::last_write_time(folder / name, code);
    if (code) {
      out += "-.";
    } else {
      out += fmt::format("{}@{}.", size, time.time_since_epoch().count());
    }
  }
  return out + "\"";
}

// Between the cells of a sweep and the records of its best ones there are no records.
RunFolder read_or_say_why(const std::filesystem::path& folder, bool live) {
  try {
    return read_folder(folder, {.live = live});
  } catch (const ConfigError& e) {
    RunFolder run;
    run.folder = folder;
    run.problems.emplace_back(e.what());
    return run;
  }
}

}  // namespace

bool LivePage::run_has_ended() const {
  std::error_code code;
  return std::filesystem::is_regular_file(folder_ / "summary.json", code);
}

void LivePage::refresh() {
  // The state first: what is written from now on changes it once more.
  const std::string state = state_of(folder_);
  if (state == seen_) return;
  const bool live = !run_has_ended();
  const RunFolder run = read_or_say_why(folder_, live);
  data_ = page_data({&run, 1}, {.live = live});
  seen_ = state;
}

HttpResponse LivePage::answer(const HttpRequest& request, std::uint16_t port) {
  if (!names_this_machine(request.host, port))
    return {.status = 403, .body = "This server answers to 127.0.0.1 and localhost only.\n"};
  if (request.method != "GET" && request.method != "HEAD")
    return {.status = 405, .body = "Only GET and HEAD are answered.\n"};
  if (request.target != "/" && request.target != "/data.json")
    return {.status = 404, .body = "There are / and /data.json.\n"};
  refresh();
  if (request.target == "/") {
    return {.type = "text/html; charset=utf-8", .body = fill_page(bundle(), data_)};
  }
  if (request.if_none_match == seen_) return {.status = 304, .tag = seen_};
  return {.type = "application/json", .tag = seen_, .body = data_};
}

}  // namespace laconic::report
