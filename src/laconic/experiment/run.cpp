// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/run.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "laconic/base/assert.hpp"

namespace laconic::experiment {
namespace {

// Mean of the values that are there; absent unless all `expected` are.
struct Mean {
  double sum = 0;
  std::uint32_t count = 0;
  void add(const std::optional<double>& value) {
    if (!value) return;
    sum += *value;
    ++count;
  }
  [[nodiscard]] std::optional<double> value(std::uint32_t expected) const {
    if (count == 0 || count != expected) return std::nullopt;
    return sum / count;
  }
};

// All of them.
constexpr std::array kMetrics = {&Metrics::loss,
                                 &Metrics::excess,
                                 &Metrics::grad_norm2,
                                 &Metrics::train_accuracy,
                                 &Metrics::test_accuracy,
                                 &Metrics::test_loss,
                                 &Metrics::test_perplexity,
                                 &Metrics::test_smape,
                                 &Metrics::objective,
                                 &Metrics::snr_db,
                                 &Metrics::density,
                                 &Metrics::model_mean};

// One method over its repeats.
class Collected {
 public:
  void add(const Record& record) {
    // A run that ends at its target records its last state once more, with the last messages.
    const std::pair at(record.repeat, record.round);
    if (last_ == at) return;
    last_ = at;
    CurvePoint& point = curve_[record.round];
    point.loss.add(record.metrics.loss);
    point.test_accuracy.add(record.metrics.test_accuracy);
  }

  void add(const TrainingResult& result) {
    results_.push_back(result);
    for (std::size_t i = 0; i < kMetrics.size(); ++i) {
      metrics_[i].add(result.last.metrics.*kMetrics[i]);
    }
    if (remark_.empty()) remark_ = result.remark;
  }

  [[nodiscard]] MethodSummary summarize(const Plan& plan, const MethodPlan& method) const {
    MethodSummary out;
    out.name = method.name;
    out.spec = spec_text(method);
    out.divergence_allowed = method.allow_divergence;
    if (results_.empty()) {
      out.status = Status::kInterrupted;
      return out;
    }
    const auto count = static_cast<std::uint32_t>(results_.size());
    out.remark = remark_;
    out.sparse = results_.front().sparse;
    for (std::size_t i = 0; i < kMetrics.size(); ++i) {
      out.final.*kMetrics[i] = metrics_[i].value(count);
    }
    out.best = best(count);
    for (const TrainingResult& result : results_) add_result(result, out);
    add_ending(method, out);
    if (count < plan.repeats) out.status = std::max(out.status, Status::kInterrupted);
    add_comparison(plan, method, out);
    return out;
  }

 private:
  struct CurvePoint {
    Mean loss = {};
    Mean test_accuracy = {};
  };

  [[nodiscard]] Best best(std::uint32_t count) const {
    Best out;
    for (const auto& [round, point] : curve_) {
      const auto loss = point.loss.value(count);
      if (loss && std::isfinite(*loss) && (!out.loss || *loss < *out.loss)) {
        out.loss = loss;
        out.loss_round = round;
      }
      const auto accuracy = point.test_accuracy.value(count);
      if (accuracy && (!out.test_accuracy || *accuracy > *out.test_accuracy)) {
        out.test_accuracy = accuracy;
        out.test_accuracy_round = round;
      }
    }
    return out;
  }

  void add_result(const TrainingResult& result, MethodSummary& out) const {
    const double share = 1.0 / static_cast<double>(results_.size());
    out.rounds = std::max(out.rounds, result.rounds);
    out.epochs = std::max(out.epochs, result.last.epoch);
    out.status = std::max(out.status, result.status);
    out.uplink += share * result.last.uplink;
    out.downlink += share * result.last.downlink;
    out.refused_frames += result.last.refused_frames;
    if (result.last.order) {
      if (!out.order) out.order.emplace();
      out.order->uplink_bytes += share * result.last.order->uplink_bytes;
      out.order->downlink_bytes += share * result.last.order->downlink_bytes;
      out.order->memory = result.order_memory;
    }
    if (const auto& channel = result.last.channel; channel) {
      if (!out.channel) out.channel.emplace();
      out.channel->uses += share * channel->uses;
      out.channel->power += share * channel->power;
      out.channel->energy += share * channel->energy;
      out.channel->largest_energy += share * channel->largest_energy;
      out.channel->lambda += share * channel->run_lambda.value_or(0);
    }
    out.seconds.gradient += share * result.last.seconds.gradient;
    out.seconds.aggregate += share * result.last.seconds.aggregate;
    out.seconds.order += share * result.last.seconds.order;
    out.seconds.other += share * result.last.seconds.other;
    out.seconds.gradient_per_worker += share * result.last.seconds.gradient_per_worker;
  }

