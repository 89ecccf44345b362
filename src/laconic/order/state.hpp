// SPDX-License-Identifier: Apache-2.0
// The head of every saved order state: the facts that it was made for. docs/orders.md describes the
// bytes. Private to the layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "laconic/wire/wire.hpp"

namespace laconic::order {

struct StateFacts {
  std::string spec = {};
  std::uint64_t dim = 0;
  std::uint64_t seed = 0;
  std::uint32_t first = 0;  // policies: the worker; example orders: the rank
  std::uint32_t ranks = 0;  // policies: 0
  std::vector<std::uint32_t> units = {};
};
void save_facts(const StateFacts& facts, wire::WireWriter& out);
// Throws ConfigError that names both values when the state was saved for other facts, or that says
// where it is damaged.
void expect_facts(const StateFacts& facts, wire::WireReader& in);
// ConfigError unless everything was read and nothing is left over.
void expect_end(wire::WireReader& in);

void save_order(wire::WireWriter& out, std::span<const std::uint32_t> order);
// Fails with kBadIndex unless the numbers are a permutation.
void load_order(wire::WireReader& in, std::span<std::uint32_t> order);

}  // namespace laconic::order
