// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/train.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "laconic/aggregate/adversary.hpp"
#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/error.hpp"
#include "laconic/channel/link.hpp"
#include "laconic/experiment/batches.hpp"
#include "laconic/experiment/estimator.hpp"
#include "laconic/experiment/method_theory.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/kernels/sparse_vectors.hpp"
#include "laconic/optim/optimizer.hpp"
#include "laconic/tensor/sparse.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::experiment {
namespace {

// Phases of this layer's own collective calls, out of the way of the aggregators'.
constexpr std::uint32_t kMeasurePhase = 1U << 20;
constexpr std::uint32_t kGradientPhase = kMeasurePhase + 1;
constexpr std::uint32_t kOraclePhase = kMeasurePhase + 2;

constexpr std::uint32_t kOrderPhase = kMeasurePhase + 8;  // and the seven behind it

constexpr std::uint32_t kTargetPhase = kMeasurePhase + 3;
constexpr std::uint32_t kBudgetPhase = kMeasurePhase + 4;
constexpr std::uint32_t kRemarkPhase = kMeasurePhase + 5;

// Below this share of the coordinates a batch is sparse.
constexpr double kSparseShare = 0.25;

constexpr std::uint32_t kDefaultRecords = 50;  // per run, when record_every is not given

// Adds the time between construction and stop() to a counter.
class Stopwatch {
 public:
  explicit Stopwatch(double& seconds) : seconds_(seconds) {}
  ~Stopwatch() {
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  double& seconds_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// While it lives, bytes go to a meter of their own: measuring is not training.
class MeterScope {
 public:
  MeterScope(Communicator& comm, Traffic& meter) : comm_(comm), before_(comm.set_meter(&meter)) {}
  ~MeterScope() { comm_.set_meter(before_); }
  MeterScope(const MeterScope&) = delete;
  MeterScope& operator=(const MeterScope&) = delete;

 private:
  Communicator& comm_;
  Traffic* before_;
};

// What a rank's rounds have added up to.
struct Totals {
  Meter uplink = {};
  Meter downlink = {};
  std::uint64_t evaluations = 0;
  std::uint64_t refused_frames = 0;
  std::uint64_t clamped_messages = 0;
  std::uint64_t votes = 0;
  std::uint64_t agreeing_votes = 0;
  std::uint64_t order_uplink_bytes = 0;
  std::uint64_t order_downlink_bytes = 0;
  std::uint64_t lost_frames = 0;
  std::uint64_t resent_frames = 0;
  Totals& operator+=(const Totals& other) {
    uplink += other.uplink;
    downlink += other.downlink;
    evaluations += other.evaluations;
    refused_frames += other.refused_frames;
    clamped_messages += other.clamped_messages;
    votes += other.votes;
    agreeing_votes += other.agreeing_votes;
    order_uplink_bytes += other.order_uplink_bytes;
    order_downlink_bytes += other.order_downlink_bytes;
    lost_frames += other.lost_frames;
    resent_frames += other.resent_frames;
    return *this;
  }
};

// Adds up the reports of an analog channel, which are alike on all ranks.
class ChannelMeter {
 public:
  void add(const ChannelReport& report) {
    seen_ = true;
    ++rounds_;
    ++new_rounds_;
    totals_.uses += static_cast<double>(report.uses);
    totals_.power += report.power;
    totals_.energy += report.energy;
    totals_.largest_energy += report.largest_energy;
    lambda_ += report.lambda;
    new_lambda_ += report.lambda;
    new_predicted_ += report.predicted_lambda;
  }
  // For a record; absent for methods without a channel, and before the first round.
  [[nodiscard]] std::optional<ChannelRecord> take() {
    if (!seen_) return std::nullopt;
    ChannelRecord out = totals_;
    out.run_lambda = lambda_ / rounds_;
    if (new_rounds_ > 0) {
      out.lambda = new_lambda_ / new_rounds_;
      out.predicted_lambda = new_predicted_ / new_rounds_;
    }
    new_rounds_ = 0;
    new_lambda_ = 0;
    new_predicted_ = 0;
    return out;
  }

 private:
  bool seen_ = false;
  ChannelRecord totals_ = {};
  double rounds_ = 0;
  double new_rounds_ = 0;
  double lambda_ = 0;
  double new_lambda_ = 0;
  double new_predicted_ = 0;
};

struct WorkerMeasurement {
  double loss = 0;
  Counts train = {};
  Counts test = {};
  std::uint64_t link_bytes = 0;
  Distortion distortion = {};
};

void write(wire::WireWriter& out, const WorkerMeasurement& m) {
  out.f64(m.loss);
  for (const Counts& counts : {m.train, m.test}) {
    out.f64(counts.loss_sum);
    out.u64(counts.correct);
    out.u64(counts.examples);
    out.f64(counts.smape_sum);
  }
  out.u64(m.link_bytes);
  out.f64(m.distortion.signal);
  out.f64(m.distortion.noise);
}

WorkerMeasurement read_worker(wire::WireReader& in) {
  WorkerMeasurement m;
  m.loss = in.f64();
  for (Counts* counts : {&m.train, &m.test}) {
    counts->loss_sum = in.f64();
    counts->correct = in.u64();
    counts->examples = in.u64();
    counts->smape_sum = in.f64();
  }
  m.link_bytes = in.u64();
  m.distortion.signal = in.f64();
  m.distortion.noise = in.f64();
  return m;
}

void write(wire::WireWriter& out, const Totals& t) {
  for (const std::uint64_t value :
       {t.uplink.payload_bits, t.uplink.wire_bits, t.uplink.frame_bytes, t.downlink.payload_bits,
        t.downlink.wire_bits, t.downlink.frame_bytes, t.evaluations, t.refused_frames,
        t.clamped_messages, t.votes, t.agreeing_votes, t.order_uplink_bytes, t.order_downlink_bytes,
        t.lost_frames, t.resent_frames}) {
    out.u64(value);
  }
}

Totals read_totals(wire::WireReader& in) {
  Totals t;
  for (std::uint64_t* value :
       {&t.uplink.payload_bits, &t.uplink.wire_bits, &t.uplink.frame_bytes,
        &t.downlink.payload_bits, &t.downlink.wire_bits, &t.downlink.frame_bytes, &t.evaluations,
        &t.refused_frames, &t.clamped_messages, &t.votes, &t.agreeing_votes, &t.order_uplink_bytes,
        &t.order_downlink_bytes, &t.lost_frames, &t.resent_frames}) {
    *value = in.u64();
  }
  return t;
}

void add(const Counts& from, Counts& to) {
  to.loss_sum += from.loss_sum;
  to.correct += from.correct;
  to.examples += from.examples;
  to.smape_sum += from.smape_sum;
}

// What the training and the test examples say, in the problem's own metric.
void set_metrics(const Counts& train, const Counts& test, Metric metric, Metrics& out) {
  const auto mean = [](double sum, const Counts& counts) {
    return sum / static_cast<double>(counts.examples);
  };
  if (test.examples > 0) out.test_loss = mean(test.loss_sum, test);
  switch (metric) {
    case Metric::kAccuracy:
      if (train.examples > 0) {
        out.train_accuracy = mean(static_cast<double>(train.correct), train);
      }
      if (test.examples > 0) out.test_accuracy = mean(static_cast<double>(test.correct), test);
      break;
    case Metric::kPerplexity:
      if (test.examples > 0) out.test_perplexity = std::exp(*out.test_loss);
      break;
    case Metric::kSmape:
      if (test.examples > 0) out.test_smape = mean(test.smape_sum, test);
      break;
  }
}

TrafficPerWorker per_worker(const Meter& sum, std::uint32_t workers) {
  return {static_cast<double>(sum.payload_bits) / workers,
          static_cast<double>(sum.wire_bits) / workers,
          static_cast<double>(sum.frame_bytes) / workers};
}

template <Real T>
class Training {
 public:
  Training(const Experiment& experiment, const MethodPlan& method, const TrainingTask& task,
           Communicator& comm, Observer& observer)
      : plan_(experiment.plan()),
        method_(method),
        task_(task),
        seed_(plan_.seed + task.repeat),
        comm_(comm),
        observer_(observer),
        mine_(workers_of_rank(method_.workers, comm.rank(), comm.size())),
        problem_(experiment.problem<T>(method_.workers, seed_)),
        rounds_(rounds_of(method_, *problem_)),
        epoch_(rounds_per_epoch(method_, *problem_)),
        base_step_(base_step(method_, *problem_, seed_)),
        minimum_(minimum_for(method_, *problem_)),
        excess_above_(minimum_for(plan_, *problem_)),
        exact_target_(method_.until && method_.batch.kind == Batch::Kind::kFull &&
                      !method_.estimator),
        from_messages_(observes_messages(method_)) {
    const Layout& layout = problem_->layout();
    if (method_.link) link_ = links().make(*method_.link, {.seed = seed_});
    aggregator_ = aggregators<T>().make(
        method_.aggregator, {.layout = &layout,
                             .workers = method_.workers,
                             .mine = mine_,
                             .seed = seed_,
                             .link = link_.get(),
                             .keep_messages = from_messages_,
                             .l_worker = worker_smoothness(method_.aggregator, *problem_)});
    optimizer_ = optimizers<T>().make(method_.optimizer, {.layout = &layout});
    schedule_ = schedules().make(method_.schedule, {});
    if (method_.adversary) {
      adversary_ = adversaries<T>().make(
          *method_.adversary,
          {.dim = layout.size(), .workers = method_.workers, .mine = mine_, .seed = seed_});
    }
    if (method_.estimator) {
      page_.emplace(Args(*method_.estimator),
                    typename PageEstimator<T>::Setup{
                        .problem = problem_.get(), .mine = mine_, .seed = seed_});
    }
    x_.resize(layout.size());
    link_bytes_.resize(mine_.size());
    if (method_.batch.kind == Batch::Kind::kSize) {
      batches_ = make_batches(method_, *problem_,
                              {.mine = mine_,
                               .seed = seed_,
                               .rank = comm.rank(),
                               .ranks = comm.size(),
                               .first_phase = kOrderPhase});
    }
    sparse_ = goes_sparse();
    if (sparse_) {
      sparse_gradients_.resize(mine_.size());
      sparse_views_.resize(mine_.size());
      support_.reserve(layout.size());  // how many there are varies; memory shall not
      numbers_.reserve(layout.size());
    } else {
      direction_.resize(layout.size());
      make_dense_gradients();
    }
  }

  // The algorithm box.
  TrainingResult run() {
    problem_->initial_point(seed_, x_);
    for (std::size_t i = 0; sparse_ && i < x_.size(); ++i) {
      if (x_[i] != 0) support_.push_back(static_cast<std::uint32_t>(i));
    }
    if (aggregator_->sends_model()) {
      aggregator_->start(x_, [this](const Layout& layout) {
        return optimizers<T>().make(method_.optimizer, {.layout = &layout});
      });
    }
    record();
    Status status = Status::kDone;
    try {
      while (!stopped_ && status == Status::kDone) {
        const Round round = facts(made_);
        compute_gradients(round);
        if (!from_messages_) order(round);
        add_up(aggregate(round));
        if (from_messages_) order(round);
        ++aggregated_;
        if (at_target_) {
          stopped_ = Stopped::kUntil;
          record();
          break;
        }
        step(round);
        ++made_;
        advanced();
        if (spent_budget()) stopped_ = Stopped::kBudget;
        if (comm_.stop_requested() && made_ < rounds_ && !stopped_) status = Status::kInterrupted;
        if (due(made_) || stopped_ || status == Status::kInterrupted) record();
      }
    } catch (const DivergedError& e) {
      status = Status::kDiverged;
      report_first(e);
    }
    if (comm_.rank() == 0 && status != Status::kDiverged) {
      observer_.trained({.method = task_.method,
                         .repeat = task_.repeat,
                         .layout = &problem_->layout(),
                         .x = std::span<const T>(x_)});
    }
    remark_ = remark(status);
    return result(status);
  }

 private:
  // What the optimizer has to say, or the first of those that servers run: the same on all ranks.
  // After a divergence the ranks talk no more.
  std::string remark(Status status) {
    if (!aggregator_->sends_model()) return optimizer_->remark();
    if (status == Status::kDiverged) return {};
    const MeterScope scope(comm_, measuring_traffic_);
    const std::string mine = aggregator_->remark();
    comm_.all_gather({made_, kRemarkPhase}, std::as_bytes(std::span(mine)), gathered_);
    for (std::uint32_t rank = 0; rank < comm_.size(); ++rank) {
      std::string text;
      for (const std::byte b : gathered_.part(rank)) text += static_cast<char>(b);
      if (!text.empty()) return text;
    }
    return {};
  }

  // Whether rounds leave out zeros. Facts of the experiment decide, alike on all ranks.
  [[nodiscard]] bool goes_sparse() const {
    if (plan_.sparse == Sparse::kNever || adversary_ || page_ || !batches_) return false;
    if (!batches_->sparse() || !aggregator_->takes_sparse() || !optimizer_->steps_sparsely())
      return false;
    return *problem_->sparse_entries() * method_.batch.size <
           kSparseShare * static_cast<double>(x_.size());
  }

  // Rounds without zeros need them for records alone.
  void make_dense_gradients() {
    if (!gradients_.empty()) return;
    gradients_.resize(mine_.size(), AlignedVector<T>(x_.size()));
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      views_.push_back({mine_.begin + i, gradients_[i]});
      rows_.push_back(gradients_[i].data());
    }
  }

  [[nodiscard]] double step_size(std::uint32_t t) const {
    return base_step_ * schedule_->factor(t, rounds_);
  }

  [[nodiscard]] Round facts(std::uint32_t t) const {
    return {.index = t,
            .step_size = step_size(t),
            .previous_step_size = step_size(t == 0 ? 0 : t - 1),
            .measured = due(t + 1)};
  }

  void compute_sparse_gradients(const Round& round) {
    const Stopwatch watch(seconds_.gradient);
    // Where x is not finite the gradient of every worker is not, and the first of them is named.
    if (overflown_) {
      throw DivergedError({.worker = 0,
                           .tensor = problem_->layout().tensor_of(*overflown_).name,
                           .round = round.index,
                           .index = *overflown_});
    }
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      totals_.evaluations += batches_->sparse_gradient(i, x_, sparse_gradients_[i], scratch_);
      sparse_views_[i] = {mine_.begin + i, sparse_gradients_[i].view(x_.size())};
    }
  }

