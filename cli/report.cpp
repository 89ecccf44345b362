// SPDX-License-Identifier: Apache-2.0
// laconic report: one page from the record files of one or several runs.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/experiment/line_file.hpp"
#include "laconic/report/page.hpp"

namespace laconic::cli {
namespace {

struct ReportArguments {
  std::vector<std::string> folders = {};
  std::string out = {};
};

std::filesystem::path page_file(const ReportArguments& options) {
  if (!options.out.empty()) return options.out;
  if (options.folders.size() > 1) return "report.html";
  return std::filesystem::path(options.folders.front()) / "report.html";
}

int write_page(const ReportArguments& options) {
  std::vector<report::RunFolder> runs;
  bool all_read = true;
  for (const std::string& folder : options.folders) {
    runs.push_back(report::read_folder(folder));
    for (const std::string& problem : runs.back().problems) {
      print_errors(fmt::format("{}/{}", folder, problem));
      all_read = false;
    }
  }
  const std::filesystem::path file = page_file(options);
  experiment::write_whole_file(file, report::page(runs));
  print_out(fmt::format("report: {}\n", file.string()));
  return all_read ? kDone : kFailure;
}

}  // namespace

void add_report(CLI::App& app, Action& chosen) {
  auto options =
      std::make_shared<ReportArguments>();  // lives as long as the application's callbacks
  CLI::App* command =
      app.add_subcommand("report", "Write a page with charts and tables of one or several runs");
  command->add_option("DIR", options->folders, "Folders that laconic run has written")->required();
  command
      ->add_option("--out", options->out,
                   "The page; default: DIR/report.html, of several folders report.html")
      ->type_name("FILE");
  command->callback([options, &chosen] { chosen = [options] { return write_page(*options); }; });
}

}  // namespace laconic::cli
