// SPDX-License-Identifier: Apache-2.0
// The commands of the program, one file each. Every add_ function adds its subcommand to the
// application; when the user chose it, `chosen` becomes what has to be done.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace laconic::cli {

enum ExitCode : int { kDone = 0, kFailure = 1, kBadInput = 2, kInterrupted = 130 };

using Action = std::function<int()>;  // returns the exit code

void add_run(CLI::App& app, Action& chosen);
void add_report(CLI::App& app, Action& chosen);
void add_watch(CLI::App& app, Action& chosen);
void add_export(CLI::App& app, Action& chosen);
void add_plan(CLI::App& app, Action& chosen);
void add_predict(CLI::App& app, Action& chosen);
void add_validate(CLI::App& app, Action& chosen);
void add_list(CLI::App& app, Action& chosen);
void add_describe(CLI::App& app, Action& chosen);
void add_data(CLI::App& app, Action& chosen);
void add_herding(CLI::App& app, Action& chosen);
void add_completion(CLI::App& app, Action& chosen);
void add_manual(CLI::App& app, Action& chosen);
void add_reference(CLI::App& app, Action& chosen);

}  // namespace laconic::cli
