// SPDX-License-Identifier: Apache-2.0
// adsgd: A-DSGD (Amiri and Gunduz, IEEE Trans. Signal Processing 2020), analog and compressed. Each
// piece of d coordinates of gradient plus memory is cut to its k = max(1, floor(ratio d / 2))
// largest entries and projected to s = max(1, floor(ratio d)) numbers by a fixed matrix that
// everybody shares; the server goes back by the pseudo-inverse, as the code of LASER's authors
// does, or by approximate message passing, as the method's authors do (laser.md 3). Tensors are cut
// into pieces because the matrix of a piece has ratio d^2 entries.
#include <algorithm>
#include <cmath>
#include <deque>

#include "laconic/aggregate/methods.hpp"
#include "laconic/aggregate/random_projection.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::aggregate {
namespace {

constexpr int kIterations = 20;

struct AdsgdOptions {
  double ratio = 0.2;
  std::size_t piece = 2048;
  bool message_passing = false;
};

std::size_t part_of(double ratio, std::size_t size) {
  return static_cast<std::size_t>(std::max(1.0, std::floor(ratio * static_cast<double>(size))));
}

template <Real T>
class Adsgd final : public Aggregator<T> {
 public:
  Adsgd(const AggregatorSetup& setup, const AdsgdOptions& options,
        std::unique_ptr<SymbolMean<T>> mean)
      : setup_(setup),
        options_(options),
        mean_(std::move(mean)),
        memories_(setup.mine.size()),
        rows_(setup.mine.size()) {
    std::size_t size = 0;
    for (const Tensor& tensor : setup.layout->tensors()) {
      for (std::size_t done = 0; done < tensor.shape.size(); done += options.piece) {
        const std::size_t d = std::min(options.piece, tensor.shape.size() - done);
        RandomProjection<T>& projection = projection_for(d);
        pieces_.push_back({.offset = tensor.offset + done, .projection = &projection});
        blocks_.push_back({.offset = size,
                           .size = projection.s(),
                           .group = static_cast<std::uint32_t>(blocks_.size())});
        size += projection.s();
      }
    }
    received_.resize(size);
    for (auto& memory : memories_) memory.assign(setup.layout->size(), T{0});
    for (auto& row : rows_) row.resize(size);
    for (auto& row : rows_) row_pointers_.push_back(row.data());
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    mean_->begin(round, mine);
    for (std::size_t w = 0; w < mine.size(); ++w) {
      // A gradient that is not finite is not sorted: mean() throws.
      if (kernels::all_finite<T>(mine[w].values)) write_row(w, mine[w]);
    }
    mean_->mean({.blocks = blocks_, .rows = row_pointers_}, received_, comm);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const std::span<const T> y =
          std::span<const T>(received_).subspan(blocks_[b].offset, blocks_[b].size);
      RandomProjection<T>& projection = *pieces_[b].projection;
      const std::span<T> x = direction.subspan(pieces_[b].offset, projection.d());
      if (options_.message_passing) {
        projection.message_passing(y, kIterations, x);
      } else {
        projection.pseudo_inverse(y, x);
      }
    }
    return mean_->report();
  }
  void state(wire::StateArchive& archive) override {
    mean_->state(archive);
    archive.rows("memory", memories_);
  }

 private:
  struct Piece {
    std::size_t offset = 0;  // in the flat vector
    RandomProjection<T>* projection = nullptr;
  };

  // Pieces of one size share a matrix, named by the size.
  RandomProjection<T>& projection_for(std::size_t d) {
    for (RandomProjection<T>& known : projections_) {
      if (known.d() == d) return known;
    }
    const rng::Stream stream(setup_.seed,
                             {rng::Purpose::kShared, 0, 0, static_cast<std::uint32_t>(d)});
    return projections_.emplace_back(part_of(options_.ratio, d), d, stream);
  }

