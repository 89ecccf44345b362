// SPDX-License-Identifier: Apache-2.0
// CD-GraB with a sharded running sum: no rank sees a whole difference of another rank's worker, and
// what a worker sends does not grow with the number of workers. Per step k:
//
//   1. Every worker cuts its difference v_i into the ranks' slices of the coordinates (all-to-all).
//   2. Every rank adds up its part of the products <h, v_i> and of the Gram matrix <v_i, v_j>, i >
//   j,
//      over its leaves: kLeaves blocks of coordinates, a fact of d alone. Leaves are joined by a
//      fixed binary tree; a rank sends the sums of the largest subtrees that it holds (all-gather),
//      and every rank joins them in the same tree. The bits do not depend on the number of ranks.
//   3. Every rank replays the decisions: <h, v_j> after decision s_i is <h, v_j> + s_i <v_i, v_j>.
//   4. Every rank adds s_i v_i to its slice of h.
//
// Compared with the other forms products are rounded in another order: a sign may differ where
// <h, v> is within rounding of 0, and nowhere else.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/order/compose.hpp"
#include "laconic/order/coordinated.hpp"

namespace laconic::order {
namespace {

constexpr std::uint32_t kLeaves = 64;
constexpr std::size_t kLeafMultiple = 16;  // coordinates
constexpr std::uint32_t kStatsStep = std::numeric_limits<std::uint32_t>::max();

// Nodes of the tree: 1 is the root, 2 i and 2 i + 1 lie below i, kLeaves + l is leaf l.
using NodeFlags = std::array<bool, 2 * kLeaves>;

// The largest subtrees that lie within leaves begin .. end-1.
std::vector<std::uint32_t> largest_subtrees(const WorkerBlock& leaves) {
  NodeFlags whole{};
  for (std::uint32_t l = leaves.begin; l < leaves.end; ++l) whole[kLeaves + l] = true;
  for (std::uint32_t node = kLeaves - 1; node > 0; --node) {
    whole[node] = whole[2 * node] && whole[2 * node + 1];
  }
  std::vector<std::uint32_t> out;
  for (std::uint32_t node = 1; node < 2 * kLeaves; ++node) {
    if (whole[node] && !(node > 1 && whole[node / 2])) out.push_back(node);
  }
  return out;
}

// Rows of `width` sums per node of the tree.
class SumTree {
 public:
  void reset(std::size_t width) {
    width_ = width;
    sums_.resize(2 * kLeaves * width);
    known_ = {};
  }
  [[nodiscard]] std::span<double> row(std::uint32_t node) {
    return std::span(sums_).subspan(node * width_, width_);
  }
  void set_known(std::uint32_t node) { known_[node] = true; }
  // Adds up all nodes whose two parts are known.
  void join() {
    for (std::uint32_t node = kLeaves - 1; node > 0; --node) {
      if (known_[node] || !known_[2 * node] || !known_[2 * node + 1]) continue;
      const std::span<double> left = row(2 * node);
      const std::span<double> right = row(2 * node + 1);
      const std::span<double> out = row(node);
      for (std::size_t i = 0; i < width_; ++i) out[i] = left[i] + right[i];
      known_[node] = true;
    }
  }
  [[nodiscard]] std::span<const double> root() {
    LACONIC_EXPECTS(known_[1]);
    return row(1);
  }

 private:
  std::size_t width_ = 0;
  std::vector<double> sums_ = {};
  NodeFlags known_ = {};
};

template <Real T>
class ShardedOrders final : public CoordinatedOrders<T> {
 public:
  explicit ShardedOrders(const CoordinatedSetup& setup)
      : CoordinatedOrders<T>(setup),
        rule_(setup.options.rule),
        firsts_(this->mine().size()),
        slices_(this->workers()),
        arrived_(pairs_of(setup.common.units)),
        differences_(this->dim()) {
    const std::size_t per_leaf = (this->dim() + kLeaves - 1) / kLeaves;
    leaf_size_ = (per_leaf + kLeafMultiple - 1) / kLeafMultiple * kLeafMultiple;
    for (std::uint32_t r = 0; r < setup.common.ranks; ++r) {
      leaves_.push_back(workers_of_rank(kLeaves, r, setup.common.ranks));
      rank_slices_.push_back(slice_of(leaves_.back()));
      subtrees_.push_back(largest_subtrees(leaves_.back()));
    }
    // As if every worker were alone on its machine.
    for (std::uint32_t w = 0; w < this->workers(); ++w) {
      alone_subtrees_.push_back(
          largest_subtrees(workers_of_rank(kLeaves, w, this->workers())).size());
    }
    for (const std::uint32_t units : this->units()) pair_end_ = std::max(pair_end_, units / 2);
    h_.resize(slice().size);
    outboxes_.resize(setup.common.ranks);
    packed_.resize(setup.common.ranks);
  }

