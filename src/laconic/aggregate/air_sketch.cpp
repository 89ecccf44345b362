// SPDX-License-Identifier: Apache-2.0
// air-sketch: a count-sketch of one row over the air (laser.md 3). Of a tensor of d entries s =
// max(1, floor(ratio d)) sums are sent,
//
//   S_b = sum over j with h(j) = b of e_j g_j,   decoded as e_j S_h(j),
//
// with a bucket h(j) and a sign e_j per coordinate, drawn anew every round and alike by everybody:
// from word j of the shared stream of (round, tensor), the sign is bit 0 and the bucket
// floor((word / 2) s / 2^31), uniform up to s / 2^31. The estimate has no bias and variance
// (||g||^2 - g_j^2) / s. There is no memory: with one the method does not converge.
#include <algorithm>
#include <cmath>

#include "laconic/aggregate/methods.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::aggregate {
namespace {

struct Place {
  std::size_t bucket;
  bool negative;
};
Place place_of(std::uint32_t word, std::size_t buckets) {
  return {.bucket = static_cast<std::size_t>((std::uint64_t{word >> 1} * buckets) >> 31),
          .negative = (word & 1) != 0};
}

template <Real T>
class AirSketch final : public Aggregator<T> {
 public:
  AirSketch(const AggregatorSetup& setup, double ratio, std::unique_ptr<SymbolMean<T>> mean)
      : setup_(setup), mean_(std::move(mean)), rows_(setup.mine.size()) {
    std::size_t size = 0;
    for (const Tensor& tensor : setup.layout->tensors()) {
      const double wanted = std::floor(ratio * static_cast<double>(tensor.shape.size()));
      const auto count = static_cast<std::size_t>(std::max(1.0, wanted));
      blocks_.push_back(
          {.offset = size, .size = count, .group = static_cast<std::uint32_t>(blocks_.size())});
      size += count;
    }
    received_.resize(size);
    for (auto& row : rows_) row.resize(size);
    for (auto& row : rows_) row_pointers_.push_back(row.data());
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    mean_->begin(round, mine);
    for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
      const auto words = draw(round, b);
      for (std::size_t w = 0; w < mine.size(); ++w) sketch(b, words, mine[w].values, w);
    }
    mean_->mean({.blocks = blocks_, .rows = row_pointers_}, received_, comm);
    for (std::uint32_t b = 0; b < blocks_.size(); ++b) {
      const auto words = draw(round, b);
      const std::span<T> out = span_of<T>(setup_.layout->tensors()[b], direction).values;
      for (std::size_t j = 0; j < out.size(); ++j) {
        const Place place = place_of(words[j], blocks_[b].size);
        const T value = received_[blocks_[b].offset + place.bucket];
        out[j] = place.negative ? -value : value;
      }
    }
    return mean_->report();
  }
  void state(wire::StateArchive& archive) override { mean_->state(archive); }

 private:
  std::span<const std::uint32_t> draw(const Round& round, std::uint32_t tensor) {
    const auto words = words_.take(setup_.layout->tensors()[tensor].shape.size());
    kernels::random_words(rng::Stream(setup_.seed, {rng::Purpose::kShared, 0, round.index, tensor}),
                          0, words);
    return words;
  }

  void sketch(std::uint32_t b, std::span<const std::uint32_t> words, std::span<const T> gradient,
              std::size_t w) {
    const std::span<double> sums = sums_.take(blocks_[b].size);
    std::fill(sums.begin(), sums.end(), 0.0);
    const auto values = view_of<T>(setup_.layout->tensors()[b], gradient).values;
    for (std::size_t j = 0; j < values.size(); ++j) {
      const Place place = place_of(words[j], sums.size());
      const double value = static_cast<double>(values[j]);
      sums[place.bucket] += place.negative ? -value : value;
    }
    for (std::size_t i = 0; i < sums.size(); ++i) {
      rows_[w][blocks_[b].offset + i] = static_cast<T>(sums[i]);
    }
  }

  AggregatorSetup setup_;
  std::unique_ptr<SymbolMean<T>> mean_;
  std::vector<AirBlock> blocks_ = {};  // one per tensor
  std::vector<AlignedVector<T>> rows_;
  std::vector<T*> row_pointers_ = {};
  AlignedVector<T> received_ = {};
  Scratch<std::uint32_t> words_ = {};
  Scratch<double> sums_ = {};
};

}  // namespace

const Card& air_sketch_card() {
  static const Card card = [] {
    Card out = {
        .kind = "aggregator",
        .name = "air-sketch",
        .summary = "a count-sketch of one row over an analog channel",
        .formula =
            "message S_b = sum over j with h(j) = b of e_j g_ij, b = 1..s\n"
            "direction_j = e_j S_h(j), S = the mean as heard; s = max(1, floor(ratio d))\n"
            "h(j) uniform in 1..s and e_j = +-1 are drawn anew every round, alike for all\n"
            "heard: mean of X_i + c / (K sqrt(P_b)) z, z ~ N(0, I), over K active workers\n"
            "P_b = the block's power, c = the largest |X_i| (|X_i| / |h_i| under fading)",
        .paper =
            "Makkuva et al.: LASER, ICML 2024, arXiv 2310.13033; Charikar, Chen, "
            "Farach-Colton: Finding Frequent Items in Data Streams, ICALP 2002",
        .params = {{.key = "ratio",
                    .type = ParamType::kReal,
                    .default_text = "0.2",
                    .help = "sums that are sent per entry of a tensor",
                    .min = 0,
                    .max = 1,
                    .min_open = true}},
        .promises = "unbiased; without noise the variance of coordinate j is (||g||^2 - g_j^2) / s",
    };
    for (ParamCard& param : air_params()) out.params.push_back(std::move(param));
    return out;
  }();
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_air_sketch(const Args& args, const AggregatorSetup& setup) {
  return std::make_unique<AirSketch<T>>(setup, args.real("ratio"), make_air_mean<T>(args, setup));
}
template std::unique_ptr<Aggregator<float>> make_air_sketch(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_air_sketch(const Args&, const AggregatorSetup&);

std::vector<std::string> air_sketch_problems(const Args& args, std::uint32_t, const Layout*) {
  return analog_problems(args);
}

std::optional<StepTheory> air_sketch_theory(const Args&, const AggregatorSetup&) {
  return std::nullopt;
}

AggregatorNeeds air_sketch_needs(const Args&, std::uint32_t) { return {.frames = false}; }

}  // namespace laconic::aggregate
