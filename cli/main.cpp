// SPDX-License-Identifier: Apache-2.0
// laconic: the command line program. Errors go to standard error; the exit code says what kind.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/base/error.hpp"
#include "laconic/experiment/version.hpp"

namespace laconic::cli {
namespace {

std::string version_text() {
  return fmt::format("laconic {} ({})", experiment::version(), experiment::compiler());
}

void add_version_everywhere(CLI::App& app) {
  app.set_version_flag("--version", version_text());
  for (CLI::App* command : app.get_subcommands({})) add_version_everywhere(*command);
}

int execute(int argc, const char* const* argv) {
  CLI::App app("Data-parallel training that says little over the wire.", "laconic");
  app.require_subcommand(1);
  Action chosen;
  add_run(app, chosen);
  add_report(app, chosen);
  add_watch(app, chosen);
  add_export(app, chosen);
  add_plan(app, chosen);
  add_predict(app, chosen);
  add_validate(app, chosen);
  add_list(app, chosen);
  add_describe(app, chosen);
  add_data(app, chosen);
  add_herding(app, chosen);
  add_completion(app, chosen);
  add_manual(app, chosen);
  add_reference(app, chosen);
  add_version_everywhere(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? kDone : kBadInput;
  }
  try {
    return chosen();
  } catch (const ConfigError& e) {
    print_errors(e.what());
    return kBadInput;
  } catch (const std::exception& e) {
    print_errors(e.what());
    return kFailure;
  }
}

}  // namespace
}  // namespace laconic::cli

int main(int argc, char** argv) {
  try {
    return laconic::cli::execute(argc, argv);
  } catch (const std::exception& e) {  // e.g. no memory left for the message itself
    std::fputs(e.what(), stderr);
    std::fputc('\n', stderr);
    return laconic::cli::kFailure;
  }
}
