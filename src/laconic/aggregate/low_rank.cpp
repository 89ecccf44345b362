// SPDX-License-Identifier: Apache-2.0
#include "laconic/aggregate/low_rank.hpp"

#include <algorithm>
#include <cmath>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/kernels/normals.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::aggregate {
namespace {

kernels::SkinnyShape shape_of(const LowRankMatrix& matrix) {
  return {.m = matrix.rows, .n = matrix.cols, .r = matrix.rank};
}

}  // namespace

template <Real T>
LowRank<T>::LowRank(const AggregatorSetup& setup, const LowRankOptions& options,
                    std::unique_ptr<SymbolMean<T>> mean)
    : setup_(setup),
      options_(options),
      plan_(*setup.layout, options.rank),
      mean_(std::move(mean)),
      p_message_(make_message(Side::kP, options.form == LowRankForm::kAlternating)),
      q_message_(make_message(Side::kQ, true)),
      p_(plan_.p_size),
      q_(plan_.q_size),
      memories_(setup.mine.size()),
      rows_(setup.mine.size()),
      received_(std::max(p_message_.size, q_message_.size)) {
  for (auto& memory : memories_) memory.assign(plan_.memory_size, T{0});
  for (auto& row : rows_) row.resize(received_.size());
  for (auto& row : rows_) row_pointers_.push_back(row.data());
  renew_basis({}, Side::kP);
  renew_basis({}, Side::kQ);
}

template <Real T>
auto LowRank<T>::make_message(Side side, bool plain) const -> Message {
  Message out{.side = side, .plain = plain};
  std::uint32_t group = 0;
  for (const LowRankMatrix& matrix : plan_.matrices) {
    const std::size_t length = side == Side::kP ? matrix.rows : matrix.cols;
    const bool joint = options_.components == Components::kJoint;
    const std::size_t pieces = joint ? 1 : matrix.rank;
    const std::size_t size = matrix.rank * length / pieces;
    for (std::size_t i = 0; i < pieces; ++i) {
      out.blocks.push_back({.offset = out.size, .size = size, .group = group});
      out.size += size;
    }
    ++group;
  }
  for (const std::uint32_t tensor : plain ? plan_.plain : std::vector<std::uint32_t>{}) {
    const std::size_t size = setup_.layout->tensors()[tensor].shape.size();
    out.blocks.push_back({.offset = out.size, .size = size, .group = group++});
    out.size += size;
  }
  return out;
}

template <Real T>
std::span<T> LowRank<T>::factor(Side side, const LowRankMatrix& matrix) {
  return side == Side::kP ? std::span<T>(p_).subspan(matrix.p_offset, matrix.rank * matrix.rows)
                          : std::span<T>(q_).subspan(matrix.q_offset, matrix.rank * matrix.cols);
}

template <Real T>
const RoundReport& LowRank<T>::aggregate(const Round& round,
                                         std::span<const WorkerGradient<T>> mine,
                                         std::span<T> direction, Communicator& comm) {
  mean_->begin(round, mine);
  take_gradients(mine);
  if (options_.form == LowRankForm::kAlternating) {
    alternating(round, mine, direction, comm);
  } else {
    two_factor(round, mine, direction, comm);
  }
  return mean_->report();
}

template <Real T>
void LowRank<T>::state(wire::StateArchive& archive) {
  mean_->state(archive);
  archive.numbers("p", std::span<T>(p_));
  archive.numbers("q", std::span<T>(q_));
  archive.rows("memory", memories_);
}

template <Real T>
void LowRank<T>::alternating(const Round& round, std::span<const WorkerGradient<T>> mine,
                             std::span<T> direction, Communicator& comm) {
  const bool even = round.index % 2 == 0;
  const Side basis = even ? Side::kP : Side::kQ;
  const Message& message = even ? q_message_ : p_message_;
  if (!options_.warm_start) renew_basis(round, basis);
  orthonormalise_basis(round, basis);
  write_rows(message, mine);
  subtract_own(message, mine);
  send(message, 1.0, comm);
  write_direction(message, direction);
  keep_received(message);
}