  void write_row(std::size_t w, const WorkerGradient<T>& gradient) {
    kernels::add<T>(gradient.values, memories_[w]);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const RandomProjection<T>& projection = *pieces_[b].projection;
      const std::span<T> memory =
          std::span<T>(memories_[w]).subspan(pieces_[b].offset, projection.d());
      const auto indices = indices_.take(part_of(options_.ratio / 2, projection.d()));
      kernels::select_top_k<T>(std::span<const T>(memory), indices);
      const std::span<T> sparse = sparse_.take(projection.d());
      std::fill(sparse.begin(), sparse.end(), T{0});
      for (const std::uint32_t i : indices) {
        sparse[i] = memory[i];
        if (mean_->active(gradient.worker)) memory[i] = 0;
      }
      projection.project(sparse,
                         std::span<T>(rows_[w]).subspan(blocks_[b].offset, blocks_[b].size));
    }
  }

  AggregatorSetup setup_;
  AdsgdOptions options_;
  std::unique_ptr<SymbolMean<T>> mean_;
  std::deque<RandomProjection<T>> projections_ = {};  // addresses stay
  std::vector<Piece> pieces_ = {};
  std::vector<AirBlock> blocks_ = {};  // one per piece
  std::vector<AlignedVector<T>> memories_;
  std::vector<AlignedVector<T>> rows_;
  std::vector<T*> row_pointers_ = {};
  AlignedVector<T> received_ = {};
  Scratch<T> sparse_ = {};
  Scratch<std::uint32_t> indices_ = {};
};

}  // namespace

const Card& adsgd_card() {
  static const Card card = [] {
    Card out = {
        .kind = "aggregator",
        .name = "adsgd",
        .summary = "A-DSGD: the largest entries, projected at random, over an analog channel",
        .formula =
            "p_i = g_i + e_i; t_i = the max(1, floor(ratio d / 2)) largest entries of p_i\n"
            "message A t_i; e_i <- p_i - t_i; A is s x d, s = max(1, floor(ratio d)), N(0, 1/s)\n"
            "direction = A^T (A A^T)^-1 (the mean as heard), or 20 steps of message passing\n"
            "heard: mean of X_i + c / (K sqrt(P_b)) z, z ~ N(0, I), over K active workers\n"
            "P_b = the block's power, c = the largest |X_i| (|X_i| / |h_i| under fading)",
        .paper =
            "Amiri, Gunduz: Machine Learning at the Wireless Edge, IEEE TSP 2020, arXiv "
            "1901.00844",
        .params = {{.key = "ratio",
                    .type = ParamType::kReal,
                    .default_text = "0.2",
                    .help = "numbers that are sent per coordinate; half as many entries are kept",
                    .min = 0,
                    .max = 0.9,
                    .min_open = true},
                   {.key = "piece",
                    .type = ParamType::kInteger,
                    .default_text = "2048",
                    .help = "coordinates that are projected together; a tensor of its own piece "
                            "where it is smaller",
                    .min = 2,
                    .max = 16384},
                   {.key = "decoder",
                    .type = ParamType::kChoice,
                    .default_text = "pinv",
                    .help = "pinv: the pseudo-inverse; amp: approximate message passing",
                    .choices = {"pinv", "amp"}}},
        .promises = "what is not sent stays in the memory",
    };
    for (ParamCard& param : air_params()) out.params.push_back(std::move(param));
    return out;
  }();
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_adsgd(const Args& args, const AggregatorSetup& setup) {
  const AdsgdOptions options = {.ratio = args.real("ratio"),
                                .piece = static_cast<std::size_t>(args.integer("piece")),
                                .message_passing = args.text("decoder") == "amp"};
  return std::make_unique<Adsgd<T>>(setup, options, make_air_mean<T>(args, setup));
}
template std::unique_ptr<Aggregator<float>> make_adsgd(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_adsgd(const Args&, const AggregatorSetup&);

std::vector<std::string> adsgd_problems(const Args& args, std::uint32_t, const Layout*) {
  return analog_problems(args);
}

std::optional<StepTheory> adsgd_theory(const Args&, const AggregatorSetup&) { return std::nullopt; }

AggregatorNeeds adsgd_needs(const Args&, std::uint32_t) { return {.frames = false}; }

}  // namespace laconic::aggregate