  void compute_gradients(const Round& round) {
    if (sparse_) return compute_sparse_gradients(round);
    const bool oracle = adversary_ != nullptr && adversary_->needs_true_gradient();
    if (oracle) {
      const Stopwatch watch(seconds_.other);
      mean_gradient({round.index, kOraclePhase}, true_gradient_.take(x_.size()));
    }
    {
      const Stopwatch watch(seconds_.gradient);
      for (std::uint32_t i = 0; i < mine_.size(); ++i) totals_.evaluations += gradient(round, i);
      if (page_) page_->keep(x_);
    }
    if (exact_target_) at_target_ = meets_target(round);
    const Stopwatch watch(seconds_.other);
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      const std::uint32_t worker = mine_.begin + i;
      optimizer_->couple_decay(x_, gradients_[i]);
      if (adversary_ == nullptr || !adversary_->corrupts(worker)) continue;
      AdversaryInput<T> input = {.round = round, .worker = worker, .true_gradient = {}};
      if (oracle) input.true_gradient = true_gradient_.take(x_.size());
      adversary_->corrupt(input, gradients_[i]);
    }
  }

  // The gradient of the i-th hosted worker's next batch, or what estimates it. Returns how many
  // gradients of examples that took.
  std::uint64_t gradient(const Round& round, std::uint32_t i) {
    const std::uint32_t worker = mine_.begin + i;
    if (page_) return page_->estimate(round.index, i, x_, gradients_[i], scratch_);
    switch (method_.batch.kind) {
      case Batch::Kind::kSize:
        return batches_->gradient(i, x_, gradients_[i], scratch_);
      case Batch::Kind::kFull:
        problem_->full_gradient(worker, x_, gradients_[i], scratch_);
        break;
      case Batch::Kind::kNoisy:
        problem_->noisy_gradient(seed_, round.index, worker, x_, gradients_[i], scratch_);
        break;
    }
    return std::max(1U, problem_->units(worker));
  }