template <Real T>
void LowRank<T>::two_factor(const Round& round, std::span<const WorkerGradient<T>> mine,
                            std::span<T> direction, Communicator& comm) {
  if (!options_.warm_start) renew_basis(round, Side::kQ);
  orthonormalise_basis(round, Side::kQ);
  if (p_message_.size > 0) {
    write_rows(p_message_, mine);
    send(p_message_, 1.0 - options_.second_fraction, comm);
    keep_received(p_message_);
    orthonormalise_basis(round, Side::kP);
  }
  write_rows(q_message_, mine);
  subtract_own(q_message_, mine);
  send(q_message_, p_message_.size > 0 ? options_.second_fraction : 1.0, comm);
  write_direction(q_message_, direction);
  keep_received(q_message_);
}

// memory = memory + gradient on the compressed tensors.
template <Real T>
void LowRank<T>::take_gradients(std::span<const WorkerGradient<T>> mine) {
  for (std::size_t w = 0; w < mine.size(); ++w) {
    for (const LowRankMatrix& matrix : plan_.matrices) {
      const std::size_t size = matrix.rows * matrix.cols;
      const std::span<const T> gradient = mine[w].values.subspan(matrix.offset, size);
      const std::span<T> memory = std::span<T>(memories_[w]).subspan(matrix.memory_offset, size);
      if (options_.memory) {
        kernels::add<T>(gradient, memory);
      } else {
        std::copy(gradient.begin(), gradient.end(), memory.begin());
      }
    }
  }
}

// Random numbers of the round in place of the basis; for the first basis those of round 0.
template <Real T>
void LowRank<T>::renew_basis(const Round& round, Side side) {
  for (const LowRankMatrix& matrix : plan_.matrices) {
    const std::uint32_t stream = 2 * matrix.tensor + (side == Side::kP ? 0U : 1U);
    kernels::fill_normals<T>(
        rng::Stream(setup_.seed, {rng::Purpose::kShared, 0, round.index, stream}), 0,
        factor(side, matrix));
  }
}

template <Real T>
void LowRank<T>::orthonormalise_basis(const Round& round, Side side) {
  for (const LowRankMatrix& matrix : plan_.matrices) {
    if (options_.stacked_rank_one && matrix.rank == 1) continue;
    // Components that were lost are drawn anew, from numbers that renew_basis does not use.
    const rng::Stream fresh(setup_.seed, {rng::Purpose::kServer, 0, round.index, matrix.tensor});
    kernels::orthonormalise<T>(side == Side::kP ? matrix.rows : matrix.cols, fresh,
                               factor(side, matrix));
  }
  if (options_.stacked_rank_one) divide_by_stacks(side);
}

// The defect of laser.md 2.6 item 9: all rank-1 bases of a shape share one norm.
template <Real T>
void LowRank<T>::divide_by_stacks(Side side) {
  const auto same_stack = [](const LowRankMatrix& a, const LowRankMatrix& b) {
    return a.rank == 1 && b.rank == 1 && a.rows == b.rows && a.cols == b.cols;
  };
  for (std::size_t first = 0; first < plan_.matrices.size(); ++first) {
    const LowRankMatrix& head = plan_.matrices[first];
    const auto before = plan_.matrices.begin() + static_cast<std::ptrdiff_t>(first);
    if (head.rank != 1 ||
        std::any_of(plan_.matrices.begin(), before,
                    [&](const LowRankMatrix& other) { return same_stack(head, other); })) {
      continue;
    }
    double squared = 0;
    for (const LowRankMatrix& matrix : plan_.matrices) {
      if (!same_stack(head, matrix)) continue;
      squared += kernels::squared_norm<T>(std::span<const T>(factor(side, matrix)));
    }
    const double norm = std::max(std::sqrt(squared), 1e-16);
    for (const LowRankMatrix& matrix : plan_.matrices) {
      if (!same_stack(head, matrix)) continue;
      kernels::scale<T>(static_cast<T>(1 / norm), factor(side, matrix));
    }
  }
}

