// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace laconic::cli {
namespace {

// Read before any thread is started.
std::string_view variable(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): see above
  return value == nullptr ? std::string_view() : std::string_view(value);
}

}  // namespace

Terminal terminal_of_stdout() {
  const std::string_view kind = variable("TERM");
  Terminal terminal;
  terminal.live = ::isatty(STDOUT_FILENO) == 1 && !kind.empty() && kind != "dumb";
  terminal.color = terminal.live && variable("NO_COLOR").empty();
  winsize size = {};
  if (terminal.live && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    terminal.width = size.ws_col;
  return terminal;
}

}  // namespace laconic::cli
