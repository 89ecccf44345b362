// SPDX-License-Identifier: Apache-2.0
// Data by name, as configurations write it (kind "data"):
//   a9a   synthetic-sparse:rows=4000,features=200   libsvm:path=train.txt,features=123
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "laconic/base/registry.hpp"
#include "laconic/data/dataset.hpp"
#include "laconic/data/places.hpp"

namespace laconic::data {

struct DataSetup {
  std::uint64_t seed = 0;     // of the generators
  std::uint32_t workers = 1;  // the generators' heterogeneity is between this many blocks of rows
  std::optional<Places> places = {};  // where known data sets lie; default: the environment's
};

using DataMethod = Method<Dataset, DataSetup>;

// Every generator, reader and known data set.
[[nodiscard]] const Registry<Dataset, DataSetup>& data_registry();
[[nodiscard]] std::vector<const Card*> data_cards();

// Reads or generates the data. Precondition: canonical was returned by Catalog::canonical for kind
// "data". ConfigError when a file is missing or not what it should be.
[[nodiscard]] Dataset load(const Spec& canonical, const DataSetup& setup);

}  // namespace laconic::data
