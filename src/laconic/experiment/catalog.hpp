// SPDX-License-Identifier: Apache-2.0
// Every method that a configuration can name, in one catalog.
#pragma once

#include "laconic/base/card.hpp"

namespace laconic::experiment {

// Kinds: problem, data, shard, aggregator, compressor, optimizer, schedule, order, adversary,
// channel, link. Built at the first call; thread-safe.
[[nodiscard]] const Catalog& all_cards();

}  // namespace laconic::experiment