template <Real T>
void LowRank<T>::write_rows(const Message& message, std::span<const WorkerGradient<T>> mine) {
  for (std::size_t w = 0; w < mine.size(); ++w) {
    std::span<T> rest = rows_[w];
    for (const LowRankMatrix& matrix : plan_.matrices) {
      const std::span<const T> memory =
          std::span<const T>(memories_[w]).subspan(matrix.memory_offset, matrix.rows * matrix.cols);
      if (message.side == Side::kQ) {
        const std::size_t size = matrix.rank * matrix.cols;
        kernels::skinny_tn<T>(shape_of(matrix), memory, factor(Side::kP, matrix), rest.first(size));
        rest = rest.subspan(size);
      } else {
        const std::size_t size = matrix.rank * matrix.rows;
        kernels::skinny_nn<T>(shape_of(matrix), memory, factor(Side::kQ, matrix), rest.first(size));
        rest = rest.subspan(size);
      }
    }
    if (!message.plain) continue;
    for (const std::uint32_t index : plan_.plain) {
      const auto view = view_of<T>(setup_.layout->tensors()[index], mine[w].values);
      std::copy(view.values.begin(), view.values.end(), rest.begin());
      rest = rest.subspan(view.values.size());
    }
  }
}

// memory = M - what the worker's own row says. A silent worker keeps M.
template <Real T>
void LowRank<T>::subtract_own(const Message& message, std::span<const WorkerGradient<T>> mine) {
  if (!options_.memory) return;
  for (std::size_t w = 0; w < mine.size(); ++w) {
    if (!mean_->active(mine[w].worker)) continue;
    std::span<const T> rest = rows_[w];
    for (const LowRankMatrix& matrix : plan_.matrices) {
      const std::span<T> memory =
          std::span<T>(memories_[w]).subspan(matrix.memory_offset, matrix.rows * matrix.cols);
      const bool sent_q = message.side == Side::kQ;
      const std::size_t size = matrix.rank * (sent_q ? matrix.cols : matrix.rows);
      const std::span<const T> own = rest.first(size);
      const std::span<const T> basis = factor(sent_q ? Side::kP : Side::kQ, matrix);
      kernels::add_low_rank<T>(T{-1}, shape_of(matrix), sent_q ? basis : own, sent_q ? own : basis,
                               memory);
      rest = rest.subspan(size);
    }
  }
}

template <Real T>
void LowRank<T>::send(const Message& message, double fraction, Communicator& comm) {
  mean_->mean({.blocks = message.blocks, .rows = row_pointers_, .power_fraction = fraction},
              std::span<T>(received_).first(message.size), comm);
}

// The received factor is the start of a later basis. Where nothing was received the old one stays.
template <Real T>
void LowRank<T>::keep_received(const Message& message) {
  std::span<const T> rest = received_;
  for (const LowRankMatrix& matrix : plan_.matrices) {
    const std::span<T> kept = factor(message.side, matrix);
    const std::span<const T> received = rest.first(kept.size());
    if (kernels::absmax<T>(received) > 0) std::copy(received.begin(), received.end(), kept.begin());
    rest = rest.subspan(kept.size());
  }
}

template <Real T>
void LowRank<T>::write_direction(const Message& message, std::span<T> direction) {
  std::span<const T> rest = received_;
  for (const LowRankMatrix& matrix : plan_.matrices) {
    const std::span<T> out = direction.subspan(matrix.offset, matrix.rows * matrix.cols);
    std::fill(out.begin(), out.end(), T{0});
    const bool sent_q = message.side == Side::kQ;
    const std::size_t size = matrix.rank * (sent_q ? matrix.cols : matrix.rows);
    const std::span<const T> received = rest.first(size);
    const std::span<const T> basis = factor(sent_q ? Side::kP : Side::kQ, matrix);
    kernels::add_low_rank<T>(T{1}, shape_of(matrix), sent_q ? basis : received,
                             sent_q ? received : basis, out);
    rest = rest.subspan(size);
  }
  LACONIC_ASSERT(message.plain);
  for (const std::uint32_t index : plan_.plain) {
    const auto out = span_of<T>(setup_.layout->tensors()[index], direction);
    std::copy_n(rest.begin(), out.values.size(), out.values.begin());
    rest = rest.subspan(out.values.size());
  }
}

template class LowRank<float>;
template class LowRank<double>;

}  // namespace laconic::aggregate
