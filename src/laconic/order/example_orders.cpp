// SPDX-License-Identifier: Apache-2.0
// Uncoordinated orders: one policy per hosted worker. What they exchange is bad news.
#include "laconic/order/example_orders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>

#include "laconic/base/assert.hpp"
#include "laconic/base/spec.hpp"
#include "laconic/order/coordinated_methods.hpp"
#include "laconic/order/divergence.hpp"
#include "laconic/order/state.hpp"

namespace laconic {
namespace {

template <Real T>
class SeparateOrders final : public ExampleOrders<T> {
 public:
  SeparateOrders(const Spec& canonical, const ExampleOrdersSetup& setup)
      : mine_(workers_of_rank(static_cast<std::uint32_t>(setup.units.size()), setup.rank,
                              setup.ranks)),
        facts_{.spec = print(canonical),
               .dim = setup.dim,
               .seed = setup.seed,
               .first = setup.rank,
               .ranks = setup.ranks,
               .units = setup.units},
        observes_(order_observes(canonical)) {
    for (std::uint32_t w = mine_.begin; w < mine_.end; ++w) {
      policies_.push_back(orders().make(
          canonical, {.units = setup.units[w], .worker = w, .seed = setup.seed, .dim = setup.dim}));
    }
    orders_.resize(policies_.size());
  }

  void begin_epoch(std::uint32_t e) override {
    LACONIC_EXPECTS(!open_);
    epoch_ = e;
    open_ = true;
    refresh(e);
  }
  [[nodiscard]] std::span<const std::uint32_t> order(std::uint32_t worker) const override {
    LACONIC_EXPECTS(open_ && mine_.contains(worker));
    return orders_[worker - mine_.begin];
  }
  [[nodiscard]] bool observes() const override { return observes_; }
  void observe(std::uint32_t worker, std::uint32_t position,
               const UnitGradient<T>& gradient) override {
    LACONIC_EXPECTS(open_ && mine_.contains(worker));
    try {
      policies_[worker - mine_.begin]->observe(position, gradient);
    } catch (const UnitDivergedError& e) {
      diverged_.note(e.unit());
    }
  }

  void exchange(Tag tag, Communicator& comm) override {
    if (observes_) diverged_.tell(tag, comm, traffic_);
  }

  void end_epoch(Tag tag, Communicator& comm) override {
    LACONIC_EXPECTS(open_);
    open_ = false;
    if (!observes_) return;  // nothing to end, nothing to tell
    last_ = gather_stats();
    // Asking for the next epoch is what ends one. A policy that decides then may find that sums of
    // its gradients are not finite.
    try {
      if (!diverged_.unit()) {
        for (auto& policy : policies_) (void)policy->epoch(epoch_ + 1);
      }
    } catch (const UnitDivergedError& e) {
      diverged_.note(e.unit());
    }
    diverged_.tell(tag, comm, traffic_);
    // Decisions that were made as gradients came are forgotten by now; those of offline herding
    // have just been made.
    const OrderStats after = gather_stats();
    if (after.plus + after.minus > 0) last_ = after;
    ended_ = true;
  }

  void settle() override {}

  [[nodiscard]] OrderStats stats() const override {
    OrderStats stats = observes_ && ended_ && !open_ ? last_ : gather_stats();
    stats.traffic = traffic_;
    return stats;
  }

  void save(std::vector<std::byte>& out) const override {
    wire::WireWriter writer(out);
    save_facts(facts_, writer);
    writer.u8(open_ ? 1 : 0);
    writer.u32(epoch_);
    for (const auto& policy : policies_) {
      std::vector<std::byte> state;
      policy->save(state);
      writer.u64(state.size());
      writer.bytes(state);
    }
  }

