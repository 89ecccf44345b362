// SPDX-License-Identifier: Apache-2.0
// Greedy ordering (cd-grab.md 1): from the gradients of the epoch before, centred by their mean,
// repeatedly the unused unit with the smallest |s + z|_2; s += z. Equal norms: the lower position
// of the epoch before. O(n d) memory and O(n^2 d) time per epoch: a baseline.
#include <cmath>
#include <limits>

#include "laconic/kernels/kernels.hpp"
#include "laconic/order/collected.hpp"
#include "laconic/order/observing_policy.hpp"

namespace laconic::order {
namespace {

const Card kGreedyCard{
    .kind = "order",
    .name = "greedy",
    .summary = "greedy herding of last epoch's gradients; O(n d) memory, O(n^2 d) time",
    .formula =
        "c_j = z_j - mean of z, s = 0; again and again:\n"
        "next comes the unused j with the smallest |s + c_j|_2; s <- s + c_j",
    .paper = "baseline of GraB, arXiv 2205.10733",
    .promises = "every epoch is a permutation; the first is random"};

template <Real T>
class GreedyEngine {
 public:
  explicit GreedyEngine(const EngineSetup& setup)
      : setup_(setup), collected_(setup.units, setup.dim), mean_(setup.dim), s_(setup.dim) {}
  void begin_epoch(std::uint32_t e) { epoch_ = e; }
  void push(std::uint32_t position, const UnitGradient<T>& gradient) {
    collected_.set(position, gradient);
  }

  void end_epoch(std::span<std::uint32_t> order) {
    const std::size_t units = order.size();
    collected_.mean(mean_);
    std::ranges::fill(s_, 0.0);
    std::vector<double> squares(units);
    std::vector<std::uint32_t> left(units);
    for (std::uint32_t j = 0; j < units; ++j) {
      left[j] = j;
      squares[j] = centred_square(collected_.row(j));
    }
    std::vector<std::uint32_t> next;
    while (!left.empty()) {
      std::size_t best = 0;
      double smallest = std::numeric_limits<double>::infinity();
      for (std::size_t c = 0; c < left.size(); ++c) {
        // |s + z|^2 - |s|^2
        const double growth =
            squares[left[c]] + 2 * kernels::centred_dot<T>(collected_.row(left[c]), mean_, s_);
        if (!std::isfinite(growth)) {
          throw UnitDivergedError({.worker = setup_.worker, .epoch = epoch_, .position = left[c]});
        }
        if (!(growth < smallest)) continue;
        smallest = growth;
        best = c;
      }
      kernels::add_centred<T>(false, collected_.row(left[best]), mean_, s_);
      next.push_back(order[left[best]]);
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
    }
    std::ranges::copy(next, order.begin());
  }

  [[nodiscard]] OrderStats stats() const {
    return {.memory = {.sum_numbers = mean_.size() + s_.size(),
                       .cached_numbers = collected_.numbers(),
                       .peak_cached_numbers = collected_.numbers()}};
  }
  void save(wire::WireWriter& out) const { collected_.save(out); }
  void load(wire::WireReader& in) { collected_.load(in); }
  [[nodiscard]] bool fits(std::uint32_t, const SeenUnits&) const { return true; }

 private:
  [[nodiscard]] double centred_square(std::span<const T> z) const {
    double total = 0;
    for (std::size_t i = 0; i < z.size(); ++i) {
      const double centred = static_cast<double>(z[i]) - mean_[i];
      total += centred * centred;
    }
    return total;
  }

  EngineSetup setup_;
  std::uint32_t epoch_ = 0;
  Collected<T> collected_;
  AlignedVector<double> mean_;
  AlignedVector<double> s_;
};

}  // namespace
}  // namespace laconic::order

namespace laconic::order_methods {

Method<OrderPolicy, OrderSetup> greedy() {
  return {&order::kGreedyCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<
                order::ObservingPolicy<order::GreedyEngine<float>, order::GreedyEngine<double>>>(
                args, setup, order::EngineSetup{});
          }};
}

}  // namespace laconic::order_methods
