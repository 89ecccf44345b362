// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/batches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/order/example_orders.hpp"
#include "laconic/problem/unit_groups.hpp"

namespace laconic::experiment {
namespace {

constexpr std::uint32_t kPhasesPerCall = 4;  // of ExampleOrders

// The ordering units of a worker's examples.
class UnitsOf {
 public:
  UnitsOf(std::uint32_t examples, std::uint32_t unit) : examples_(examples), unit_(unit) {}
  [[nodiscard]] std::uint32_t count() const {
    return examples_ / unit_ + (examples_ % unit_ == 0 ? 0 : 1);
  }
  [[nodiscard]] std::uint32_t begin(std::uint32_t u) const { return u * unit_; }
  [[nodiscard]] std::uint32_t size(std::uint32_t u) const {
    return std::min(unit_, examples_ - begin(u));
  }

 private:
  std::uint32_t examples_;
  std::uint32_t unit_;
};

// The examples of several units, one after the other.
struct Expanded {
  std::vector<std::uint32_t> examples = {};
  std::vector<std::uint32_t> sizes = {};  // of the units

  void set(const UnitsOf& of, std::span<const std::uint32_t> units) {
    examples.clear();
    sizes.clear();
    for (const std::uint32_t u : units) {
      sizes.push_back(of.size(u));
      for (std::uint32_t k = 0; k < of.size(u); ++k) examples.push_back(of.begin(u) + k);
    }
  }
};

// Every worker for itself.
template <Real T>
class CursorBatches final : public Batches<T> {
 public:
  CursorBatches(const MethodPlan& method, const Problem<T>& problem, const BatchesSetup& setup)
      : problem_(problem), mine_(setup.mine) {
    for (std::uint32_t w = mine_.begin; w < mine_.end; ++w) {
      units_.emplace_back(problem.units(w), method.unit);
      const std::uint32_t count = units_.back().count();
      cursors_.push_back(std::make_unique<BatchCursor>(
          orders().make(
              method.order,
              {.units = count, .worker = w, .seed = setup.seed, .dim = problem.layout().size()}),
          count, method.batch.size / method.unit));
    }
  }

  std::uint64_t gradient(std::uint32_t i, std::span<const T> x, std::span<T> g,
                         ProblemScratch<T>& scratch) override {
    batch_.set(units_[i], cursors_[i]->next());
    problem_.batch_gradient(mine_.begin + i, batch_.examples, x, g, scratch);
    return batch_.examples.size();
  }

  std::uint64_t sparse_gradient(std::uint32_t i, std::span<const T> x, SparseVector<T>& g,
                                ProblemScratch<T>& scratch) override {
    batch_.set(units_[i], cursors_[i]->next());
    problem_.sparse_gradient(mine_.begin + i, batch_.examples, x, g, scratch);
    return batch_.examples.size();
  }
  [[nodiscard]] bool sparse() const override { return problem_.sparse_entries().has_value(); }

  void observe_message(std::uint32_t /*i*/, std::span<const T> /*message*/) override {
    constexpr bool observes = false;
    LACONIC_EXPECTS(observes);
  }

  void end_round(std::uint32_t /*round*/, Communicator& /*comm*/) override {}
  void settle() override {}
  [[nodiscard]] std::optional<OrderStats> stats() const override { return std::nullopt; }

 private:
  const Problem<T>& problem_;
  WorkerBlock mine_;
  std::vector<UnitsOf> units_ = {};
  std::vector<std::unique_ptr<BatchCursor>> cursors_ = {};
  Expanded batch_ = {};
};

// All workers in step, their gradients observed.
template <Real T>
class ObservedBatches final : public Batches<T> {
 public:
  ObservedBatches(const MethodPlan& method, const Problem<T>& problem, const BatchesSetup& setup)
      : problem_(problem),
        mine_(setup.mine),
        phase_(setup.first_phase),
        batch_units_(method.batch.size / method.unit),
        of_messages_(observes_messages(method)),
        groups_(problem.layout().size()) {
    std::vector<std::uint32_t> counts;
    for (std::uint32_t w = 0; w < problem.workers(); ++w) {
      units_.emplace_back(problem.units(w), method.unit);
      counts.push_back(units_.back().count());
      rounds_per_epoch_ =
          std::max(rounds_per_epoch_, (counts.back() + batch_units_ - 1) / batch_units_);
    }
    orders_ = make_example_orders<T>(method.order, {.units = std::move(counts),
                                                    .dim = problem.layout().size(),
                                                    .seed = setup.seed,
                                                    .rank = setup.rank,
                                                    .ranks = setup.ranks});
    left_ = count_left();
  }

  std::uint64_t gradient(std::uint32_t i, std::span<const T> x, std::span<T> g,
                         ProblemScratch<T>& scratch) override {
    if (!begun_) orders_->begin_epoch(epoch_);
    begun_ = true;
    const std::uint32_t worker = mine_.begin + i;
    const UnitsOf& units = units_[worker];
    const std::uint32_t first = round_ * batch_units_;
    if (first >= units.count()) {
      std::fill(g.begin(), g.end(), T{0});
      return 0;
    }
    const std::uint32_t count = std::min(batch_units_, units.count() - first);
    batch_.set(units, orders_->order(worker).subspan(first, count));
    if (of_messages_) {
      problem_.batch_gradient(worker, batch_.examples, x, g, scratch);
    } else {
      Observer observer(*orders_, worker, first);
      if (problem_.takes_groups()) {
        problem_.group_gradients(worker, batch_.examples, batch_.sizes, x, g, observer, scratch);
      } else {
        groups_.begin(batch_.sizes, observer);
        problem_.unit_gradients(worker, batch_.examples, x, g, groups_, scratch);
      }
    }
    if (left_ < units_.size()) {
      const double share = static_cast<double>(units_.size()) / static_cast<double>(left_);
      kernels::scale<T>(static_cast<T>(share), g);
    }
    return batch_.examples.size();
  }