  ~ShardedOrders() override { this->stop(); }
  ShardedOrders(const ShardedOrders&) = delete;
  ShardedOrders& operator=(const ShardedOrders&) = delete;

 private:
  void pack() override {
    if (this->diverges()) {
      for (auto& outbox : outboxes_) {
        outbox.clear();
        this->write_note(outbox);
      }
    }
    std::swap(outboxes_, packed_);
    for (auto& outbox : outboxes_) outbox.clear();
  }

  void carry(Tag tag, Communicator& comm) override {
    parts_.assign(packed_.begin(), packed_.end());
    comm.all_to_all(tag, parts_, gathered_);
    for (std::uint32_t r = 0; r < gathered_.size(); ++r) {
      this->parse(r, gathered_.part(r), {.kind = wire::Kind::kOrderPair, .slice = slice()},
                  [this, r](const Received& message) { accept(r, message); });
    }
    this->throw_if_diverged();
    while (is_next_complete()) decide({tag.round, tag.phase + 1}, comm);
  }

  static std::vector<std::uint32_t> pairs_of(std::vector<std::uint32_t> units) {
    for (std::uint32_t& count : units) count /= 2;
    return units;
  }
  [[nodiscard]] Slice slice_of(const WorkerBlock& leaves) const {
    const std::size_t begin = std::min(leaves.begin * leaf_size_, this->dim());
    const std::size_t end = std::min(leaves.end * leaf_size_, this->dim());
    return {.begin = static_cast<std::uint32_t>(begin),
            .size = static_cast<std::uint32_t>(end - begin)};
  }
  [[nodiscard]] const Slice& slice() const { return rank_slices_[this->setup().common.rank]; }

  void start(std::uint32_t) override {
    firsts_.release_all();
    slices_.release_all();
    arrived_.clear();
    this->signs().clear();
    rule_.begin_epoch();
    std::ranges::fill(h_, 0.0);
    pair_ = 0;
    vectors_ = 0;
    largest_sum_ = 0;
    norm_ = 0;
  }

  void keep(std::uint32_t worker, std::uint32_t position,
            const UnitGradient<T>& gradient) override {
    const std::uint32_t hosted = worker - this->mine().begin;
    if (position / 2 >= this->units()[worker] / 2) return;  // it has no partner
    auto row = firsts_.release(hosted, position ^ 1);
    if (row == nullptr) {
      row = firsts_.take();
      row->assign(gradient);
      firsts_.hold(hosted, {.position = position, .row = std::move(row)});
      return;
    }
    differences_.subtract(*row, gradient, position % 2 == 0);
    if (is_finite(row->view())) {
      send(worker, position / 2, row->view());
    } else {
      this->note_diverged({.worker = worker, .epoch = this->epoch(), .position = position | 1});
    }
    firsts_.give_back(std::move(row));
  }

  void send(std::uint32_t worker, std::uint32_t pair, const UnitGradient<T>& difference) {
    const Item item{.epoch = this->epoch(), .worker = worker, .index = pair};
    for (std::size_t r = 0; r < outboxes_.size(); ++r) {
      (void)write_gradient<T>(wire::Kind::kOrderPair, item, rank_slices_[r], difference,
                              outboxes_[r]);
    }
    // As if every worker were alone: one frame per worker.
    const std::uint64_t heads =
        this->workers() *
        (difference.is_sparse ? sparse_frame_bytes(0, sizeof(T)) : dense_frame_bytes(0, sizeof(T)));
    const std::uint64_t width = sizeof(T) + (difference.is_sparse ? sizeof(std::uint32_t) : 0);
    this->count_uplink(heads + difference.values.size() * width);
  }

  void accept(std::uint32_t rank, const Received& message) {
    const Item& item = message.item;
    const std::uint32_t pairs = this->units()[item.worker] / 2;
    if (item.index >= pairs) {
      this->bad_message(rank, {Fault::kBadIndex, 32, item.index, pairs});
    }
    if (!arrived_.insert(item.worker, item.index)) {
      this->bad_message(rank, {Fault::kDuplicateSender, 32, item.index});
    }
    auto row = slices_.take();
    if (Status status = read_gradient(message, slice(), *row); !status) {
      this->bad_message(rank, status);
    }
    if (row->is_sparse) {  // products of slices are dense
      for (std::uint32_t& index : row->indices) index -= slice().begin;
      fill_dense<T>(row->view(), slice().size, dense_);
      std::swap(row->values, dense_);
      row->indices.clear();
      row->is_sparse = false;
    }
    slices_.hold(item.worker,
                 {.position = item.index, .is_difference = true, .row = std::move(row)});
  }

