// SPDX-License-Identifier: Apache-2.0
// laconic watch: the page of a run that goes on.
#include "laconic/report/watch.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "cli/stop_signal.hpp"
#include "laconic/base/error.hpp"

namespace laconic::cli {
namespace {

struct WatchArguments {
  std::string folder = {};
  std::uint16_t port = 0;
};

int watch(const WatchArguments& options) {
  std::error_code code;
  if (std::filesystem::exists(std::filesystem::path(options.folder) / "summary.json", code)) {
    throw ConfigError(
        fmt::format("the run in '{}' has ended; 'laconic report' writes its page", options.folder));
  }
  report::WatchServer server(options.port);
  listen_to_signals();
  print_out(fmt::format("watching {}: http://127.0.0.1:{}/ (Ctrl-C ends it)\n", options.folder,
                        server.port()));
  server.serve(options.folder, stop_wanted());
  if (stop_wanted().load()) return kInterrupted;
  print_out("the run has ended\n");
  return kDone;
}

}  // namespace

void add_watch(CLI::App& app, Action& chosen) {
  auto options =
      std::make_shared<WatchArguments>();  // lives as long as the application's callbacks
  CLI::App* command =
      app.add_subcommand("watch", "Serve the page of a run while it goes on, to this machine only");
  command->add_option("DIR", options->folder, "Folder that laconic run writes to")->required();
  command->add_option("--port", options->port, "Port of 127.0.0.1; default: any free one")
      ->type_name("N");
  command->callback([options, &chosen] { chosen = [options] { return watch(*options); }; });
}

}  // namespace laconic::cli
