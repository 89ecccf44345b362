// SPDX-License-Identifier: Apache-2.0
// GraB (Lu, Guo, De Sa, NeurIPS 2022; cd-grab.md 2.4): balances the worker's own gradients, centred
// by the mean of the epoch before (the stale mean; 0 in the first epoch). With several workers this
// is ID-GraB(Bal). The next mean adds up raw gradients, never centred ones (cd-grab.md 2.10, 12).
#include <cmath>

#include "laconic/kernels/kernels.hpp"
#include "laconic/order/compose.hpp"
#include "laconic/order/observing_policy.hpp"

namespace laconic::order {
namespace {

const Card kGrabCard{
    .kind = "order",
    .name = "grab",
    .summary = "balances each worker's gradients, centred by the last epoch's mean",
    .formula =
        "c_j = z_j - mean of z in the last epoch (0 in the first); h = 0 at its start\n"
        "s_j = +1 if <h, c_j> <= 0, else -1; h <- h + s_j c_j\n"
        "next epoch: units with +1, then those with -1 backwards",
    .paper = "Lu, Guo, De Sa, arXiv 2205.10733; ID-GraB(Bal) of CD-GraB, arXiv 2302.00845",
    .params = balance_params(false),
    .promises =
        "every epoch is a permutation; the same gradients give the same orders, bit for bit"};

template <Real T>
class GrabEngine {
 public:
  explicit GrabEngine(const EngineSetup& setup)
      : setup_(setup),
        rule_(setup.options.rule),
        store_(1),
        signs_(kernels::words_for(setup.units)),
        h_(setup.dim),
        mean_(setup.dim),
        sum_(setup.dim) {}

  void begin_epoch(std::uint32_t e) {
    epoch_ = e;
    due_ = 0;
    largest_sum_ = 0;
    rule_.begin_epoch();
    std::ranges::fill(signs_, std::uint64_t{0});
    std::ranges::fill(h_, 0.0);
  }

  void push(std::uint32_t position, const UnitGradient<T>& gradient) {
    if (position != due_) {
      auto row = store_.take();
      row->assign(gradient);
      store_.hold(0, {.position = position, .row = std::move(row)});
      return;
    }
    balance(gradient);
    while (auto row = store_.release(0, due_)) {
      balance(row->view());
      store_.give_back(std::move(row));
    }
  }

  void end_epoch(std::span<std::uint32_t> order) {
    next_.resize(order.size());
    reorder_by_signs(order, signs_, next_);
    std::ranges::copy(next_, order.begin());
    for (std::size_t i = 0; i < mean_.size(); ++i) mean_[i] = sum_[i] / setup_.units;
    std::ranges::fill(sum_, 0.0);
  }

  [[nodiscard]] OrderStats stats() const {
    const SignRule::Counts& counts = rule_.counts();
    return {.largest_sum = largest_sum_,
            .sum_norm = std::sqrt(kernels::squared_norm<double>(h_)),
            .plus = counts.plus,
            .minus = counts.minus,
            .ties = counts.ties,
            .would_fail = counts.would_fail,
            .smallest_margin = counts.smallest_margin,
            .memory = {.sum_numbers = 3 * h_.size(),
                       .cached_numbers = store_.numbers(),
                       .peak_cached_numbers = store_.peak_rows() * setup_.dim,
                       .order_indices = next_.size()}};
  }

  void save(wire::WireWriter& out) const {
    out.u32(due_);
    out.f64(largest_sum_);
    rule_.save(out);
    out.words(signs_);
    save_numbers(out, h_);
    save_numbers(out, mean_);
    save_numbers(out, sum_);
    store_.save(out);
  }

  void load(wire::WireReader& in) {
    due_ = in.u32();
    if (due_ > setup_.units) in.fail(Fault::kBadIndex, due_, setup_.units);
    load_numbers(in, std::span(&largest_sum_, 1));
    rule_.load(in);
    in.words(signs_);
    load_numbers(in, h_);
    load_numbers(in, mean_);
    load_numbers(in, sum_);
    store_.load(in, setup_.dim, std::span(&setup_.units, 1));
  }
  // Everything before the one that is due was balanced, what was seen behind it is kept.
  [[nodiscard]] bool fits(std::uint32_t units, const SeenUnits& seen) const {
    std::size_t kept = 0;
    for (std::uint32_t j = 0; j < units; ++j) {
      if (j <= due_ && seen.contains(0, j) != (j < due_)) return false;
      if (j < due_) continue;
      if (sign_bit(signs_, j)) return false;
      if (!seen.contains(0, j)) continue;
      ++kept;
      if (!store_.keeps(0, j, false)) return false;
    }
    return store_.held(0).size() == kept;
  }

 private:
  void balance(const UnitGradient<T>& gradient) {
    std::span<const T> g = gradient.values;
    if (gradient.is_sparse) {  // a centred gradient is dense
      fill_dense(gradient, setup_.dim, dense_);
      g = dense_;
    }
    const BalanceOptions& options = setup_.options;
    if (options.reset > 0 && due_ % options.reset == 0) std::ranges::fill(h_, 0.0);
    RuleItem item{.epoch = epoch_, .index = due_, .worker = setup_.worker};
    item.product = kernels::centred_dot<T>(g, mean_, h_);
    if (!std::isfinite(item.product)) {
      throw UnitDivergedError({.worker = setup_.worker, .epoch = epoch_, .position = due_});
    }
    if (rule_.needs_norms()) {
      item.norm = centred_norm(g);
      item.largest_sum = kernels::absmax<double>(h_);
    }
    const bool negative = rule_.is_negative(item);
    if (negative) signs_[due_ / 64] |= std::uint64_t{1} << (due_ % 64);
    kernels::centred_update<T>(negative, g, mean_, h_, sum_);
    if (options.float_sum) {
      for (double& x : h_) x = static_cast<double>(static_cast<float>(x));
    }
    largest_sum_ = std::max(largest_sum_, kernels::absmax<double>(h_));
    ++due_;
  }

  [[nodiscard]] double centred_norm(std::span<const T> g) const {
    double total = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      const double centred = static_cast<double>(g[i]) - mean_[i];
      total += centred * centred;
    }
    return std::sqrt(total);
  }

  EngineSetup setup_;
  SignRule rule_;
  UnitStore<T> store_;  // what came before its turn
  std::vector<std::uint64_t> signs_;
  std::vector<std::uint32_t> next_ = {};
  AlignedVector<double> h_;     // r of cd-grab.md
  AlignedVector<double> mean_;  // mu
  AlignedVector<double> sum_;   // n mu of the next epoch, so far
  AlignedVector<T> dense_ = {};
  std::uint32_t epoch_ = 0;
  std::uint32_t due_ = 0;
  double largest_sum_ = 0;
};

}  // namespace
}  // namespace laconic::order

namespace laconic::order_methods {

Method<OrderPolicy, OrderSetup> grab() {
  return {&order::kGrabCard,
          [](const Args& args, const OrderSetup& setup) -> std::unique_ptr<OrderPolicy> {
            return std::make_unique<
                order::ObservingPolicy<order::GrabEngine<float>, order::GrabEngine<double>>>(
                args, setup,
                order::EngineSetup{.options = order::balance_options(args, setup.seed, false)});
          }};
}

}  // namespace laconic::order_methods
