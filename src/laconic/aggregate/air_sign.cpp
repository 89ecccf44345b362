// SPDX-License-Identifier: Apache-2.0
// air-sign: majority vote over the air. Workers send sign(g) in {-1, 0, 1}, the votes superpose,
// and the server takes the sign of what it hears (laser.md 3). With a vote sum V in a tensor of d
// entries without zeros, the sum is heard with noise of deviation sqrt(d / P_b), so a coordinate is
// decided wrongly with probability Q(|V| sqrt(P_b / d)).
#include <algorithm>

#include "laconic/aggregate/methods.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::aggregate {
namespace {

template <Real T>
T sign_of(T x) {
  return static_cast<T>((x > 0 ? 1 : 0) - (x < 0 ? 1 : 0));
}

template <Real T>
class AirSign final : public Aggregator<T> {
 public:
  AirSign(const AggregatorSetup& setup, std::unique_ptr<SymbolMean<T>> mean)
      : setup_(setup), mean_(std::move(mean)), rows_(setup.mine.size()) {
    for (const Tensor& tensor : setup.layout->tensors()) {
      blocks_.push_back({.offset = tensor.offset,
                         .size = tensor.shape.size(),
                         .group = static_cast<std::uint32_t>(blocks_.size())});
    }
    for (auto& row : rows_) row.resize(setup.layout->size());
    for (auto& row : rows_) row_pointers_.push_back(row.data());
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    mean_->begin(round, mine);
    for (std::size_t w = 0; w < mine.size(); ++w) {
      std::transform(mine[w].values.begin(), mine[w].values.end(), rows_[w].begin(), sign_of<T>);
    }
    mean_->mean({.blocks = blocks_, .rows = row_pointers_}, direction, comm);
    std::transform(direction.begin(), direction.end(), direction.begin(), sign_of<T>);
    return mean_->report();
  }
  void state(wire::StateArchive& archive) override { mean_->state(archive); }

 private:
  AggregatorSetup setup_;
  std::unique_ptr<SymbolMean<T>> mean_;
  std::vector<AirBlock> blocks_ = {};
  std::vector<AlignedVector<T>> rows_;
  std::vector<T*> row_pointers_ = {};
};

}  // namespace

const Card& air_sign_card() {
  static const Card card = {
      .kind = "aggregator",
      .name = "air-sign",
      .summary = "majority vote over the air: signs superpose, the server takes the sign",
      .formula =
          "message sign(g_i), sign(0) = 0; direction = sign(the mean as heard)\n"
          "heard: mean of X_i + c / (K sqrt(P_b)) z, z ~ N(0, I), over K active workers\n"
          "P_b = the block's power, c = the largest |X_i| (|X_i| / |h_i| under fading)",
      .paper =
          "Makkuva et al.: LASER, ICML 2024, arXiv 2310.13033; Bernstein et al.: signSGD, ICML "
          "2018, arXiv 1802.04434",
      .params = air_params(),
      .promises = "without noise the majority of the signs; 0 where the vote is tied",
  };
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_air_sign(const Args& args, const AggregatorSetup& setup) {
  return std::make_unique<AirSign<T>>(setup, make_air_mean<T>(args, setup));
}
template std::unique_ptr<Aggregator<float>> make_air_sign(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_air_sign(const Args&, const AggregatorSetup&);

std::vector<std::string> air_sign_problems(const Args& args, std::uint32_t, const Layout*) {
  return analog_problems(args);
}

std::optional<StepTheory> air_sign_theory(const Args&, const AggregatorSetup&) {
  return std::nullopt;
}

AggregatorNeeds air_sign_needs(const Args&, std::uint32_t) { return {.frames = false}; }

}  // namespace laconic::aggregate
