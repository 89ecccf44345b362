// SPDX-License-Identifier: Apache-2.0
// PowerSGD (Vogels, Karimireddy, Jaggi, NeurIPS 2019) around any mean of messages: over the wire it
// is lowrank, over the air laser. Rank-r factors of every large enough matrix, warm-started from
// round to round, with a local residual. Two forms (laser.md 2.2, 2.3), M = memory + gradient:
//
//   alternating  even rounds: B = orth(P); X_i = M_i^T B; memory_i = M_i - B X_i^T;
//                mean: X; P = B, Q = X, direction = B X^T
//                odd rounds the same with the sides exchanged
//   two-factor   B = orth(Q); X_i = M_i B; mean: X; P = orth(X);
//                Y_i = M_i^T P; memory_i = M_i - P Y_i^T; mean: Y; Q = Y, direction = P Y^T
//
// The memory subtracts what the worker itself contributed, not the mean: where workers disagree,
// the latter would leave the disagreement in the memory, round after round, so that its norm grows
// like the square root of the rounds. All other tensors are sent as they are, without a memory.
#pragma once

#include <memory>
#include <vector>

#include "laconic/aggregate/low_rank_plan.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::aggregate {

enum class LowRankForm : std::uint8_t { kAlternating, kTwoFactor };

struct LowRankOptions {
  std::uint32_t rank = 4;
  LowRankForm form = LowRankForm::kAlternating;
  bool warm_start = true;  // false: a random basis every round
  bool memory = true;
  // laser.md 2.6 item 9: divide a rank-1 basis by the norm of the stack of all equal-shaped ones,
  // as public code does.
  bool stacked_rank_one = false;
  double second_fraction = 0.5;  // of the power, for the second message of the two-factor form
  Components components = Components::kJoint;
};

template <Real T>
class LowRank final : public Aggregator<T> {
 public:
  LowRank(const AggregatorSetup& setup, const LowRankOptions& options,
          std::unique_ptr<SymbolMean<T>> mean);

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override;

  void state(wire::StateArchive& archive) override;

  // For tests: the state, in the order of the plan. Alike on all ranks but the memories.
  [[nodiscard]] const LowRankPlan& plan() const { return plan_; }
  [[nodiscard]] std::span<const T> p() const { return p_; }
  [[nodiscard]] std::span<const T> q() const { return q_; }
  [[nodiscard]] std::span<const T> memory(std::size_t hosted) const { return memories_[hosted]; }

 private:
  enum class Side : std::uint8_t { kP, kQ };
  // A row of symbols: the factors of one side, then perhaps the plain tensors.
  struct Message {
    Side side = Side::kQ;
    bool plain = false;
    std::vector<AirBlock> blocks = {};
    std::size_t size = 0;
  };
  [[nodiscard]] Message make_message(Side side, bool plain) const;

  void take_gradients(std::span<const WorkerGradient<T>> mine);
  void renew_basis(const Round& round, Side side);
  void orthonormalise_basis(const Round& round, Side side);
  void divide_by_stacks(Side side);
  [[nodiscard]] std::span<T> factor(Side side, const LowRankMatrix& matrix);
  // Rows of all hosted workers: their matrices times the basis on the other side.
  void write_rows(const Message& message, std::span<const WorkerGradient<T>> mine);
  void subtract_own(const Message& message, std::span<const WorkerGradient<T>> mine);
  void send(const Message& message, double fraction, Communicator& comm);
  void keep_received(const Message& message);
  void write_direction(const Message& message, std::span<T> direction);

  void alternating(const Round& round, std::span<const WorkerGradient<T>> mine,
                   std::span<T> direction, Communicator& comm);
  void two_factor(const Round& round, std::span<const WorkerGradient<T>> mine,
                  std::span<T> direction, Communicator& comm);

  AggregatorSetup setup_;
  LowRankOptions options_;
  LowRankPlan plan_;
  std::unique_ptr<SymbolMean<T>> mean_;
  Message p_message_;  // factors p; with the plain tensors when alternating
  Message q_message_;
  AlignedVector<T> p_;
  AlignedVector<T> q_;
  std::vector<AlignedVector<T>> memories_;  // by hosted worker, the compressed tensors
  std::vector<AlignedVector<T>> rows_;      // by hosted worker
  std::vector<T*> row_pointers_;
  AlignedVector<T> received_;
};

// What lowrank and laser share: rank, memory, warm_start, stacked_rank_one.
[[nodiscard]] std::vector<ParamCard> low_rank_params();
[[nodiscard]] LowRankOptions low_rank_options(const Args& args);
[[nodiscard]] std::vector<std::string> low_rank_problems(const Args& args);
// See aggregator_notes.
[[nodiscard]] std::vector<std::string> low_rank_notes(const Args& args,
                                                      const AggregatorSetup& setup);

}  // namespace laconic::aggregate