  // What the workers' orders learn from the round and exchange: before anything is done with the
  // gradients, or after it, when they look at messages.
  void order(const Round& round) {
    if (!batches_) return;
    const Stopwatch watch(seconds_.order);
    for (std::uint32_t i = 0; i < mine_.size() && from_messages_; ++i) {
      batches_->observe_message(i, aggregator_->message_of(mine_.begin + i));
    }
    batches_->end_round(round.index, comm_);
  }

  const RoundReport& aggregate(const Round& round) {
    const Stopwatch watch(seconds_.aggregate);
    if (sparse_)
      return aggregator_->aggregate_sparse(round, sparse_views_, sparse_direction_, comm_);
    return aggregator_->aggregate(round, views_, direction_, comm_);
  }

  void step(const Round& round) {
    const Stopwatch watch(seconds_.other);
    if (sparse_) return sparse_step(round);
    if (aggregator_->sends_model()) {
      std::copy(direction_.begin(), direction_.end(), x_.begin());
    } else {
      optimizer_->step(x_, direction_, round.step_size);
    }
    problem_->project(x_);
    if constexpr (std::is_same_v<T, double>) check_growth(round, kernels::squared_norm<T>(x_));
  }

  // x changes where it was not 0, or where it has a direction.
  void sparse_step(const Round& round) {
    if (aggregator_->sends_model()) {
      for (const std::uint32_t i : support_) x_[i] = 0;
      support_.assign(sparse_direction_.indices.begin(), sparse_direction_.indices.end());
      for (std::size_t j = 0; j < support_.size(); ++j)
        x_[support_[j]] = sparse_direction_.values[j];
    } else {
      const auto support =
          optimizer_->step_sparse(x_, sparse_direction_.view(x_.size()), round.step_size);
      support_.assign(support.begin(), support.end());
    }
    numbers_.clear();
    for (const std::uint32_t i : support_) {
      numbers_.push_back(x_[i]);
      if (!overflown_ && !std::isfinite(x_[i])) overflown_ = i;
    }
    check_growth(round, kernels::squared_norm<T>(SparseView<T>{x_.size(), support_, numbers_}));
  }

