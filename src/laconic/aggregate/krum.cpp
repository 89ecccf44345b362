// SPDX-License-Identifier: Apache-2.0
// krum: Multi-Krum (Blanchard et al., NeurIPS 2017), the robust mean that majority vote is compared
// with (signsgd.md 2.11). The score of a worker is the sum of the distances from its gradient to
// the n - f - 2 nearest others; the direction is the mean of the n - f gradients of lowest score
// (ties: lower worker). A single server sees whole gradients, so there is one shard.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/kept_messages.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

template <Real T>
class Krum final : public Aggregator<T> {
 public:
  Krum(const AggregatorSetup& setup, std::uint32_t faulty, bool squared)
      : setup_(setup),
        faulty_(faulty),
        squared_(squared),
        exchange_(setup, even_shards(setup.layout->size(), 1, setup.workers)),
        kept_(setup) {}

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    const auto mode = static_cast<std::uint8_t>(wire::native_format<T>());
    exchange_.begin(round);
    if (exchange_.finite<T>(mine)) {
      for (const WorkerGradient<T>& gradient : mine) {
        write(gradient.values,
              exchange_.open_uplink(gradient.worker, 0, wire::Kind::kValues, mode));
        exchange_.close_uplink();
        if (!kept_.kept()) continue;
        std::copy(gradient.values.begin(), gradient.values.end(),  // travels as it is
                  kept_.of(gradient.worker).begin());
      }
    }
    exchange_.deliver_uplink(wire::Kind::kValues, mode, comm);
    for (OwnedShard& shard : exchange_.owned()) {
      write(robust_mean(shard), exchange_.open_downlink(shard.shard, wire::Kind::kValues, mode));
      exchange_.close_downlink();
    }
    exchange_.deliver_downlink(wire::Kind::kValues, mode, comm);
    wire::WireReader reader(exchange_.result(0));
    wire::read_values<T>(wire::native_format<T>(), reader, direction);
    if (Status status = reader.finish(); !status) exchange_.bad_result(0, status);
    return exchange_.report();
  }

  void state(wire::StateArchive& /*archive*/) override {}  // nothing
  [[nodiscard]] std::span<const T> message_of(std::uint32_t worker) const override {
    return kept_.of(worker);
  }

 private:
  static void write(std::span<const T> values, wire::Message& message) {
    wire::write_values<T>(wire::native_format<T>(), values, message.bytes);
    message.payload_bits += values.size_bytes() * 8;
  }

  std::span<const T> robust_mean(OwnedShard& shard) {
    const std::size_t size = setup_.layout->size();
    const std::span<T> rows = rows_.take(size * setup_.workers);
    row_pointers_.clear();
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (shard.inbox.present[worker] == 0) continue;
      const std::span<T> row = rows.subspan(size * row_pointers_.size(), size);
      wire::WireReader reader(shard.inbox.payloads[worker]);
      wire::read_values<T>(wire::native_format<T>(), reader, row);
      if (Status status = reader.finish(); !status) {
        exchange_.refusals().add(status);
        continue;
      }
      row_pointers_.push_back(row.data());
    }
    select();
    const std::span<T> mean = mean_.take(size);
    if (row_pointers_.empty()) {
      std::fill(mean.begin(), mean.end(), T{0});
    } else {
      kernels::mean_rows<T>(row_pointers_, 1.0 / static_cast<double>(row_pointers_.size()), mean);
    }
    return mean;
  }

  // Keeps the rows of lowest score, in order of worker.
  void select() {
    const std::size_t n = row_pointers_.size();
    if (n < faulty_ + std::size_t{3}) return;  // refused frames left too few to judge by
    measure(n);
    const std::size_t neighbours = n - faulty_ - 2;
    scores_.clear();
    for (std::size_t i = 0; i < n; ++i) {
      nearest_.clear();
      for (std::size_t j = 0; j < n; ++j) {
        if (j != i) nearest_.push_back(distances_[i * n + j]);
      }
      std::sort(nearest_.begin(), nearest_.end());
      scores_.push_back(std::accumulate(
          nearest_.begin(), nearest_.begin() + static_cast<std::ptrdiff_t>(neighbours), 0.0));
    }
    ranking_.resize(n);
    std::iota(ranking_.begin(), ranking_.end(), std::size_t{0});
    std::sort(ranking_.begin(), ranking_.end(), [this](std::size_t a, std::size_t b) {
      return scores_[a] != scores_[b] ? scores_[a] < scores_[b] : a < b;
    });
    std::sort(ranking_.begin(), ranking_.end() - static_cast<std::ptrdiff_t>(faulty_));
    for (std::size_t i = 0; i < n - faulty_; ++i) row_pointers_[i] = row_pointers_[ranking_[i]];
    row_pointers_.resize(n - faulty_);
  }

  void measure(std::size_t n) {
    const std::size_t size = setup_.layout->size();
    const std::span<T> difference = mean_.take(size);
    distances_.assign(n * n, 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i + 1; j < n; ++j) {
        std::copy_n(row_pointers_[i], size, difference.begin());
        kernels::axpy<T>(T{-1}, {row_pointers_[j], size}, difference);
        const double squared = kernels::squared_norm<T>(std::span<const T>(difference));
        distances_[i * n + j] = squared_ ? squared : std::sqrt(squared);
        distances_[j * n + i] = distances_[i * n + j];
      }
    }
  }

  AggregatorSetup setup_;
  std::uint32_t faulty_;
  bool squared_;
  ShardedExchange exchange_;
  KeptMessages<T> kept_;
  Scratch<T> rows_;
  Scratch<T> mean_;
  std::vector<const T*> row_pointers_;
  std::vector<double> distances_;
  std::vector<double> nearest_;
  std::vector<double> scores_;
  std::vector<std::size_t> ranking_;
};

}  // namespace

