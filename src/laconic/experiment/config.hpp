// SPDX-License-Identifier: Apache-2.0
// An experiment as its TOML file states it: shared settings and the methods to be compared under
// them. docs/configuration.md describes every key.
//
// Three steps, each pure: parse_config reads text, validate finds everything that is wrong with the
// result, make_plan (plan.hpp) fills in the defaults. The bytes parsed may be hostile: nothing is
// read but the text given, and whatever is in it, the outcome is a Config and Diagnostics.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/experiment/stopping.hpp"
#include "laconic/experiment/sweep.hpp"

namespace laconic::experiment {

enum class Severity : std::uint8_t { kError, kWarning };

// One line for the user.
struct Diagnostic {
  Severity severity = Severity::kError;
  std::string place = {};    // "examples/a9a.toml:12: method[2].step" or "--set method.2.step"
  std::string message = {};  // value, limit and remedy
  bool operator==(const Diagnostic&) const = default;
};
using Diagnostics = std::vector<Diagnostic>;
[[nodiscard]] bool has_errors(const Diagnostics& diagnostics);
// "PLACE: error: MESSAGE".
[[nodiscard]] std::string text_of(const Diagnostic& diagnostic);

enum class Precision : std::uint8_t { kFloat, kDouble };

// Whether rounds leave out the zeros of sparse gradients; records are the same either way.
enum class Sparse : std::uint8_t {
  kAuto,   // where the method can and a batch has entries for a small part of the coordinates
  kNever,  // for comparisons
};

struct StepSize {
  enum class Kind : std::uint8_t {
    kNumber,  // eta = factor
    kTheory,  // factor times the step of the method's theory (step_theory.hpp), 1 / L_- without one
    kPl,      // likewise under the PL condition
  };
  Kind kind = Kind::kNumber;
  double factor = 0;
  bool operator==(const StepSize&) const = default;
};

struct Batch {
  enum class Kind : std::uint8_t {
    kSize,   // the next `size` examples of the worker's order
    kFull,   // the exact gradient of the worker's function
    kNoisy,  // the exact gradient plus the synthetic noise of a problem without examples
  };
  Kind kind = Kind::kFull;
  std::uint32_t size = 0;  // of kSize
  bool operator==(const Batch&) const = default;
};

// Input of the model in docs/network-model.md.
struct Network {
  double bandwidth_bits_per_second = 0;
  double latency_seconds = 0;
  bool operator==(const Network&) const = default;
};

// What an order that observes looks at: the gradients of the workers' own units, or what the server
// decodes their messages to.
enum class OrderFrom : std::uint8_t { kGradients, kMessages };

// What a [[method]] may set. Absent: the shared setting of the same name, then the default. Methods
// are named by specs (base/spec.hpp), as written.
struct MethodSettings {
  std::optional<std::string> name = {};
  std::optional<std::string> aggregator = {};
  std::optional<std::string> optimizer = {};
  std::optional<std::string> schedule = {};
  std::optional<std::string> order = {};
  std::optional<OrderFrom> order_from = {};
  std::optional<std::string> adversary = {};
  std::optional<std::string> estimator = {};
  std::optional<std::string> link = {};
  std::optional<StepSize> step = {};
  std::optional<Batch> batch = {};
  std::optional<std::uint32_t> unit = {};
  std::optional<std::uint32_t> workers = {};
  std::optional<std::uint32_t> rounds = {};
  std::optional<std::uint32_t> epochs = {};
  std::optional<Until> until = {};
  std::optional<Budget> budget = {};
  std::optional<bool> allow_divergence = {};
  // Of step, batch, until and budget: texts into which a sweep puts values, by key.
  std::map<std::string, std::string, std::less<>> templates = {};
};

struct Config {
  std::string source = {};  // how messages call the text
  std::string name = {};
  std::uint64_t seed = 1;
  std::uint32_t repeats = 1;
  Precision precision = Precision::kFloat;
  std::optional<std::string> problem = {};
  std::optional<std::string> data = {};
  std::string shard = "contiguous";
  std::optional<std::uint32_t> record_every = {};
  bool record_each_epoch = false;  // record_every = "epoch"
  bool record_gradient = true;
  bool record_excess = false;
  Sparse sparse = Sparse::kAuto;
  std::optional<Network> network = {};
  std::optional<Sweep> sweep = {};
  MethodSettings shared = {};
  std::vector<MethodSettings> methods = {};

  // Every key that is present, by path ("method[2].step"): its line, 0 when it came from the
  // command line.
  std::map<std::string, std::uint32_t, std::less<>> lines = {};
  [[nodiscard]] bool given(std::string_view path) const;
  // Where a message about the path points; for absent keys the line of the table around it.
  [[nodiscard]] std::string place(std::string_view path) const;
  // Values that parse_config refused: their keys are given, but the fields hold the defaults.
  std::size_t refused = 0;
};

// A setting from the command line: `--set method.2.step=0.1` is {"method.2.step", "0.1"}. The value
// is read as a TOML value; what is none is a string.
struct Override {
  std::string path = {};
  std::string value = {};
};
// "0.1", "theory", "pl*2"; "64", "full". On failure the message names the value and what is
// expected.
[[nodiscard]] Result<StepSize> parse_step(std::string_view text);
[[nodiscard]] Result<Batch> parse_batch(std::string_view text);
// "100Mbit/s" -> 1e8, above 0; "1ms" -> 1e-3, not below 0.
[[nodiscard]] Result<double> parse_bandwidth(std::string_view text);
[[nodiscard]] Result<double> parse_seconds(std::string_view text);

// Splits "PATH=VALUE"; nothing when there is no '=' or no path.
[[nodiscard]] std::optional<Override> parse_override(std::string_view text);

// Syntax, types and ranges. A value with a problem is left at its default; its key counts as given,
// so that validate does not complain about it a second time.
struct ParsedConfig {
  Config config = {};
  Diagnostics diagnostics = {};
  bool is_toml = true;  // false: the text is not TOML, and nothing could be read from it
};
inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;
[[nodiscard]] ParsedConfig parse_config(std::string_view text, std::string_view source,
                                        const std::vector<Override>& overrides = {});

}  // namespace laconic::experiment
