// SPDX-License-Identifier: Apache-2.0
// What every aggregator's file defines: its card, its constructor, the problems that its card
// cannot express (none for most), what theory says about its step size, and what it needs. Made
// from methods.def.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"

namespace laconic::aggregate {

#define LACONIC_AGGREGATOR(name)                                                              \
  const Card& name##_card();                                                                  \
  template <Real T>                                                                           \
  std::unique_ptr<Aggregator<T>> make_##name(const Args& args, const AggregatorSetup& setup); \
  std::vector<std::string> name##_problems(const Args& args, std::uint32_t workers,           \
                                           const Layout* layout);                             \
  std::optional<StepTheory> name##_theory(const Args& args, const AggregatorSetup& setup);    \
  AggregatorNeeds name##_needs(const Args& args, std::uint32_t workers);
#include "laconic/aggregate/methods.def"
#undef LACONIC_AGGREGATOR

// The parameter that all sharded aggregators share, and what it means for a run.
[[nodiscard]] ParamCard shards_param();
[[nodiscard]] std::uint32_t shard_count(const Args& args, std::uint32_t workers);
[[nodiscard]] std::vector<std::string> shards_problems(const Args& args, std::uint32_t workers);

}  // namespace laconic::aggregate
