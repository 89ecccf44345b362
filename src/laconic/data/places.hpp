// SPDX-License-Identifier: Apache-2.0
// The two folders in which the files of known data sets are looked up, as FOLDER/FILE or
// FOLDER/FILE.gz, in this order.
#pragma once

#include <filesystem>

namespace laconic::data {

struct Places {
  std::filesystem::path data = {};   // of the user: read only; empty: none
  std::filesystem::path cache = {};  // filled by downloads; empty: none
};

// data: $LACONIC_DATA. cache: $LACONIC_CACHE, else $XDG_CACHE_HOME/laconic, else ~/.cache/laconic.
[[nodiscard]] Places places_from_environment();

}  // namespace laconic::data