  void observe_message(std::uint32_t i, std::span<const T> message) override {
    LACONIC_EXPECTS(of_messages_ && batch_units_ == 1 && left_ == units_.size());
    orders_->observe(mine_.begin + i, round_, UnitGradient<T>::dense(message));
  }
  std::uint64_t sparse_gradient(std::uint32_t /*i*/, std::span<const T> /*x*/,
                                SparseVector<T>& /*g*/, ProblemScratch<T>& /*scratch*/) override {
    LACONIC_EXPECTS(sparse());
    return 0;
  }
  [[nodiscard]] bool sparse() const override { return false; }

  void end_round(std::uint32_t round, Communicator& comm) override {
    orders_->exchange({round, phase_}, comm);
    if (++round_ == rounds_per_epoch_) {
      orders_->end_epoch({round, phase_ + kPhasesPerCall}, comm);
      round_ = 0;
      ++epoch_;
      begun_ = false;
    }
    left_ = count_left();
  }

  void settle() override { orders_->settle(); }
  [[nodiscard]] std::optional<OrderStats> stats() const override { return orders_->stats(); }

 private:
  // Hands units to the orders by their positions.
  class Observer final : public UnitSink<T> {
   public:
    Observer(ExampleOrders<T>& orders, std::uint32_t worker, std::uint32_t first)
        : orders_(orders), worker_(worker), first_(first) {}
    void take(std::size_t k, const UnitRow<T>& row) override {
      orders_.observe(worker_, first_ + static_cast<std::uint32_t>(k),
                      row.dense() ? UnitGradient<T>::dense(row.values)
                                  : UnitGradient<T>::sparse(row.indices, row.values));
    }

   private:
    ExampleOrders<T>& orders_;
    std::uint32_t worker_;
    std::uint32_t first_;
  };

  // Workers that have a batch in this round.
  [[nodiscard]] std::size_t count_left() const {
    const std::uint32_t first = round_ * batch_units_;
    return static_cast<std::size_t>(std::count_if(
        units_.begin(), units_.end(), [first](const UnitsOf& of) { return first < of.count(); }));
  }

  const Problem<T>& problem_;
  WorkerBlock mine_;
  std::uint32_t phase_;
  std::uint32_t batch_units_;  // per worker and round
  bool of_messages_;           // and not of gradients
  std::uint32_t rounds_per_epoch_ = 0;
  std::vector<UnitsOf> units_ = {};  // of every worker
  std::unique_ptr<ExampleOrders<T>> orders_ = {};
  UnitGroups<T> groups_;
  Expanded batch_ = {};
  std::uint32_t epoch_ = 0;
  std::uint32_t round_ = 0;  // of the epoch
  std::size_t left_ = 0;     // workers that have a batch in it
  bool begun_ = false;       // the epoch
};

}  // namespace

template <Real T>
std::unique_ptr<Batches<T>> make_batches(const MethodPlan& method, const Problem<T>& problem,
                                         const BatchesSetup& setup) {
  LACONIC_EXPECTS(method.batch.kind == Batch::Kind::kSize);
  LACONIC_EXPECTS(method.unit > 0 && method.batch.size % method.unit == 0);
  if (visits_in_step(method)) {
    return std::make_unique<ObservedBatches<T>>(method, problem, setup);
  }
  return std::make_unique<CursorBatches<T>>(method, problem, setup);
}

bool visits_in_step(const MethodPlan& method) {
  return method.batch.kind == Batch::Kind::kSize && order_observes(method.order);
}

bool observes_messages(const MethodPlan& method) {
  return visits_in_step(method) && method.order_from == OrderFrom::kMessages;
}

template <Real T>
void check_batches(const MethodPlan& method, const Problem<T>& problem) {
  if (!visits_in_step(method)) return;
  const bool of_messages = observes_messages(method);
  if (!of_messages && !aggregator_needs(method.aggregator, method.workers).every_worker) return;
  const auto batches = [&](std::uint32_t worker) {
    return (std::uint64_t{problem.units(worker)} + method.batch.size - 1) / method.batch.size;
  };
  for (std::uint32_t w = 1; w < problem.workers(); ++w) {
    if (batches(w) == batches(0)) continue;
    throw ConfigError(fmt::format(
        "method '{}': order '{}' goes through all shards in step, but worker 0 has {} batches of "
        "{} and worker {} has {}, and {} cannot do without a worker; make the shards equal, e.g. "
        "shard = 'shuffled:drop_remainder=true', or use {}",
        method.name, method.order.name, batches(0), method.batch.size, w, batches(w),
        of_messages ? "order_from = 'messages'" : fmt::format("'{}'", method.aggregator.name),
        of_messages ? "order_from = 'gradients'" : "aggregator = 'dense' or order = 'reshuffle'"));
  }
}

#define LACONIC_INSTANTIATE(T)                                                               \
  template std::unique_ptr<Batches<T>> make_batches<T>(const MethodPlan&, const Problem<T>&, \
                                                       const BatchesSetup&);                 \
  template void check_batches<T>(const MethodPlan&, const Problem<T>&);
LACONIC_INSTANTIATE(float)
LACONIC_INSTANTIATE(double)
#undef LACONIC_INSTANTIATE

}  // namespace laconic::experiment
