// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/laser_ideal.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/aggregate/svd.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"

namespace laconic::aggregate {
namespace {

template <Real T>
class IdealLowRank final : public Aggregator<T> {
 public:
  IdealLowRank(const AggregatorSetup& setup, const LowRankOptions& options,
               std::unique_ptr<SymbolMean<T>> mean)
      : setup_(setup),
        options_(options),
        plan_(*setup.layout, options.rank),
        mean_(std::move(mean)),
        memory_(plan_.memory_size, T{0}) {
    LACONIC_EXPECTS(setup.workers == 1);
    std::uint32_t group = 0;
    std::size_t p_at = 0;
    std::size_t q_at = 0;
    for (const LowRankMatrix& matrix : plan_.matrices) {
      const std::size_t pieces = options.components == Components::kJoint ? 1 : matrix.rank;
      for (std::size_t i = 0; i < pieces; ++i) {
        const std::size_t p_size = matrix.rank * matrix.rows / pieces;
        const std::size_t q_size = matrix.rank * matrix.cols / pieces;
        p_blocks_.push_back({.offset = p_at, .size = p_size, .group = group});
        q_blocks_.push_back({.offset = q_at, .size = q_size, .group = group});
        p_at += p_size;
        q_at += q_size;
      }
      ++group;
    }
    for (const std::uint32_t tensor : plan_.plain) {
      const std::size_t size = setup.layout->tensors()[tensor].shape.size();
      q_blocks_.push_back({.offset = q_at, .size = size, .group = group++});
      q_at += size;
    }
    p_.resize(p_at);
    q_.resize(q_at);
    received_p_.resize(p_at);
    received_q_.resize(q_at);
    clean_p_.resize(p_at);
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    mean_->begin(round, mine);
    // Without this rank's worker there is nothing to decompose; the rows come from elsewhere.
    for (const WorkerGradient<T>& gradient : mine) decompose(gradient);
    rows_.assign(mine.size(), p_.data());
    if (!p_.empty()) {
      mean_->mean(
          {.blocks = p_blocks_, .rows = rows_, .power_fraction = 1.0 - options_.second_fraction},
          received_p_, comm);
      std::ranges::copy(mean_->noiseless(), clean_p_.begin());
    }
    rows_.assign(mine.size(), q_.data());
    mean_->mean({.blocks = q_blocks_,
                 .rows = rows_,
                 .power_fraction = p_.empty() ? 1.0 : options_.second_fraction},
                received_q_, comm);
    multiply(mean_->noiseless(), direction);
    return mean_->report();
  }
  void state(wire::StateArchive& archive) override {
    mean_->state(archive);
    archive.numbers("memory", std::span<T>(memory_));
  }

 private:
  void decompose(const WorkerGradient<T>& gradient) {
    std::size_t q_at = 0;
    for (const LowRankMatrix& matrix : plan_.matrices) {
      const std::size_t size = matrix.rows * matrix.cols;
      const std::span<T> memory = std::span<T>(memory_).subspan(matrix.memory_offset, size);
      const auto values = gradient.values.subspan(matrix.offset, size);
      wide_.resize(size);
      bool finite = true;
      for (std::size_t i = 0; i < size; ++i) {
        wide_[i] = static_cast<double>(values[i]) +
                   (options_.memory ? static_cast<double>(memory[i]) : 0.0);
        finite = finite && std::isfinite(wide_[i]);
      }
      if (!finite) return;  // mean() throws
      factorise(matrix);
      q_at = matrix.q_offset + matrix.rank * matrix.cols;
      if (!options_.memory) continue;
      for (std::size_t i = 0; i < size; ++i) memory[i] = static_cast<T>(wide_[i]);
      if (!mean_->active(gradient.worker)) continue;
      kernels::add_low_rank<T>(T{-1}, shape_of(matrix), own_p(matrix), own_q(matrix), memory);
    }
    for (const std::uint32_t index : plan_.plain) {
      const auto view = view_of<T>(setup_.layout->tensors()[index], gradient.values);
      std::ranges::copy(view.values, q_.begin() + static_cast<std::ptrdiff_t>(q_at));
      q_at += view.values.size();
    }
  }

