// SPDX-License-Identifier: Apache-2.0
#include "cli/session.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include "cli/output.hpp"

namespace laconic::cli {
namespace {

using experiment::Diagnostic;
using experiment::Override;
using experiment::Severity;

// At most one byte more than a configuration may have: parse_config says the rest.
std::optional<std::string> read_text(const std::string& file, std::string& problem) {
  std::error_code code;
  if (std::filesystem::is_directory(file, code)) {
    problem = "is a folder; a TOML file is expected";
    return std::nullopt;
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) {
    problem = fmt::format("cannot be read: {}",
                          std::error_code(errno, std::generic_category()).message());
    return std::nullopt;
  }
  std::string text(experiment::kMaxConfigBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

Checked check(const Source& source) {
  Checked out;
  std::string problem;
  const auto text = read_text(source.file, problem);
  if (!text) {
    out.diagnostics.push_back({Severity::kError, source.file, problem});
    return out;
  }
  std::vector<Override> overrides;
  for (const std::string& setting : source.settings) {
    if (auto parsed = experiment::parse_override(setting)) {
      overrides.push_back(std::move(*parsed));
    } else {
      out.diagnostics.push_back(
          {Severity::kError, "--set",
           fmt::format("'{}' is not KEY=VALUE, e.g. --set rounds=10", setting)});
    }
  }
  experiment::ParsedConfig parsed = experiment::parse_config(*text, source.file, overrides);
  std::move(parsed.diagnostics.begin(), parsed.diagnostics.end(),
            std::back_inserter(out.diagnostics));
  if (parsed.is_toml) {
    experiment::Diagnostics found = experiment::validate(parsed.config);
    std::move(found.begin(), found.end(), std::back_inserter(out.diagnostics));
  }
  if (!experiment::has_errors(out.diagnostics)) out.plan = experiment::make_plan(parsed.config);
  return out;
}

void print_diagnostics(const experiment::Diagnostics& diagnostics, bool errors_only) {
  for (const Diagnostic& diagnostic : diagnostics) {
    if (errors_only && diagnostic.severity != Severity::kError) continue;
    fmt::print(stderr, "{}\n", experiment::text_of(diagnostic));
  }
}

}  // namespace laconic::cli