  void add_ending(const MethodPlan& method, MethodSummary& out) const {
    out.stopped = results_.front().last.stopped;
    if (method.until) out.reached = true;
    for (const TrainingResult& result : results_) {
      out.mean_rounds += result.rounds / static_cast<double>(results_.size());
      if (result.last.stopped != out.stopped) out.stopped.reset();
      if (method.until && !result.reached) out.reached = false;
    }
  }

  void add_comparison(const Plan& plan, const MethodPlan& method, MethodSummary& out) const {
    const std::uint64_t number_bytes = plan.precision == Precision::kFloat ? 4 : 8;
    double dense_bits = 0;
    double network_seconds = 0;
    double dense_seconds = 0;
    for (const TrainingResult& result : results_) {
      // A method that diverged was last measured before its last messages.
      const std::uint64_t rounds =
          result.status == Status::kDiverged ? result.last.round : result.aggregated;
      const std::uint64_t vector_bytes = result.dimension * number_bytes;
      dense_bits += static_cast<double>(rounds * vector_bytes * 8);
      if (!plan.network) continue;
      network_seconds += predicted_seconds(result.load, *plan.network);
      dense_seconds += predicted_seconds(
          dense_load({.rounds = rounds, .vector_bytes = vector_bytes, .workers = method.workers}),
          *plan.network);
    }
    const double share = 1.0 / static_cast<double>(results_.size());
    dense_bits *= share;
    if (out.uplink.payload_bits > 0) out.uplink_compression = dense_bits / out.uplink.payload_bits;
    if (out.downlink.payload_bits > 0) {
      out.downlink_compression = dense_bits / out.downlink.payload_bits;
    }
    if (plan.network) {
      out.predicted_network_seconds = share * network_seconds;
      out.dense_network_seconds = share * dense_seconds;
    }
  }

  std::map<std::uint32_t, CurvePoint> curve_ = {};                    // by round
  std::optional<std::pair<std::uint32_t, std::uint32_t>> last_ = {};  // repeat and round
  std::vector<TrainingResult> results_ = {};
  std::array<Mean, kMetrics.size()> metrics_ = {};  // of the last records
  std::string remark_ = {};
};

// Keeps the records for the summary and passes everything on.
class Collector final : public Observer {
 public:
  Collector(Observer& next, std::vector<Collected>& methods) : next_(next), methods_(methods) {}
  void advanced(const Progress& progress) override { next_.advanced(progress); }
  void recorded(const Record& record) override {
    methods_[record.method].add(record);
    next_.recorded(record);
  }
  void diverged(const Divergence& divergence) override { next_.diverged(divergence); }
  void trained(const TrainedModel& model) override { next_.trained(model); }

 private:
  Observer& next_;
  std::vector<Collected>& methods_;
};

}  // namespace

Summary run(const Experiment& experiment, Communicator& comm, Observer& observer) {
  const Plan& plan = experiment.plan();
  LACONIC_EXPECTS(comm.size() <= fewest_workers(plan));
  std::vector<Collected> collected(plan.methods.size());
  Collector collector(observer, collected);
  Summary summary;
  for (std::uint32_t repeat = 0; repeat < plan.repeats; ++repeat) {
    for (std::size_t m = 0; m < plan.methods.size() && !summary.interrupted; ++m) {
      const TrainingResult result =
          train(experiment, {.method = m, .repeat = repeat}, comm, collector);
      collected[m].add(result);
      summary.interrupted = result.status == Status::kInterrupted || comm.stop_requested();
    }
  }
  summary.name = plan.name;
  summary.seed = plan.seed;
  summary.repeats = plan.repeats;
  summary.network = plan.network;
  for (std::size_t m = 0; m < plan.methods.size(); ++m) {
    summary.methods.push_back(collected[m].summarize(plan, plan.methods[m]));
  }
  return summary;
}

MethodSummary summarize(const Plan& plan, const MethodPlan& method,
                        const std::vector<TrainingResult>& results) {
  Collected collected;
  for (const TrainingResult& result : results) collected.add(result);
  return collected.summarize(plan, method);
}

bool has_failed(const Summary& summary) {
  return std::any_of(summary.methods.begin(), summary.methods.end(), [](const MethodSummary& m) {
    return m.status == Status::kDiverged && !m.divergence_allowed;
  });
}

}  // namespace laconic::experiment