  [[nodiscard]] bool is_next_complete() const {
    if (pair_ >= pair_end_) return false;
    for (std::uint32_t w = 0; w < this->workers(); ++w) {
      if (pair_ < this->units()[w] / 2 && !arrived_.contains(w, pair_)) return false;
    }
    return true;
  }

  // One step: the pair pair_ of every worker that has it.
  void decide(Tag tag, Communicator& comm) {
    active_.clear();
    rows_.clear();
    for (std::uint32_t w = 0; w < this->workers(); ++w) {
      if (pair_ >= this->units()[w] / 2) continue;
      active_.push_back(w);
      rows_.push_back(slices_.release(w, pair_));
    }
    add_up(tag, comm);
    replay();
    for (auto& row : rows_) slices_.give_back(std::move(row));
    rows_.clear();
    largest_sum_ = std::max(largest_sum_, kernels::absmax<double>(h_));
    ++pair_;
  }

  // tree_.root() = the products <h, v_a>, then row by row the products <v_a, v_b>, b < a.
  void add_up(Tag tag, Communicator& comm) {
    const std::size_t vectors = rows_.size();
    tree_.reset(vectors + vectors * (vectors - 1) / 2);
    const WorkerBlock& own = leaves_[this->setup().common.rank];
    for (std::uint32_t leaf = own.begin; leaf < own.end; ++leaf) {
      const Slice part = slice_of({.begin = leaf, .end = leaf + 1});
      const std::size_t begin = part.begin - slice().begin;
      const std::span<double> sums = tree_.row(kLeaves + leaf);
      tree_.set_known(kLeaves + leaf);
      if (part.size == 0) {
        std::ranges::fill(sums, 0.0);
        continue;
      }
      const std::span<const double> h = std::span<const double>(h_).subspan(begin, part.size);
      std::size_t next = vectors;
      for (std::size_t a = 0; a < vectors; ++a) {
        const auto va = std::span<const T>(rows_[a]->values).subspan(begin, part.size);
        sums[a] = kernels::wide_dot<T>(va, h);
        for (std::size_t b = 0; b < a; ++b) {
          const auto vb = std::span<const T>(rows_[b]->values).subspan(begin, part.size);
          sums[next++] = kernels::dot<T>(va, vb);
        }
      }
    }
    gather(tag, comm, pair_);
    for (const std::uint32_t w : active_) {
      this->count_downlink(this->mine().contains(w) ? alone_bytes(w) : 0);
    }
  }
  [[nodiscard]] std::uint64_t alone_bytes(std::uint32_t worker) const {
    const std::uint64_t sums = rows_.size() + rows_.size() * (rows_.size() - 1) / 2;
    return dense_frame_bytes(alone_subtrees_[worker] * sums, sizeof(double));
  }

  // Joins the leaves of all ranks.
  void gather(Tag tag, Communicator& comm, std::uint32_t step) {
    tree_.join();
    const std::uint32_t own_rank = this->setup().common.rank;
    sent_sums_.clear();
    for (const std::uint32_t node : subtrees_[own_rank]) {
      const std::span<const double> row = tree_.row(node);
      sent_sums_.insert(sent_sums_.end(), row.begin(), row.end());
    }
    sums_message_.clear();
    (void)write_sums({.epoch = this->epoch(), .worker = own_rank, .index = step}, sent_sums_,
                     sums_message_);
    comm.all_gather(tag, sums_message_, gathered_sums_);
    const std::size_t width = tree_.row(1).size();
    for (std::uint32_t r = 0; r < gathered_sums_.size(); ++r) {
      received_sums_.resize(subtrees_[r].size() * width);
      wire::Bytes rest = gathered_sums_.part(r);
      Status status =
          take_sums(rest, {.epoch = this->epoch(), .worker = r, .index = step}, received_sums_);
      if (status && !rest.empty()) status = {Fault::kTrailingBytes, 0};
      if (!status) this->bad_message(r, status);
      for (std::size_t s = 0; s < subtrees_[r].size(); ++s) {
        std::ranges::copy(std::span(received_sums_).subspan(s * width, width),
                          tree_.row(subtrees_[r][s]).begin());
        tree_.set_known(subtrees_[r][s]);
      }
    }
    tree_.join();
  }