  void factorise(const LowRankMatrix& matrix) {
    svd_.compute(matrix.rows, matrix.cols, matrix.rank, wide_);
    for (std::size_t j = 0; j < matrix.rank; ++j) {
      const double root = std::sqrt(svd_.singular_values()[j]);
      for (std::size_t i = 0; i < matrix.rows; ++i) {
        p_[matrix.p_offset + j * matrix.rows + i] =
            static_cast<T>(root * svd_.left()[j * matrix.rows + i]);
      }
      for (std::size_t i = 0; i < matrix.cols; ++i) {
        q_[matrix.q_offset + j * matrix.cols + i] =
            static_cast<T>(root * svd_.right()[j * matrix.cols + i]);
      }
    }
  }

  static kernels::SkinnyShape shape_of(const LowRankMatrix& matrix) {
    return {.m = matrix.rows, .n = matrix.cols, .r = matrix.rank};
  }
  std::span<const T> own_p(const LowRankMatrix& matrix) const {
    return part_of(p_, matrix.p_offset, matrix.rank * matrix.rows);
  }
  std::span<const T> own_q(const LowRankMatrix& matrix) const {
    return part_of(q_, matrix.q_offset, matrix.rank * matrix.cols);
  }
  static std::span<const T> part_of(std::span<const T> all, std::size_t offset, std::size_t size) {
    return all.subspan(offset, size);
  }

  // The product of the received factors, and lambda of the product.
  void multiply(std::span<const T> clean_q, std::span<T> direction) {
    double error = 0;
    double base = 0;
    std::size_t at = 0;
    for (const LowRankMatrix& matrix : plan_.matrices) {
      const std::span<T> out = direction.subspan(matrix.offset, matrix.rows * matrix.cols);
      const std::size_t p_size = matrix.rank * matrix.rows;
      const std::size_t q_size = matrix.rank * matrix.cols;
      std::ranges::fill(out, T{0});
      kernels::add_low_rank<T>(T{1}, shape_of(matrix),
                               part_of(received_p_, matrix.p_offset, p_size),
                               part_of(received_q_, matrix.q_offset, q_size), out);
      const std::span<T> clean = product_.take(out.size());
      std::ranges::fill(clean, T{0});
      kernels::add_low_rank<T>(T{1}, shape_of(matrix), part_of(clean_p_, matrix.p_offset, p_size),
                               clean_q.subspan(matrix.q_offset, q_size), clean);
      error += kernels::squared_distance<T>(std::span<const T>(out), clean);
      base += kernels::squared_norm<T>(std::span<const T>(clean));
      at = matrix.q_offset + q_size;
    }
    const std::span<const T> rest = std::span<const T>(received_q_).subspan(at);
    error += kernels::squared_distance<T>(rest, clean_q.subspan(at));
    base += kernels::squared_norm<T>(clean_q.subspan(at));
    for (const std::uint32_t index : plan_.plain) {
      const auto out = span_of<T>(setup_.layout->tensors()[index], direction);
      std::copy_n(received_q_.begin() + static_cast<std::ptrdiff_t>(at), out.values.size(),
                  out.values.begin());
      at += out.values.size();
    }
    if (auto& channel = mean_->report().channel; channel) {
      channel->lambda = base > 0 ? error / base : 0;
    }
  }

  AggregatorSetup setup_;
  LowRankOptions options_;
  LowRankPlan plan_;
  std::unique_ptr<SymbolMean<T>> mean_;
  std::vector<AirBlock> p_blocks_ = {};
  std::vector<AirBlock> q_blocks_ = {};
  AlignedVector<T> memory_;
  AlignedVector<T> p_ = {};
  AlignedVector<T> q_ = {};  // with the plain tensors
  AlignedVector<T> received_p_ = {};
  AlignedVector<T> received_q_ = {};
  AlignedVector<T> clean_p_ = {};
  std::vector<T*> rows_ = {};
  std::vector<double> wide_ = {};
  Scratch<T> product_ = {};
  TruncatedSvd svd_ = {};
};

}  // namespace

template <Real T>
std::unique_ptr<Aggregator<T>> make_ideal_low_rank(const AggregatorSetup& setup,
                                                   const LowRankOptions& options,
                                                   std::unique_ptr<SymbolMean<T>> mean) {
  return std::make_unique<IdealLowRank<T>>(setup, options, std::move(mean));
}
template std::unique_ptr<Aggregator<float>> make_ideal_low_rank(const AggregatorSetup&,
                                                                const LowRankOptions&,
                                                                std::unique_ptr<SymbolMean<float>>);
template std::unique_ptr<Aggregator<double>> make_ideal_low_rank(
    const AggregatorSetup&, const LowRankOptions&, std::unique_ptr<SymbolMean<double>>);

}  // namespace laconic::aggregate