  void load(std::span<const std::byte> state) override {
    wire::WireReader in(state);
    expect_facts(facts_, in);
    const std::uint8_t open = in.u8();
    if (open > 1) in.fail(Fault::kBadValue, open, 1);
    const std::uint32_t epoch = in.u32();
    std::vector<wire::Bytes> parts;
    for (std::size_t i = 0; i < policies_.size(); ++i) {
      const std::uint64_t size = in.u64();
      parts.push_back(in.bytes(size));
    }
    order::expect_end(in);
    std::vector<std::vector<std::byte>> before(policies_.size());
    for (std::size_t i = 0; i < policies_.size(); ++i) policies_[i]->save(before[i]);
    try {
      for (std::size_t i = 0; i < policies_.size(); ++i) policies_[i]->load(parts[i]);
      if (open != 0) refresh(epoch);
      for (std::size_t i = 0; i < policies_.size(); ++i) {  // a policy that refresh began, say
        std::vector<std::byte> again;
        policies_[i]->save(again);
        if (!std::ranges::equal(again, parts[i])) {
          throw std::logic_error(fmt::format("policy {} is not in the epoch", i));
        }
      }
    } catch (const std::exception& e) {
      for (std::size_t i = 0; i < policies_.size(); ++i) policies_[i]->load(before[i]);
      if (open_) refresh(epoch_);
      if (dynamic_cast<const ConfigError*>(&e) != nullptr) throw;
      throw ConfigError(
          fmt::format("order state: its policies are not at epoch {}: {}", epoch, e.what()));
    }
    open_ = open != 0;
    epoch_ = epoch;
    ended_ = false;
  }

 private:
  void refresh(std::uint32_t e) {
    for (std::size_t i = 0; i < policies_.size(); ++i) orders_[i] = policies_[i]->epoch(e);
  }

  [[nodiscard]] OrderStats gather_stats() const {
    OrderStats total;
    double squares = 0;
    for (const auto& policy : policies_) {
      const OrderStats stats = policy->stats();
      total.largest_sum = std::max(total.largest_sum, stats.largest_sum);
      squares += stats.sum_norm * stats.sum_norm;
      total.plus += stats.plus;
      total.minus += stats.minus;
      total.ties += stats.ties;
      total.would_fail += stats.would_fail;
      if (stats.smallest_margin > 0 &&
          (total.smallest_margin == 0 || stats.smallest_margin < total.smallest_margin)) {
        total.smallest_margin = stats.smallest_margin;
      }
      total.memory.sum_numbers += stats.memory.sum_numbers;
      total.memory.cached_numbers += stats.memory.cached_numbers;
      total.memory.peak_cached_numbers += stats.memory.peak_cached_numbers;
      total.memory.order_indices += stats.memory.order_indices;
    }
    total.sum_norm = std::sqrt(squares);
    return total;
  }

  WorkerBlock mine_;
  order::StateFacts facts_;
  bool observes_;
  std::vector<std::unique_ptr<OrderPolicy>> policies_ = {};
  std::vector<std::span<const std::uint32_t>> orders_ = {};
  order::DivergenceNote diverged_ = {};
  Traffic traffic_ = {};
  OrderStats last_ = {};
  std::uint32_t epoch_ = 0;
  bool open_ = false;
  bool ended_ = false;
};

}  // namespace

template <Real T>
std::unique_ptr<ExampleOrders<T>> make_example_orders(const Spec& canonical,
                                                      const ExampleOrdersSetup& setup) {
  LACONIC_EXPECTS(!setup.units.empty());
  LACONIC_EXPECTS(setup.rank < setup.ranks);
#define X(method)                                                          \
  if (canonical.name == order_methods::method().card->name) {              \
    return order_methods::coordinated_##method<T>(Args(canonical), setup); \
  }
#include "laconic/order/coordinated.def"
#undef X
  return std::make_unique<SeparateOrders<T>>(canonical, setup);
}
template std::unique_ptr<ExampleOrders<float>> make_example_orders(const Spec&,
                                                                   const ExampleOrdersSetup&);
template std::unique_ptr<ExampleOrders<double>> make_example_orders(const Spec&,
                                                                    const ExampleOrdersSetup&);

std::vector<std::string> order_problems(const Spec& canonical) {
#define X(method)                                             \
  if (canonical.name == order_methods::method().card->name) { \
    return order_methods::method##_problems(Args(canonical)); \
  }
#include "laconic/order/coordinated.def"
#undef X
  return {};
}

}  // namespace laconic
