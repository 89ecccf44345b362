// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/places.hpp"

#include <cstdlib>
#include <string>

namespace laconic::data {
namespace {

// Empty when the variable is not set.
std::string variable(const char* name) {
  const char* value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read only, never set here
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Places places_from_environment() {
  Places places;
  places.data = variable("LACONIC_DATA");
  if (const std::string cache = variable("LACONIC_CACHE"); !cache.empty()) {
    places.cache = cache;
  } else if (const std::string user_cache = variable("XDG_CACHE_HOME"); !user_cache.empty()) {
    places.cache = std::filesystem::path(user_cache) / "laconic";
  } else if (const std::string home = variable("HOME"); !home.empty()) {
    places.cache = std::filesystem::path(home) / ".cache" / "laconic";
  }
  return places;
}

}  // namespace laconic::data
