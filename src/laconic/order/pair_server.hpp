// SPDX-License-Identifier: Apache-2.0
// The order server of CD-GraB (cd-grab.md 2.6): balances the differences of consecutive gradients
// of m workers with one running sum h, which is 0 at the start of every epoch. Differences are due
// in the order (pair, worker), whatever order the gradients arrive in. What comes out is one sign
// per pair, from which each worker composes its next order (compose.hpp). With one worker this is
// PairGraB.
//
// A difference is rounded to the type of the gradients, h and <h, v> are in double. Workers may
// have unequal numbers of units: a worker without a pair k takes no part in step k. The last unit
// of an odd number has no partner and no influence on h.
//
// Thread rule: one thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "laconic/order/balance_options.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/order/sign_rule.hpp"
#include "laconic/order/unit_store.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::order {

struct PairServerSetup {
  std::vector<std::uint32_t> units = {};  // by worker
  std::size_t dim = 0;
  std::uint32_t first_worker = 0;  // name of worker 0, in errors and draws
  BalanceOptions options = {};     // random_start and sketch are not the server's
};

// One sign per pair of every worker: bit k mod 64 of word k / 64, 1 = -1.
class PairSigns {
 public:
  explicit PairSigns(std::span<const std::uint32_t> units);
  void clear();
  void set_negative(std::size_t worker, std::uint32_t pair) {
    words_[offsets_[worker] + pair / 64] |= std::uint64_t{1} << (pair % 64);
  }
  [[nodiscard]] std::span<const std::uint64_t> of(std::size_t worker) const {
    return std::span(words_).subspan(offsets_[worker], offsets_[worker + 1] - offsets_[worker]);
  }
  [[nodiscard]] std::span<std::uint64_t> of_mutable(std::size_t worker) {
    return std::span(words_).subspan(offsets_[worker], offsets_[worker + 1] - offsets_[worker]);
  }
  void assign(std::size_t worker, std::span<const std::uint64_t> signs) {
    std::ranges::copy(signs, of_mutable(worker).begin());
  }
  void save(wire::WireWriter& out) const { out.words(words_); }
  // Fails with kNonZeroPadding for a sign behind a worker's last pair.
  void load(wire::WireReader& in);

 private:
  std::vector<std::uint32_t> pairs_ = {};
  std::vector<std::size_t> offsets_ = {0};
  std::vector<std::uint64_t> words_ = {};
};

template <Real T>
class PairServer {
 public:
  explicit PairServer(const PairServerSetup& setup);

  void begin_epoch(std::uint32_t e);
  // The gradient at a position of the worker's epoch, each once, in any order; copied if it has to
  // wait. std::logic_error as OrderPolicy::observe; UnitDivergedError when a product is not finite.
  // Precondition: the numbers are finite, or h is unspecified after the throw.
  void push(std::size_t worker, std::uint32_t position, const UnitGradient<T>& gradient);
  // The same for a row of take_row.
  [[nodiscard]] std::unique_ptr<Row<T>> take_row() { return store_.take(); }
  void push_row(std::size_t worker, std::uint32_t position, std::unique_ptr<Row<T>> row);
  [[nodiscard]] bool has(std::size_t worker, std::uint32_t position) const {
    return seen_.contains(worker, position);
  }
  // std::logic_error naming worker and position unless every gradient of the epoch arrived.
  void expect_complete() const;
  [[nodiscard]] std::span<const std::uint64_t> signs(std::size_t worker) const {
    return signs_.of(worker);
  }
  // The running sum.
  [[nodiscard]] std::vector<double> sum() const;
  [[nodiscard]] OrderStats stats() const;

  void save(wire::WireWriter& out) const;
  void load(wire::WireReader& in);

 private:
  using Held = typename UnitStore<T>::Held;

  // Whether the cursor stops at (pair, worker).
  [[nodiscard]] bool is_active(std::uint32_t pair, std::size_t worker) const;
  [[nodiscard]] bool is_lone(std::size_t worker, std::uint32_t position) const {
    return setup_.units[worker] % 2 == 1 && position + 1 == setup_.units[worker];
  }
  [[nodiscard]] bool is_due(std::size_t worker, std::uint32_t pair) const {
    return pair == pair_ && worker == worker_;
  }
  void skip_inactive();
  void advance();
  void drain();
  void restart_if_due();
  // h += the difference that was decided last, if that is still to be done.
  void flush();
  void hold_copy(std::size_t worker, std::uint32_t position, const UnitGradient<T>& gradient);
  void decide_now(std::unique_ptr<Row<T>> first, const UnitGradient<T>& second);
  void decide_difference(std::unique_ptr<Row<T>> difference);
  void decide_lone(const UnitGradient<T>& gradient);
  [[nodiscard]] bool is_negative(double product, const UnitGradient<T>& v, std::uint32_t position);
  void conclude(std::unique_ptr<Row<T>> difference, double product);
  [[nodiscard]] double product_of(const UnitGradient<T>& v) const;
  // Whether what was seen, what is kept, the signs and the cursor belong together.
  [[nodiscard]] bool is_consistent() const;
  // The same of one pair or lone unit; adds the rows that are to be kept for it.
  [[nodiscard]] bool is_consistent(std::size_t worker, std::uint32_t pair, std::size_t& kept) const;

  PairServerSetup setup_;
  SignRule rule_;
  UnitStore<T> store_;
  SeenUnits seen_;
  PairSigns signs_;
  Differences<T> differences_;
  AlignedVector<double> h_;
  std::unique_ptr<Row<T>> previous_ = {};  // decided, not yet in h
  bool previous_negative_ = false;
  std::uint32_t epoch_ = 0;
  std::uint32_t pair_ = 0;  // what is due: (pair_, worker_)
  std::size_t worker_ = 0;
  std::uint32_t pair_end_ = 0;
  std::uint64_t vectors_ = 0;  // decided in this epoch
  double largest_sum_ = 0;
};

}  // namespace laconic::order
