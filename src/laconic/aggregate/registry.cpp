// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "laconic/aggregate/low_rank.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/aggregate/shards.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/channel/analog.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/mechanism/mechanism.hpp"

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

const Catalog& aggregator_catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_aggregator_cards(c);
    add_mechanism_cards(c);
    add_compressor_cards(c);
    add_channel_cards(c);
    add_link_cards(c);
    return c;
  }();
  return catalog;
}

Spec canonical_aggregator(std::string_view text) {
  const Spec spec = parse_spec(text).value_or_throw();
  const auto problems = aggregator_catalog().problems(spec, "aggregator");
  if (!problems.empty()) throw ConfigError(problems.front());
  return aggregator_catalog().canonical(spec, "aggregator");
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
  const AggregatorNeeds needs = aggregator_needs(canonical, 1);
  if (!needs.frames) {
    return {
        fmt::format("{} sends no frames that a link could carry; remove link", print(canonical))};
  }
  const auto made = links().make(link, {});
  if (needs.every_frame && (made->loses() || made->damages())) {
    return {
        fmt::format("{} needs every frame as it was sent, because server and workers would "
                    "drift apart, and link {} {} some; use {}",
                    canonical.name, link.name, made->loses() ? "loses" : "damages",
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
  const Args args(canonical);
#define LACONIC_AGGREGATOR(method)                       \
  if (canonical.name == aggregate::method##_card().name) \
    return aggregate::method##_needs(args, workers);
#include "laconic/aggregate/methods.def"
#undef LACONIC_AGGREGATOR
  return {};
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
