// SPDX-License-Identifier: Apache-2.0
// Offline herding (cd-grab.md 2.3): balance and reorder the gradients of the epoch before, centred
// by their exact mean, several times. O(n d) memory; each round costs what an epoch of grab costs.
#include <cmath>

#include "laconic/kernels/kernels.hpp"
#include "laconic/order/collected.hpp"
#include "laconic/order/compose.hpp"
#include "laconic/order/observing_policy.hpp"

namespace laconic::order {
namespace {

const Card kHerdingCard{
    .kind = "order",
    .name = "herding",
    .summary = "balances and reorders last epoch's gradients several times; O(n d) memory",
    .formula =
        "c_j = z_j - mean of z; `rounds` times: r = 0, and for every j in order\n"
        "    s_j = +1 if <r, c_j> <= 0, else -1; r <- r + s_j c_j\n"
        "    new order: those with +1, then those with -1 backwards",
    .paper = "GraB, arXiv 2205.10733; Harvey, Samadi, COLT 2014",
    .params = {{.key = "rounds",
                .type = ParamType::kInteger,
                .default_text = "10",
                .help = "how often; log2 of the herding bound of a random order is enough",
                .min = 1,
                .max = 1000},
               {.key = "rule",
                .type = ParamType::kChoice,
                .default_text = "det-le",
                .help = "the sign of a vector whose product with the sum is 0: det-le +, det-lt -",
                .choices = {"det-le", "det-lt"}}},
    .promises = "every epoch is a permutation; the first is random"};

template <Real T>
class HerdingEngine {
 public:
  explicit HerdingEngine(const EngineSetup& setup)
      : setup_(setup),
        rule_(setup.options.rule),
        collected_(setup.units, setup.dim),
        mean_(setup.dim),
        r_(setup.dim) {}
  void begin_epoch(std::uint32_t e) { epoch_ = e; }
  void push(std::uint32_t position, const UnitGradient<T>& gradient) {
    collected_.set(position, gradient);
  }

  void end_epoch(std::span<std::uint32_t> order) {
    collected_.mean(mean_);
    std::vector<std::uint32_t> positions(order.size());
    order_methods::fill_identity(positions);
    std::vector<std::uint32_t> next(order.size());
    for (std::uint32_t round = 0; round < setup_.rounds; ++round) {
      reorder_by_signs(positions, balance(positions), next);
      std::swap(positions, next);
    }
    for (std::size_t j = 0; j < order.size(); ++j) next[j] = order[positions[j]];
    std::ranges::copy(next, order.begin());
  }

  [[nodiscard]] OrderStats stats() const {
    const SignRule::Counts& counts = rule_.counts();
    return {.largest_sum = largest_sum_,
            .sum_norm = std::sqrt(kernels::squared_norm<double>(r_)),
            .plus = counts.plus,
            .minus = counts.minus,
            .ties = counts.ties,
            .smallest_margin = counts.smallest_margin,
            .memory = {.sum_numbers = mean_.size() + r_.size(),
                       .cached_numbers = collected_.numbers(),
                       .peak_cached_numbers = collected_.numbers()}};
  }
  void save(wire::WireWriter& out) const { collected_.save(out); }
  void load(wire::WireReader& in) { collected_.load(in); }
  [[nodiscard]] bool fits(std::uint32_t, const SeenUnits&) const { return true; }

 private:
  std::vector<std::uint64_t> balance(std::span<const std::uint32_t> positions) {
    std::vector<std::uint64_t> signs(kernels::words_for(positions.size()));
    std::ranges::fill(r_, 0.0);
    rule_.begin_epoch();
    largest_sum_ = 0;
    for (std::size_t j = 0; j < positions.size(); ++j) {
      const std::span<const T> z = collected_.row(positions[j]);
      const double product = kernels::centred_dot<T>(z, mean_, r_);
      if (!std::isfinite(product)) {
        throw UnitDivergedError(
            {.worker = setup_.worker, .epoch = epoch_, .position = positions[j]});
      }
      const bool negative = rule_.is_negative({.product = product});
      if (negative) signs[j / 64] |= std::uint64_t{1} << (j % 64);
      kernels::add_centred<T>(negative, z, mean_, r_);
      largest_sum_ = std::max(largest_sum_, kernels::absmax<double>(r_));
    }
    return signs;
  }

  EngineSetup setup_;
  SignRule rule_;
  Collected<T> collected_;
  AlignedVector<double> mean_;
  AlignedVector<double> r_;
  std::uint32_t epoch_ = 0;
  double largest_sum_ = 0;
};

}  // namespace
}  // namespace laconic::order

namespace laconic::order_methods {

Method<OrderPolicy, OrderSetup> herding() {
  return {&order::kHerdingCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            order::EngineSetup engine;
            engine.rounds = static_cast<std::uint32_t>(args.integer("rounds"));
            engine.options.rule.kind =
                args.text("rule") == "det-le" ? order::RuleKind::kDetLe : order::RuleKind::kDetLt;
            return std::make_unique<
                order::ObservingPolicy<order::HerdingEngine<float>, order::HerdingEngine<double>>>(
                args, setup, engine);
          }};
}

}  // namespace laconic::order_methods