const Card& krum_card() {
  static const Card card = {
      .kind = "aggregator",
      .name = "krum",
      .summary =
          "Multi-Krum: the mean of the n-f gradients that lie closest to the others, uncompressed",
      .formula =
          "score_i = sum of |g_i - g_j| over the n - f - 2 workers j nearest to i\n"
          "direction = mean of the n - f gradients of lowest score\n"
          "squared=true: |g_i - g_j|^2",
      .paper =
          "Blanchard, El Mhamdi, Guerraoui, Stainer: Machine Learning with Adversaries: Byzantine "
          "Tolerant Gradient "
          "Descent, NeurIPS 2017, arXiv 1703.02757",
      .params = {{.key = "f",
                  .type = ParamType::kInteger,
                  .help = "the number of faulty workers to survive",
                  .min = 0,
                  .max = 1e6},
                 {.key = "squared",
                  .type = ParamType::kFlag,
                  .default_text = "false",
                  .help = "true: squared distances, as in the Krum paper; false: distances, as in "
                          "the signSGD authors' "
                          "comparison"}},
      .promises = "with f = 0 the mean of all gradients",
  };
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_krum(const Args& args, const AggregatorSetup& setup) {
  return std::make_unique<Krum<T>>(setup, static_cast<std::uint32_t>(args.integer("f")),
                                   args.flag("squared"));
}
template std::unique_ptr<Aggregator<float>> make_krum(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_krum(const Args&, const AggregatorSetup&);

std::vector<std::string> krum_problems(const Args& args, std::uint32_t workers, const Layout*) {
  const std::int64_t f = args.integer("f");
  if (f == 0 || f + 3 <= workers) return {};
  return {fmt::format(
      "krum: f={} needs at least {} workers, because a score counts n-f-2 neighbours; there are {}",
      f, f + 3, workers)};
}

std::optional<StepTheory> krum_theory(const Args&, const AggregatorSetup&) { return std::nullopt; }

AggregatorNeeds krum_needs(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::aggregate
