// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "laconic/aggregate/low_rank.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/aggregate/shards.hpp"
#include "laconic/base/assert.hpp"

namespace laconic {

template <Real T>
const AggregatorRegistry<T>& aggregators() {
  static const AggregatorRegistry<T> registry({
#define LACONIC_AGGREGATOR(name) {&aggregate::name##_card(), &aggregate::make_##name<T>},
#include "laconic/aggregate/methods.def"
#undef LACONIC_AGGREGATOR
  });
  return registry;
}
template const AggregatorRegistry<float>& aggregators<float>();
template const AggregatorRegistry<double>& aggregators<double>();

void add_aggregator_cards(Catalog& catalog) {
  for (const auto& method : aggregators<float>().methods()) catalog.add(*method.card);
}

std::vector<std::string> aggregator_problems(const Spec& canonical, std::uint32_t workers,
                                             const Layout* layout) {
  const Args args(canonical);
#define LACONIC_AGGREGATOR(method)                       \
  if (canonical.name == aggregate::method##_card().name) \
    return aggregate::method##_problems(args, workers, layout);
#include "laconic/aggregate/methods.def"
#undef LACONIC_AGGREGATOR
  return {};
}

std::vector<std::string> aggregator_notes(const Spec& canonical, const AggregatorSetup& setup) {
  LACONIC_EXPECTS(setup.layout != nullptr);
  if (canonical.name != aggregate::laser_card().name &&
      canonical.name != aggregate::lowrank_card().name) {
    return {};
  }
  return aggregate::low_rank_notes(Args(canonical), setup);
}

std::vector<std::string> aggregator_link_problems(const Spec& canonical, const Spec& link) {
  const std::string& name = canonical.name;
  constexpr std::array<std::string_view, 6> kWithoutFrames = {"lowrank",  "laser",      "air",
                                                              "air-sign", "air-sketch", "adsgd"};
  const bool sums =
      std::find(kWithoutFrames.begin(), kWithoutFrames.end(), name) != kWithoutFrames.end();
  if (sums || (name == "dense" && Args(canonical).text("sum") == "fast")) {
    return {
        fmt::format("{} sends no frames that a link could carry; remove link", print(canonical))};
  }
  const auto made = links().make(link, {});
  if (name == aggregate::mirror_card().name && (made->loses() || made->damages())) {
    return {
        fmt::format("mirror needs every frame as it was sent, because server and workers would "
                    "drift apart, and link {} {} some; use {}",
                    link.name, made->loses() ? "loses" : "damages",
                    link.name == "capacity" ? "another link" : "repair=resend")};
  }
  return {};
}

std::optional<StepTheory> aggregator_theory(const Spec& canonical, const AggregatorSetup& setup) {
  const Args args(canonical);
#define LACONIC_AGGREGATOR(method)                       \
  if (canonical.name == aggregate::method##_card().name) \
    return aggregate::method##_theory(args, setup);
#include "laconic/aggregate/methods.def"
#undef LACONIC_AGGREGATOR
  return std::nullopt;
}

AggregatorNeeds aggregator_needs(const Spec& canonical, std::uint32_t workers) {
  if (canonical.name == aggregate::mirror_card().name) {
    return aggregate::mirror_needs(Args(canonical), workers);
  }
  const auto is = [&](const Card& card) { return canonical.name == card.name; };
  const bool fast = is(aggregate::dense_card()) && Args(canonical).text("sum") == "fast";
  return {.every_worker = !is(aggregate::dense_card()),
          .summed_messages = fast || is(aggregate::lowrank_card()) || is(aggregate::laser_card()) ||
                             is(aggregate::air_card()) || is(aggregate::air_sign_card()) ||
                             is(aggregate::air_sketch_card()) || is(aggregate::adsgd_card()),
          .matrix = is(aggregate::quantized_card()) && Args(canonical).text("matrix") == "raw"};
}

namespace aggregate {

ParamCard shards_param() {
  return {.key = "shards",
          .type = ParamType::kInteger,
          .default_text = "0",
          .help =
              "the number of server shards, each on the machine of one worker; 0 for one up to 4 "
              "workers and one "
              "per worker beyond",
          .min = 0,
          .max = 65536};
}

std::uint32_t shard_count(const Args& args, std::uint32_t workers) {
  const auto shards = static_cast<std::uint32_t>(args.integer("shards"));
  return shards == 0 ? default_shards(workers) : shards;
}

std::vector<std::string> shards_problems(const Args& args, std::uint32_t workers) {
  const std::int64_t shards = args.integer("shards");
  if (shards <= workers) return {};
  return {
      fmt::format("{}: shards={} is more than the {} workers that can host them; use at most {}",
                  args.spec().name, shards, workers, workers)};
}

}  // namespace aggregate
}  // namespace laconic