  // In double a model may grow until the sum of finite gradients overflows on its way through the
  // aggregator, which would look like a broken transport. It has diverged long before; nobody's
  // gradient is to blame, so the first worker is named. Floats are summed in double.
  void check_growth(const Round& round, double squared_norm) {
    if constexpr (std::is_same_v<T, double>) {
      if (std::isfinite(squared_norm)) return;
      throw DivergedError({.worker = 0,
                           .tensor = problem_->layout().tensors()[0].name,
                           .round = round.index,
                           .index = 0});
    }
  }

  void add_up(const RoundReport& report) {
    totals_ += {.uplink = report.uplink,
                .downlink = report.downlink,
                .evaluations = 0,
                .refused_frames = report.refused_frames,
                .clamped_messages = report.clamped_messages,
                .votes = report.votes,
                .agreeing_votes = report.agreeing_votes,
                .lost_frames = report.lost_frames,
                .resent_frames = report.resent_frames};
    if (report.channel) channel_.add(*report.channel);
    if (!report.distortion.empty()) distortion_ = report.distortion;
    load_.latency_steps += report.latency_steps;
    for (std::size_t i = 0; i < report.link_bytes.size(); ++i) {
      link_bytes_[i] += report.link_bytes[i];
    }
  }

  // out = grad f(x), summed in order of worker. Overwrites the workers' gradients.
  void mean_gradient(Tag tag, std::span<T> out) {
    const MeterScope scope(comm_, measuring_traffic_);
    make_dense_gradients();
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      problem_->full_gradient(mine_.begin + i, x_, gradients_[i], scratch_);
    }
    mean_of_gradients(tag, out);
  }

  // out = the mean of the workers' gradients as they are.
  void mean_of_gradients(Tag tag, std::span<T> out) {
    comm_.all_reduce_sum<T>(tag, Reduction::kCanonical, rows_, out);
    const T share = static_cast<T>(1.0 / method_.workers);
    kernels::scale<T>(share, out);
  }

  // Whether x is where the method may stop; the same on all ranks. The workers' gradients at x have
  // just been computed, and a record of x would measure the same bits.
  bool meets_target(const Round& round) {
    const MeterScope scope(comm_, measuring_traffic_);
    const Tag tag = {round.index, kTargetPhase};
    if (is_gradient(method_.until->quantity)) {
      const std::span<T> mean = measured_gradient_.take(x_.size());
      mean_of_gradients(tag, mean);
      return holds_for_gradient(*method_.until, kernels::squared_norm<T>(mean));
    }
    measured_bytes_.clear();
    wire::WireWriter out(measured_bytes_);
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      out.f64(problem_->loss(mine_.begin + i, x_, scratch_));
    }
    comm_.all_gather(tag, measured_bytes_, gathered_);
    wire::WireReader in(gathered_.all());
    double loss = 0;
    for (std::uint32_t w = 0; w < method_.workers; ++w) loss += in.f64();
    return holds_for_loss(*method_.until, loss / method_.workers, minimum_.value_or(0));
  }

  bool spent_budget() {
    if (!method_.budget) return false;
    const MeterScope scope(comm_, measuring_traffic_);
    measured_bytes_.clear();
    wire::WireWriter out(measured_bytes_);
    out.u64(totals_.uplink.payload_bits);
    out.u64(totals_.uplink.wire_bits);
    out.u64(totals_.uplink.frame_bytes);
    comm_.all_gather({made_, kBudgetPhase}, measured_bytes_, gathered_);
    wire::WireReader in(gathered_.all());
    Meter sum;
    for (std::uint32_t rank = 0; rank < comm_.size(); ++rank) {
      sum.payload_bits += in.u64();
      sum.wire_bits += in.u64();
      sum.frame_bytes += in.u64();
    }
    return spent(*method_.budget, per_worker(sum, method_.workers)) >= method_.budget->bits;
  }

  // Whether the state after `made` rounds is recorded in any case.
  [[nodiscard]] bool due(std::uint32_t made) const {
    if (task_.ends_only && (!method_.until || exact_target_)) return made == rounds_;
    const std::uint32_t every =
        plan_.record_each_epoch && method_.batch.kind == Batch::Kind::kSize
            ? epoch_
            : plan_.record_every.value_or(std::max(std::uint32_t{1}, rounds_ / kDefaultRecords));
    return made == rounds_ || made % every == 0;
  }

  // Measures x on all ranks; the result is the same on each of them. Nothing is recorded of a step
  // whose order has diverged.
  void record() {
    if (batches_) batches_->settle();
    Record next;
    next.method = task_.method;
    next.repeat = task_.repeat;
    next.round = made_;
    next.epoch = epochs_after(method_, *problem_, made_);
    next.step_size = step_size(made_ == 0 ? 0 : made_ - 1);
    measure(next);
    const std::optional<double> penalty = optimizer_->penalty(x_);
    if (next.metrics.loss && penalty) next.metrics.objective = *next.metrics.loss + *penalty;
    const auto zeros = std::count(x_.begin(), x_.end(), T{0});
    next.metrics.density = 1 - static_cast<double>(zeros) / static_cast<double>(x_.size());
    next.metrics.model_mean = kernels::sum<T>(x_) / static_cast<double>(x_.size());
    if (plan_.record_gradient || (method_.until && is_gradient(method_.until->quantity))) {
      const std::span<T> sum = measured_gradient_.take(x_.size());
      mean_gradient({made_, kGradientPhase}, sum);
      next.metrics.grad_norm2 = kernels::squared_norm<T>(sum);
    }
    next.channel = channel_.take();
    end_where_due(next);
    next.seconds.gradient = seconds_.gradient;
    next.seconds.aggregate = seconds_.aggregate;
    next.seconds.order = seconds_.order;
    next.seconds.other = seconds_.other;
    last_ = next;
    if (comm_.rank() == 0) observer_.recorded(last_);
    if (made_ == 0) advanced();
  }

  // Whether the run ends with this record.
  void end_where_due(Record& next) {
    const bool last = stopped_ || made_ == rounds_;
    if (method_.until && (last || !exact_target_) &&
        holds(*method_.until, next.metrics, minimum_)) {
      stopped_ = Stopped::kUntil;
    } else if (made_ == rounds_ && !stopped_) {
      stopped_ = Stopped::kRounds;
    }
    next.stopped = stopped_;
  }

  void measure(Record& next) {
    const MeterScope scope(comm_, measuring_traffic_);
    measured_bytes_.clear();
    wire::WireWriter out(measured_bytes_);
    for (std::uint32_t i = 0; i < mine_.size(); ++i) {
      const std::uint32_t worker = mine_.begin + i;
      const Measured measured = problem_->measure(worker, x_, scratch_);
      write(out,
            WorkerMeasurement{.loss = measured.loss,
                              .train = measured.train,
                              .test = problem_->test_counts(worker, x_, scratch_),
                              .link_bytes = link_bytes_[i],
                              .distortion = distortion_.empty() ? Distortion{} : distortion_[i]});
    }
    const std::optional<OrderStats> order = batches_ ? batches_->stats() : std::nullopt;
    if (order) {
      totals_.order_uplink_bytes = order->uplink_bytes;
      totals_.order_downlink_bytes = order->downlink_bytes;
    }
    write(out, totals_);
    out.f64(seconds_.gradient);
    out.f64(order ? order->largest_sum : 0);
    comm_.all_gather({made_, kMeasurePhase}, measured_bytes_, gathered_);
    if (order) next.order.emplace();
    combine(next);
  }

  // Adds up what the ranks measured, in order of worker.
  void combine(Record& next) {
    Totals totals;
    double loss = 0;
    Counts train;
    Counts test;
    Distortion distortion;
    std::uint64_t busiest = 0;
    double gradient_seconds = 0;
    double largest_sum = 0;
    for (std::uint32_t rank = 0; rank < comm_.size(); ++rank) {
      wire::WireReader in(gathered_.part(rank));
      const WorkerBlock block = workers_of_rank(method_.workers, rank, comm_.size());
      for (std::uint32_t w = block.begin; w < block.end; ++w) {
        const WorkerMeasurement m = read_worker(in);
        loss += m.loss;
        add(m.train, train);
        add(m.test, test);
        busiest = std::max(busiest, m.link_bytes);
        distortion += m.distortion;
      }
      totals += read_totals(in);
      gradient_seconds += in.f64();
      largest_sum = std::max(largest_sum, in.f64());
    }
    next.metrics.loss = loss / method_.workers;
    if (excess_above_) next.metrics.excess = *next.metrics.loss - *excess_above_;
    set_metrics(train, test, problem_traits(plan_.problem.name).metric, next.metrics);
    if (!distortion_.empty()) next.metrics.snr_db = snr_db(distortion);
    next.uplink = per_worker(totals.uplink, method_.workers);
    next.downlink = per_worker(totals.downlink, method_.workers);
    next.gradient_evaluations = static_cast<double>(totals.evaluations) / method_.workers;
    if (page_) {
      std::uint64_t units = 0;
      for (std::uint32_t w = 0; w < method_.workers; ++w) units += problem_->units(w);
      next.epoch = static_cast<double>(totals.evaluations) / static_cast<double>(units);
    }
    if (next.order) {
      *next.order = {
          .uplink_bytes = static_cast<double>(totals.order_uplink_bytes) / method_.workers,
          .downlink_bytes = static_cast<double>(totals.order_downlink_bytes) / method_.workers,
          .largest_sum = largest_sum};
    }
    next.refused_frames = totals.refused_frames;
    next.clamped_messages = totals.clamped_messages;
    next.lost_frames = totals.lost_frames;
    next.resent_frames = totals.resent_frames;
    next.seconds.gradient_per_worker = gradient_seconds / method_.workers;
    load_.link_bytes = busiest;
    next.load = load_;
    const std::uint64_t votes = totals.votes - counted_votes_.votes;
    if (votes > 0) {
      next.agreement = static_cast<double>(totals.agreeing_votes - counted_votes_.agreeing_votes) /
                       static_cast<double>(votes);
    }
    counted_votes_ = totals;
  }

  void advanced() {
    if (comm_.rank() != 0) return;
    observer_.advanced(
        {.method = task_.method, .repeat = task_.repeat, .round = made_, .rounds = rounds_});
  }

  // An order that runs behind the training may know of the unit that is to blame, but not yet have
  // told.
  void report_first(const DivergedError& e) {
    try {
      if (batches_) batches_->settle();
    } catch (const UnitDivergedError& of_unit) {
      report(of_unit);
      return;
    }
    report(e);
  }

  void report(const DivergedError& e) {
    if (comm_.rank() != 0) return;
    Divergence divergence = {.method = task_.method,
                             .repeat = task_.repeat,
                             .worker = e.place().worker,
                             .tensor = e.place().tensor,
                             .round = e.place().round};
    if (const auto* of_unit = dynamic_cast<const UnitDivergedError*>(&e)) {
      divergence.round = made_;
      divergence.unit = {.epoch = of_unit->unit().epoch, .position = of_unit->unit().position};
    }
    observer_.diverged(divergence);
  }

  [[nodiscard]] TrainingResult result(Status status) const {
    const bool reached = status != Status::kDiverged && method_.until &&
                         holds(*method_.until, last_.metrics, minimum_);
    return {.status = status,
            .last = last_,
            .rounds = made_,
            .aggregated = aggregated_,
            .reached = reached,
            .dimension = x_.size(),
            .load = load_,
            .order_memory = order_memory(),
            .remark = remark_,
            .sparse = sparse_};
  }

  [[nodiscard]] OrderMemory order_memory() const {
    const std::optional<OrderStats> order = batches_ ? batches_->stats() : std::nullopt;
    return order ? order->memory : OrderMemory{};
  }

  const Plan& plan_;
  const MethodPlan& method_;
  TrainingTask task_;
  std::uint64_t seed_;
  Communicator& comm_;
  Observer& observer_;
  WorkerBlock mine_;
  std::shared_ptr<const Problem<T>> problem_;  // see Experiment::problem
  std::uint32_t rounds_;
  std::uint32_t epoch_;  // in rounds
  double base_step_;
  std::optional<double> minimum_;       // f*, where the target needs it
  std::optional<double> excess_above_;  // f*, where f - f* is recorded
  bool exact_target_ = false;           // the target is checked with the gradients of every round
  bool from_messages_;                  // orders look at messages

  std::unique_ptr<DigitalLink> link_ = {};  // null: a perfect one
  std::unique_ptr<Aggregator<T>> aggregator_ = {};
  std::unique_ptr<Optimizer<T>> optimizer_ = {};
  std::unique_ptr<Schedule> schedule_ = {};
  std::unique_ptr<Adversary<T>> adversary_ = {};  // null: all workers are honest
  std::optional<PageEstimator<T>> page_ = {};
  std::unique_ptr<Batches<T>> batches_ = {};  // null: gradients of whole shards

  std::uint32_t made_ = 0;
  std::uint32_t aggregated_ = 0;
  bool at_target_ = false;  // x meets the target, which is exact
  std::optional<Stopped> stopped_ = {};
  AlignedVector<T> x_ = {};
  AlignedVector<T> direction_ = {};
  std::vector<AlignedVector<T>> gradients_ = {};  // of the hosted workers
  std::vector<WorkerGradient<T>> views_ = {};     // of gradients_
  std::vector<const T*> rows_ = {};               // likewise
  ProblemScratch<T> scratch_ = {};
  bool sparse_ = false;  // rounds leave out zeros: the members below, and not the four above
  std::vector<SparseVector<T>> sparse_gradients_ = {};  // of the hosted workers
  std::vector<SparseGradient<T>> sparse_views_ = {};    // of sparse_gradients_
  SparseVector<T> sparse_direction_ = {};               // or the next model
  std::vector<std::uint32_t> support_ = {};             // where x may be other than 0
  std::vector<T> numbers_ = {};                         // of x there
  std::optional<std::uint32_t> overflown_ = {};         // where x is not finite
  Scratch<T> true_gradient_ = {};
  Scratch<T> measured_gradient_ = {};

  Totals totals_ = {};
  Totals counted_votes_ = {};  // of all ranks at the last record
  ChannelMeter channel_ = {};
  std::vector<std::uint64_t> link_bytes_ = {};
  std::vector<Distortion> distortion_ = {};  // of the last measured round, by hosted worker
  NetworkLoad load_ = {};
  Seconds seconds_ = {};
  std::string remark_ = {};
  Record last_ = {};
  Traffic measuring_traffic_ = {};
  std::vector<std::byte> measured_bytes_ = {};
  Gathered gathered_ = {};
};

}  // namespace

TrainingResult train(const Experiment& experiment, const TrainingTask& task, Communicator& comm,
                     Observer& observer) {
  return train(experiment, experiment.plan().methods[task.method], task, comm, observer);
}

TrainingResult train(const Experiment& experiment, const MethodPlan& method,
                     const TrainingTask& task, Communicator& comm, Observer& observer) {
  if (experiment.plan().precision == Precision::kFloat) {
    return Training<float>(experiment, method, task, comm, observer).run();
  }
  return Training<double>(experiment, method, task, comm, observer).run();
}

}  // namespace laconic::experiment
