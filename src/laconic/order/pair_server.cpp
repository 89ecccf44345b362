// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/pair_server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/order/compose.hpp"

namespace laconic::order {

PairSigns::PairSigns(std::span<const std::uint32_t> units) {
  for (const std::uint32_t count : units) {
    pairs_.push_back(count / 2);
    offsets_.push_back(offsets_.back() + kernels::words_for(count / 2));
  }
  words_.resize(offsets_.back());
}

void PairSigns::load(wire::WireReader& in) {
  const std::size_t start = in.position();
  in.words(words_);
  for (std::size_t w = 0; w < pairs_.size() && in.ok(); ++w) {
    if (pairs_[w] % 64 == 0) continue;
    const std::size_t last = offsets_[w] + pairs_[w] / 64;
    if (words_[last] >> (pairs_[w] % 64) != 0) in.fail_at(start + 8 * last, Fault::kNonZeroPadding);
  }
}

void PairSigns::clear() { std::ranges::fill(words_, std::uint64_t{0}); }

template <Real T>
PairServer<T>::PairServer(const PairServerSetup& setup)
    : setup_(setup),
      rule_(setup.options.rule),
      store_(setup.units.size()),
      seen_(setup.units),
      signs_(setup.units),
      differences_(setup.dim),
      h_(setup.dim) {
  LACONIC_EXPECTS(!setup.units.empty());
  for (const std::uint32_t units : setup_.units) {
    const std::uint32_t lone = setup_.options.lone == Lone::kSign ? units % 2 : 0;
    pair_end_ = std::max(pair_end_, units / 2 + lone);
  }
}

template <Real T>
void PairServer<T>::begin_epoch(std::uint32_t e) {
  epoch_ = e;
  if (previous_ != nullptr) store_.give_back(std::move(previous_));
  store_.release_all();
  seen_.clear();
  signs_.clear();
  rule_.begin_epoch();
  std::ranges::fill(h_, 0.0);
  pair_ = 0;
  worker_ = 0;
  vectors_ = 0;
  largest_sum_ = 0;
  skip_inactive();
}

template <Real T>
bool PairServer<T>::is_active(std::uint32_t pair, std::size_t worker) const {
  const std::uint32_t pairs = setup_.units[worker] / 2;
  if (pair < pairs) return true;
  return pair == pairs && setup_.units[worker] % 2 == 1 && setup_.options.lone == Lone::kSign;
}

template <Real T>
void PairServer<T>::skip_inactive() {
  while (pair_ < pair_end_ && !is_active(pair_, worker_)) {
    if (++worker_ < setup_.units.size()) continue;
    worker_ = 0;
    ++pair_;
    flush();
    largest_sum_ = std::max(largest_sum_, kernels::absmax<double>(h_));
  }
}

template <Real T>
void PairServer<T>::advance() {
  if (++worker_ == setup_.units.size()) {
    worker_ = 0;
    ++pair_;
    flush();
    largest_sum_ = std::max(largest_sum_, kernels::absmax<double>(h_));
  }
  skip_inactive();
}

template <Real T>
void PairServer<T>::push(std::size_t worker, std::uint32_t position,
                         const UnitGradient<T>& gradient) {
  LACONIC_EXPECTS(worker < setup_.units.size());
  if (position >= setup_.units[worker] || seen_.contains(worker, position)) {
    throw std::logic_error(fmt::format(
        "order: worker {}: position {} of epoch {} {}; observe every position of 0 to {} once",
        setup_.first_worker + worker, position, epoch_,
        position >= setup_.units[worker] ? "lies behind the end" : "was observed before",
        std::int64_t{setup_.units[worker]} - 1));
  }
  expect_form(gradient, setup_.dim);
  (void)seen_.insert(worker, position);
  if (is_lone(worker, position)) {
    if (setup_.options.lone == Lone::kMiddle) return;
    hold_copy(worker, position, gradient);
    drain();
    return;
  }
  Held* partner = store_.find(worker, position ^ 1);
  if (partner == nullptr) {
    hold_copy(worker, position, gradient);
    return;
  }
  auto row = store_.release(worker, position ^ 1);
  const bool is_second = position % 2 == 1;
  if (is_second && is_due(worker, position / 2)) {
    decide_now(std::move(row), gradient);
  } else {
    differences_.subtract(*row, gradient, !is_second);
    store_.hold(worker, {.position = position & ~1U, .is_difference = true, .row = std::move(row)});
  }
  drain();
}

template <Real T>
void PairServer<T>::push_row(std::size_t worker, std::uint32_t position,
                             std::unique_ptr<Row<T>> row) {
  const bool waits = worker < setup_.units.size() && position < setup_.units[worker] &&
                     !seen_.contains(worker, position) && !is_lone(worker, position) &&
                     store_.find(worker, position ^ 1) == nullptr;
  if (waits) {
    expect_form(row->view(), setup_.dim);
    (void)seen_.insert(worker, position);
    store_.hold(worker, {.position = position, .row = std::move(row)});
    return;
  }
  push(worker, position, row->view());
  store_.give_back(std::move(row));
}

template <Real T>
void PairServer<T>::hold_copy(std::size_t worker, std::uint32_t position,
                              const UnitGradient<T>& gradient) {
  auto row = store_.take();
  row->assign(gradient);
  store_.hold(worker, {.position = position, .row = std::move(row)});
}

template <Real T>
void PairServer<T>::drain() {
  while (pair_ < pair_end_) {
    const std::uint32_t position = 2 * pair_;
    const Held* held = store_.find(worker_, position);
    if (held == nullptr) return;
    if (is_lone(worker_, position)) {
      auto row = store_.release(worker_, position);
      decide_lone(row->view());
      store_.give_back(std::move(row));
    } else if (held->is_difference) {
      decide_difference(store_.release(worker_, position));
    } else {
      return;
    }
  }
}

template <Real T>
void PairServer<T>::restart_if_due() {
  if (setup_.options.reset == 0 || vectors_ % setup_.options.reset != 0) return;
  flush();
  std::ranges::fill(h_, 0.0);
}

template <Real T>
void PairServer<T>::flush() {
  if (previous_ == nullptr) return;
  if (previous_->is_sparse) {
    kernels::sparse_add_signed<T>(previous_negative_, previous_->indices, previous_->values, h_);
  } else {
    kernels::add_signed<T>(previous_negative_, previous_->values, h_);
  }
  if (setup_.options.float_sum) {
    for (double& x : h_) x = static_cast<double>(static_cast<float>(x));
  }
  store_.give_back(std::move(previous_));
}

template <Real T>
void PairServer<T>::decide_now(std::unique_ptr<Row<T>> first, const UnitGradient<T>& second) {
  if (first->is_sparse || second.is_sparse) {
    differences_.subtract(*first, second, false);
    decide_difference(std::move(first));
    return;
  }
  restart_if_due();
  const bool fuses = previous_ != nullptr && !previous_->is_sparse && !setup_.options.float_sum;
  double product = 0;
  if (fuses) {
    product = kernels::add_signed_difference_dot<T>(
        previous_negative_, previous_->values, first->values, second.values, h_, first->values);
    store_.give_back(std::move(previous_));
  } else {
    flush();
    product = kernels::difference_dot<T>(first->values, second.values, h_, first->values);
  }
  conclude(std::move(first), product);
}

template <Real T>
void PairServer<T>::decide_difference(std::unique_ptr<Row<T>> difference) {
  restart_if_due();
  flush();
  const double product = product_of(difference->view());
  conclude(std::move(difference), product);
}

template <Real T>
void PairServer<T>::decide_lone(const UnitGradient<T>& gradient) {
  flush();
  (void)is_negative(product_of(gradient), gradient, 2 * pair_);
  advance();
}

template <Real T>
double PairServer<T>::product_of(const UnitGradient<T>& v) const {
  return v.is_sparse ? kernels::sparse_wide_dot<T>(v.indices, v.values, h_)
                     : kernels::wide_dot<T>(v.values, h_);
}

template <Real T>
bool PairServer<T>::is_negative(double product, const UnitGradient<T>& v, std::uint32_t position) {
  const auto name = static_cast<std::uint32_t>(setup_.first_worker + worker_);
  if (!std::isfinite(product)) {
    throw UnitDivergedError({.worker = name, .epoch = epoch_, .position = position});
  }
  RuleItem item{.epoch = epoch_, .index = pair_, .worker = name, .product = product};
  if (rule_.needs_norms()) {
    item.norm = std::sqrt(kernels::squared_norm<T>(v.values));
    item.largest_sum = kernels::absmax<double>(h_);
  }
  return rule_.is_negative(item);
}

template <Real T>
void PairServer<T>::conclude(std::unique_ptr<Row<T>> difference, double product) {
  previous_negative_ = is_negative(product, difference->view(), 2 * pair_ + 1);
  if (previous_negative_) signs_.set_negative(worker_, pair_);
  previous_ = std::move(difference);
  ++vectors_;
  advance();
}

template <Real T>
void PairServer<T>::expect_complete() const {
  for (std::size_t worker = 0; worker < setup_.units.size(); ++worker) {
    const std::uint32_t missing = seen_.first_missing(worker);
    if (missing == setup_.units[worker]) continue;
    throw std::logic_error(fmt::format(
        "order: worker {}: epoch {} cannot end: the gradient at position {} of {} is missing; "
        "observe every position once",
        setup_.first_worker + worker, epoch_, missing, setup_.units[worker]));
  }
}

template <Real T>
std::vector<double> PairServer<T>::sum() const {
  std::vector<double> h(h_.begin(), h_.end());
  if (previous_ == nullptr) return h;
  if (previous_->is_sparse) {
    kernels::sparse_add_signed<T>(previous_negative_, previous_->indices, previous_->values, h);
  } else {
    kernels::add_signed<T>(previous_negative_, previous_->values, h);
  }
  if (setup_.options.float_sum) {
    for (double& x : h) x = static_cast<double>(static_cast<float>(x));
  }
  return h;
}

template <Real T>
OrderStats PairServer<T>::stats() const {
  const SignRule::Counts& counts = rule_.counts();
  return {.largest_sum = largest_sum_,
          .sum_norm = std::sqrt(kernels::squared_norm<double>(sum())),
          .plus = counts.plus,
          .minus = counts.minus,
          .ties = counts.ties,
          .would_fail = counts.would_fail,
          .smallest_margin = counts.smallest_margin,
          .memory = {.sum_numbers = h_.size(),
                     .cached_numbers =
                         store_.numbers() + (previous_ == nullptr ? 0 : previous_->values.size()),
                     .peak_cached_numbers = store_.peak_rows() * setup_.dim}};
}

template <Real T>
void PairServer<T>::save(wire::WireWriter& out) const {
  out.u32(pair_);
  out.u32(static_cast<std::uint32_t>(worker_));
  out.u64(vectors_);
  out.f64(largest_sum_);
  rule_.save(out);
  seen_.save(out);
  signs_.save(out);
  save_numbers(out, sum());
  store_.save(out);
}

template <Real T>
void PairServer<T>::load(wire::WireReader& in) {
  const std::size_t start = in.position();
  pair_ = in.u32();
  worker_ = in.u32();
  const bool at_end = pair_ == pair_end_ && worker_ == 0;
  if (in.ok() && !at_end &&
      (pair_ >= pair_end_ || worker_ >= setup_.units.size() || !is_active(pair_, worker_))) {
    in.fail_at(start, Fault::kBadIndex, pair_, pair_end_);
  }
  vectors_ = in.u64();
  load_numbers(in, std::span(&largest_sum_, 1));
  rule_.load(in);
  seen_.load(in);
  signs_.load(in);
  load_numbers(in, h_);
  store_.load(in, setup_.dim, setup_.units);
  if (in.ok() && !is_consistent()) in.fail_at(start, Fault::kBadValue, pair_, pair_end_);
}

template <Real T>
bool PairServer<T>::is_consistent() const {
  std::uint64_t decided = 0;
  for (std::size_t w = 0; w < setup_.units.size(); ++w) {
    const std::uint32_t pairs = setup_.units[w] / 2;
    decided += std::min(pairs, w < worker_ ? pair_ + 1 : pair_);
    std::size_t kept = 0;
    for (std::uint32_t k = 0; 2 * k < setup_.units[w]; ++k) {
      if (!is_consistent(w, k, kept)) return false;
    }
    if (store_.held(w).size() != kept) return false;
  }
  return decided == vectors_;
}

template <Real T>
bool PairServer<T>::is_consistent(std::size_t worker, std::uint32_t pair, std::size_t& kept) const {
  const std::uint32_t first = 2 * pair;
  const bool lone = is_lone(worker, first);
  if (!is_active(pair, worker)) return true;  // a lone unit that is not kept
  const bool has_first = has(worker, first);
  const bool has_second = lone || has(worker, first + 1);
  const bool is_complete = has_first && has_second;
  if (pair < pair_ || (pair == pair_ && worker < worker_)) return is_complete;  // decided
  if (!lone && sign_bit(signs_.of(worker), pair)) return false;
  if (is_complete && is_due(worker, pair)) return false;
  if (!has_first && (lone || !has_second)) return true;
  ++kept;
  const std::uint32_t position = has_first ? first : first + 1;
  return store_.keeps(worker, position, is_complete && !lone);
}

template class PairServer<float>;
template class PairServer<double>;

}  // namespace laconic::order