  // Decides from the scalars alone, and updates the slice of h.
  void replay() {
    const std::size_t vectors = rows_.size();
    const std::span<const double> root = tree_.root();
    products_.assign(root.begin(), root.begin() + static_cast<std::ptrdiff_t>(vectors));
    const std::uint64_t reset = this->setup().options.reset;
    for (std::size_t a = 0; a < vectors; ++a) {
      if (reset > 0 && vectors_ % reset == 0) {
        std::fill(products_.begin() + static_cast<std::ptrdiff_t>(a), products_.end(), 0.0);
        std::ranges::fill(h_, 0.0);
      }
      if (!std::isfinite(products_[a])) {
        throw UnitDivergedError(
            {.worker = active_[a], .epoch = this->epoch(), .position = 2 * pair_ + 1});
      }
      const bool negative = rule_.is_negative(
          {.epoch = this->epoch(), .index = pair_, .worker = active_[a], .product = products_[a]});
      if (negative) this->signs().set_negative(active_[a], pair_);
      for (std::size_t b = a + 1; b < vectors; ++b) {
        const double gram = root[vectors + b * (b - 1) / 2 + a];
        products_[b] += negative ? -gram : gram;
      }
      kernels::add_signed<T>(negative, rows_[a]->values, h_);
      ++vectors_;
    }
  }

  // Nothing but the statistics is left to be exchanged: every rank knows all signs.
  void finish(Tag tag, Communicator& comm) override {
    LACONIC_EXPECTS(pair_ == pair_end_);
    tree_.reset(1);
    const WorkerBlock& own = leaves_[this->setup().common.rank];
    for (std::uint32_t leaf = own.begin; leaf < own.end; ++leaf) {
      const Slice part = slice_of({.begin = leaf, .end = leaf + 1});
      tree_.row(kLeaves + leaf)[0] = kernels::squared_norm<double>(
          std::span<const double>(h_).subspan(part.begin - slice().begin, part.size));
      tree_.set_known(kLeaves + leaf);
    }
    gather(tag, comm, kStatsStep);
    norm_ = std::sqrt(tree_.root()[0]);
    sums_message_.clear();
    const Item item{
        .epoch = this->epoch(), .worker = this->setup().common.rank, .index = kStatsStep};
    (void)write_sums(item, std::span<const double>(&largest_sum_, 1), sums_message_);
    comm.all_gather({tag.round, tag.phase + 1}, sums_message_, gathered_sums_);
    for (std::uint32_t r = 0; r < gathered_sums_.size(); ++r) {
      double largest = 0;
      wire::Bytes rest = gathered_sums_.part(r);
      const Status status = take_sums(
          rest, {.epoch = this->epoch(), .worker = r, .index = kStatsStep}, std::span(&largest, 1));
      if (!status) this->bad_message(r, status);
      largest_sum_ = std::max(largest_sum_, largest);
    }
  }

  [[nodiscard]] OrderStats balance_stats() const override {
    const SignRule::Counts& counts = rule_.counts();
    return {.largest_sum = largest_sum_,
            .sum_norm = norm_,
            .plus = counts.plus,
            .minus = counts.minus,
            .ties = counts.ties,
            .smallest_margin = counts.smallest_margin,
            .memory = {.sum_numbers = h_.size(),
                       .cached_numbers = firsts_.numbers() + slices_.numbers(),
                       .peak_cached_numbers =
                           firsts_.peak_rows() * this->dim() + slices_.peak_rows() * slice().size}};
  }

  [[nodiscard]] bool is_settled() const override {
    return std::ranges::all_of(outboxes_, [](const auto& outbox) { return outbox.empty(); });
  }

  void save_balance(wire::WireWriter& out) const override {
    out.u32(pair_);
    out.u64(vectors_);
    out.f64(largest_sum_);
    out.f64(norm_);
    rule_.save(out);
    arrived_.save(out);
    this->signs().save(out);
    save_numbers(out, h_);
    firsts_.save(out);
    slices_.save(out);
  }

