// SPDX-License-Identifier: Apache-2.0
// laconic reference: writes the pages of docs/ that are made from cards and keys.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/reference_pages.hpp"
#include "laconic/experiment/line_file.hpp"

namespace laconic::cli {
namespace {

int write_pages(const std::filesystem::path& folder) {
  const std::vector<ReferencePage> pages = reference_pages();
  for (const ReferencePage& page : pages) {
    const std::filesystem::path file = folder / page.path;
    experiment::make_output_folder(file.parent_path());
    experiment::write_whole_file(file, page.text);
  }
  print_out(fmt::format("reference: {} pages in {}\n", pages.size(), folder.string()));
  return kDone;
}

}  // namespace

void add_reference(CLI::App& app, Action& chosen) {
  auto folder = std::make_shared<std::string>();  // lives as long as the application's callbacks
  CLI::App* command = app.add_subcommand(
      "reference",
      "Write the reference of methods and configuration keys in Markdown: docs/ of the sources");
  command
      ->add_option("--out", *folder,
                   "The folder; configuration-reference.md and methods/ in it are replaced")
      ->type_name("DIR")
      ->required();
  command->callback([folder, &chosen] { chosen = [folder] { return write_pages(*folder); }; });
}

}  // namespace laconic::cli
