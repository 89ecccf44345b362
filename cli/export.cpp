// SPDX-License-Identifier: Apache-2.0
// laconic export: the records of a run as files that other tools read.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/experiment/line_file.hpp"
#include "laconic/report/event_file.hpp"
#include "laconic/report/export_text.hpp"
#include "laconic/report/run_folder.hpp"

namespace laconic::cli {
namespace {

struct ExportArguments {
  std::string folder = {};
  std::string format = "csv";
  std::string out = {};
};

std::filesystem::path target_of(const ExportArguments& options) {
  if (!options.out.empty()) return options.out;
  const std::filesystem::path folder = options.folder;
  return options.format == "tensorboard" ? folder / "tensorboard"
                                         : folder / ("export." + options.format);
}

int export_records(const ExportArguments& options) {
  const report::RunFolder run = report::read_folder(options.folder);
  for (const std::string& problem : run.problems)
    print_errors(fmt::format("{}/{}", options.folder, problem));
  const std::filesystem::path target = target_of(options);
  if (options.format == "tensorboard") {
    report::write_event_files(target, run.records);
  } else {
    const std::string text =
        options.format == "csv" ? report::csv(run.records) : report::jsonl(run.records);
    if (options.out == "-") {
      print_out(text);
    } else {
      experiment::write_whole_file(target, text);
    }
  }
  if (options.out != "-") print_out(fmt::format("{}: {}\n", options.format, target.string()));
  return run.problems.empty() ? kDone : kFailure;
}

}  // namespace

void add_export(CLI::App& app, Action& chosen) {
  auto options =
      std::make_shared<ExportArguments>();  // lives as long as the application's callbacks
  CLI::App* command =
      app.add_subcommand("export", "Write the records of a run for other tools (docs/report.md)");
  command->add_option("DIR", options->folder, "Folder that laconic run has written")->required();
  command->add_option("--format", options->format, "csv, jsonl (flat) or tensorboard")
      ->type_name("csv|jsonl|tensorboard")
      ->required()
      ->check(CLI::IsMember({"csv", "jsonl", "tensorboard"}));
  command
      ->add_option("--out", options->out,
                   "File, - for standard output, of tensorboard a folder; default: DIR/export.csv, "
                   "DIR/export.jsonl, DIR/tensorboard")
      ->type_name("PATH");
  command->callback([options, &chosen] {
    if (options->out == "-" && options->format == "tensorboard")
      throw CLI::ValidationError("--out", "tensorboard's files need a folder");
    chosen = [options] { return export_records(*options); };
  });
}

}  // namespace laconic::cli