  void load_balance(std::uint32_t epoch, wire::WireReader& in) override {
    start(epoch);
    const std::size_t place = in.position();
    pair_ = in.u32();
    if (pair_ > pair_end_) in.fail_at(place, Fault::kBadIndex, pair_, pair_end_);
    vectors_ = in.u64();
    load_numbers(in, std::span(&largest_sum_, 1));
    load_numbers(in, std::span(&norm_, 1));
    rule_.load(in);
    arrived_.load(in);
    this->signs().load(in);
    load_numbers(in, h_);
    const WorkerBlock& mine = this->mine();
    firsts_.load(in, this->dim(), this->units().subspan(mine.begin, mine.size()));
    slices_.load(in, slice().size, pairs_of({this->units().begin(), this->units().end()}));
    if (in.ok() && !is_consistent()) in.fail_at(place, Fault::kBadValue, pair_, pair_end_);
  }

  // Whether what was seen, what arrived, what is kept, the signs and the step belong together.
  [[nodiscard]] bool is_consistent() const {
    std::uint64_t decided = 0;
    for (std::uint32_t w = 0; w < this->workers(); ++w) {
      const std::uint32_t pairs = this->units()[w] / 2;
      decided += std::min(pair_, pairs);
      std::size_t waiting = 0;
      for (std::uint32_t k = 0; k < pairs; ++k) {
        const bool arrived = arrived_.contains(w, k);
        if (k < pair_ && !arrived) return false;
        if (k < pair_) continue;
        if (sign_bit(this->signs().of(w), k)) return false;
        if (!arrived) continue;
        ++waiting;
        const auto* held = slices_.find(w, k);
        // Products of slices are dense.
        if (held == nullptr || !held->is_difference || held->row->is_sparse) return false;
      }
      if (slices_.held(w).size() != waiting) return false;
      if (this->mine().contains(w) && !are_firsts_consistent(w)) return false;
    }
    return decided == vectors_ && !is_next_complete();
  }
  [[nodiscard]] bool are_firsts_consistent(std::uint32_t worker) const {
    const std::uint32_t hosted = worker - this->mine().begin;
    std::size_t waiting = 0;
    for (std::uint32_t k = 0; k < this->units()[worker] / 2; ++k) {
      const bool has_first = this->has_seen(worker, 2 * k);
      const bool has_second = this->has_seen(worker, 2 * k + 1);
      if (arrived_.contains(worker, k) != (has_first && has_second)) return false;
      if (has_first == has_second) continue;
      ++waiting;
      if (!firsts_.keeps(hosted, has_first ? 2 * k : 2 * k + 1, false)) return false;
    }
    return firsts_.held(hosted).size() == waiting;
  }

  SignRule rule_;
  UnitStore<T> firsts_;  // whole gradients of hosted workers whose partner is not there
  UnitStore<T> slices_;  // of all workers' differences, by pair
  SeenUnits arrived_;    // pairs
  Differences<T> differences_;
  std::size_t leaf_size_ = kLeafMultiple;
  std::vector<WorkerBlock> leaves_ = {};                   // by rank
  std::vector<Slice> rank_slices_ = {};                    // likewise
  std::vector<std::vector<std::uint32_t>> subtrees_ = {};  // likewise
  std::vector<std::uint64_t> alone_subtrees_ = {};         // by worker, if each were a rank
  AlignedVector<double> h_ = {};                           // the slice
  std::uint32_t pair_ = 0;
  std::uint32_t pair_end_ = 0;
  std::uint64_t vectors_ = 0;
  double largest_sum_ = 0;
  double norm_ = 0;  // at the end of the last epoch
  SumTree tree_ = {};
  // Reused from step to step.
  std::vector<std::uint32_t> active_ = {};
  std::vector<std::unique_ptr<Row<T>>> rows_ = {};
  std::vector<double> products_ = {};
  std::vector<std::vector<std::byte>> outboxes_ = {};  // by rank
  std::vector<std::vector<std::byte>> packed_ = {};    // likewise
  std::vector<std::span<const std::byte>> parts_ = {};
  Gathered gathered_ = {};
  std::vector<double> sent_sums_ = {};
  std::vector<double> received_sums_ = {};
  std::vector<std::byte> sums_message_ = {};
  Gathered gathered_sums_ = {};
  AlignedVector<T> dense_ = {};
};

}  // namespace

template <Real T>
std::unique_ptr<ExampleOrders<T>> make_sharded_orders(const CoordinatedSetup& setup) {
  return std::make_unique<ShardedOrders<T>>(setup);
}
template std::unique_ptr<ExampleOrders<float>> make_sharded_orders(const CoordinatedSetup&);
template std::unique_ptr<ExampleOrders<double>> make_sharded_orders(const CoordinatedSetup&);

}  // namespace laconic::order
