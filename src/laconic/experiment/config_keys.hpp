// SPDX-License-Identifier: Apache-2.0
// The keys of a configuration: parse_config knows these and no others, and laconic reference prints
// docs/configuration-reference.md from them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace laconic::experiment {

// Where a key may stand.
enum class KeyTable : std::uint8_t {
  kExperiment,  // among the shared settings only
  kMethod,      // in a [[method]], and but for `name` among the shared settings
  kNetwork,     // in [network]
  kSweep,       // in [sweep], beside the names of what is swept
};

// Type, default and meaning are Markdown; links start from docs/.
struct ConfigKey {
  std::string_view name;
  std::string_view type;
  std::string_view default_text;  // a value, "required" or "none"
  std::string_view meaning;
};

// In the order of the documentation.
[[nodiscard]] std::span<const ConfigKey> config_keys(KeyTable table);
// The names that may stand in a table, those among the shared settings for kExperiment.
[[nodiscard]] std::vector<std::string_view> valid_keys(KeyTable table);

}  // namespace laconic::experiment
