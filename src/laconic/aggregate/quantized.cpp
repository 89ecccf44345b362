// SPDX-License-Identifier: Apache-2.0
// quantized: the mean of compressed gradients, and four ways back (quantized-adagrad.md 2.6).
// Workers keep no memory; the server decodes in order of the worker and forms the mean in double,
// rounded once. What travels down:
//
//   down=model      the next model: the server runs the optimizer itself, each shard for its
//                   coordinates, and sends what is not 0 (D0)
//   down=lossless   the mean, what of it is not 0; everybody runs the optimizer (D1)
//   down=quantized  the mean, compressed again by the server (D2): all see the same, the server too
//   down=sum        for vaninf: workers first agree on the largest of their scales, so that levels
//                   are multiples of one number and the server sends sums of levels, integers (D1
//                   with INT_SUM). Such sums could be formed by any all-reduce.
//
// With matrix=raw (an ablation: E4) workers send their gradients without loss behind the compressed
// ones, and the server's AdaGrad takes its squares from the mean of these; every number is counted.
//
// With down=model the aggregator has an optimizer per shard and gives the next model in place of a
// direction; see Aggregator::sends_model.
#include <fmt/format.h>

#include <algorithm>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/kept_messages.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/compress/shared_scale.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/bits.hpp"
#include "laconic/wire/sparse.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

enum class Down : std::uint8_t { kModel, kLossless, kQuantized, kSum };

struct QuantizedOptions {
  Down down = Down::kModel;
  bool raw_matrix = false;   // with kModel
  std::uint32_t levels = 1;  // of kSum
  std::uint32_t shards = 1;
};

Down down_of(const Args& args) {
  const std::string& down = args.text("down");
  if (down == "lossless") return Down::kLossless;
  if (down == "quantized") return Down::kQuantized;
  return down == "sum" ? Down::kSum : Down::kModel;
}

constexpr wire::Kind kKind = wire::Kind::kSegments;

// What a shard's server keeps with down=model.
template <Real T>
struct ModelShard {
  std::unique_ptr<Layout> layout = {};  // of the shard's tensors alone; the optimizer refers to it
  std::unique_ptr<Optimizer<T>> optimizer = {};
  AlignedVector<T> x = {};
};

template <Real T>
class Quantized final : public Aggregator<T> {
 public:
  Quantized(const AggregatorSetup& setup, const QuantizedOptions& options,
            std::unique_ptr<Compressor<T>> up, std::unique_ptr<Compressor<T>> again)
      : setup_(setup),
        options_(options),
        up_(std::move(up)),
        again_(std::move(again)),
        exchange_(setup, tensor_shards(*setup.layout, options.shards, setup.workers)),
        kept_(setup),
        scales_(setup.layout->tensors().size(), T{0}) {}

  [[nodiscard]] bool sends_model() const override { return options_.down == Down::kModel; }
  void start(std::span<const T> x, const OptimizerFactory<T>& make) override {
    LACONIC_EXPECTS(sends_model() && x.size() == setup_.layout->size());
    models_.clear();
    for (const OwnedShard& owned : exchange_.owned()) {
      const auto tensors = tensors_of(owned.shard);
      ModelShard<T>& model = models_.emplace_back();
      model.layout = std::make_unique<Layout>(std::vector<Tensor>(tensors.begin(), tensors.end()));
      model.optimizer = make(*model.layout);
      const auto part = slice<const T>(x, owned.shard);
      model.x.assign(part.begin(), part.end());
    }
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    exchange_.begin(round);
    const bool finite = exchange_.finite<T>(mine);
    if (options_.down == Down::kSum) {
      if (finite) {
        for (const WorkerGradient<T>& gradient : mine) send_scales(gradient);
      }
      share_scales(comm);
      exchange_.begin_second();
    }
    if (finite) {
      for (const WorkerGradient<T>& gradient : mine) send(round, gradient);
    }
    exchange_.deliver_uplink(kKind, 0, comm);
    for (std::size_t i = 0; i < exchange_.owned().size(); ++i) {
      OwnedShard& owned = exchange_.owned()[i];
      if (options_.down == Down::kSum) {
        answer_sums(owned);
      } else {
        const std::span<const T> mean = mean_of(round, owned);  // and raw_mean_
        answer(round, i, mean);
      }
    }
    exchange_.deliver_downlink(kKind, 0, comm);
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) read_result(round, s, direction);
    return exchange_.report();
  }

  [[nodiscard]] std::span<const T> message_of(std::uint32_t worker) const override {
    return kept_.of(worker);
  }

  void state(wire::StateArchive& archive) override {
    for (std::size_t i = 0; i < models_.size(); ++i) {
      archive.numbers(archive.numbered("model of shard", i), std::span<T>(models_[i].x));
      models_[i].optimizer->state(archive);
    }
  }

  // The first in order of the shards.
  [[nodiscard]] std::string remark() const override {
    for (const ModelShard<T>& model : models_) {
      if (std::string text = model.optimizer->remark(); !text.empty()) return text;
    }
    return {};
  }

  [[nodiscard]] bool takes_sparse() const override {
    if (options_.down == Down::kSum || options_.raw_matrix || setup_.keep_messages) return false;
    const auto tensors = setup_.layout->tensors();
    return std::all_of(tensors.begin(), tensors.end(), [this](const Tensor& tensor) {
      return up_->traits(tensor.shape).sparse &&
             (again_ == nullptr || again_->traits(tensor.shape).sparse);
    });
  }
  const RoundReport& aggregate_sparse(const Round& round, std::span<const SparseGradient<T>> mine,
                                      SparseVector<T>& direction, Communicator& comm) override {
    LACONIC_EXPECTS(takes_sparse());
    // How many numbers there are varies; memory shall not.
    for (SparseVector<T>* of : {&body_, &sparse_row_, &sparse_mean_, &direction})
      of->reserve(setup_.layout->size());
    part_indices_.reserve(setup_.layout->size());
    exchange_.begin(round);
    if (exchange_.finite<T>(mine)) {
      for (const SparseGradient<T>& gradient : mine) send_sparse(round, gradient);
    }
    exchange_.deliver_uplink(kKind, 0, comm);
    for (std::size_t i = 0; i < exchange_.owned().size(); ++i)
      answer_sparse(round, i, sparse_mean_of(round, exchange_.owned()[i]));
    exchange_.deliver_downlink(kKind, 0, comm);
    direction.clear();
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s)
      read_sparse_result(round, s, direction);
    return exchange_.report();
  }

 private:
  template <class U>
  [[nodiscard]] std::span<U> slice(std::span<U> flat, std::size_t s) const {
    return flat.subspan(exchange_.plan()[s].begin, exchange_.plan()[s].size());
  }
  [[nodiscard]] std::span<const Tensor> tensors_of(std::size_t s) const {
    const Shard& shard = exchange_.plan()[s];
    return setup_.layout->tensors().subspan(shard.first_tensor,
                                            shard.last_tensor - shard.first_tensor);
  }
  [[nodiscard]] std::size_t index_of(const Tensor& tensor) const {
    return static_cast<std::size_t>(&tensor - setup_.layout->tensors().data());
  }
  // The tensor's part of a vector that holds just the shard's slice.
  template <class U>
  [[nodiscard]] std::span<U> local(const Tensor& tensor, std::size_t s, std::span<U> part) const {
    return part.subspan(tensor.offset - exchange_.plan()[s].begin, tensor.shape.size());
  }
  [[nodiscard]] CompressContext context(const Round& round, std::uint32_t worker,
                                        const Tensor& tensor,
                                        rng::Purpose purpose = rng::Purpose::kCompress) const {
    return {.seed = setup_.seed,
            .worker = worker,
            .workers = setup_.workers,
            .round = round.index,
            .tensor = static_cast<std::uint32_t>(index_of(tensor)),
            .purpose = purpose};
  }
  [[nodiscard]] SharedScale<T> shared(const Tensor& tensor) const {
    return {.scale = scales_[index_of(tensor)], .levels = options_.levels};
  }

  // What arrives of x, which was written to `body`.
  Distortion distortion_of(const Tensor& tensor, const TensorView<T>& x,
                           const CompressContext& facts, wire::Bytes body) {
    const std::span<T> arrived = arrived_.take(x.values.size());
    std::fill(arrived.begin(), arrived.end(), T{0});
    wire::WireReader reader(body);
    if (options_.down == Down::kSum) {
      const std::span<std::int32_t> levels = levels_.take(arrived.size());
      std::fill(levels.begin(), levels.end(), 0);
      const SharedScale<T> scale = shared(tensor);
      add_shared_levels<T>(scale, reader, levels);
      for (std::size_t i = 0; i < arrived.size(); ++i) {
        arrived[i] = static_cast<T>(static_cast<double>(scale.scale) *
                                    (levels[i] / static_cast<double>(scale.levels)));
      }
    } else {
      static_cast<void>(up_->decode_add(reader, facts, T{1}, {arrived, x.shape}));
    }
    LACONIC_ASSERT(reader.ok());
    return distortion<T>(x.values, arrived);
  }

  void send(const Round& round, const WorkerGradient<T>& gradient) {
    Distortion lost;
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      wire::Message& message = exchange_.open_uplink(gradient.worker, s, kKind, 0);
      for (const Tensor& tensor : tensors_of(s)) {
        const TensorView<T> x = view_of<T>(tensor, gradient.values);
        const CompressContext facts = context(round, gradient.worker, tensor);
        const std::size_t at = message.bytes.size();
        if (options_.down == Down::kSum) {
          write_shared_levels<T>(shared(tensor), x, facts, message);
        } else {
          up_->encode(x, facts, message);
        }
        if (round.measured)
          lost += distortion_of(tensor, x, facts, wire::Bytes(message.bytes).subspan(at));
      }
      if (options_.raw_matrix) {
        const std::span<const T> raw = slice(gradient.values, s);
        wire::write_values<T>(wire::native_format<T>(), raw, message.bytes);
        message.payload_bits += raw.size_bytes() * 8;
      }
      const wire::Bytes sent = exchange_.close_uplink();
      if (kept_.kept()) keep(round, {.shard = s, .worker = gradient.worker, .payload = sent});
    }
    if (round.measured) exchange_.report().distortion.push_back(lost);
  }

  struct Sent {  // a worker's payload for a shard
    std::size_t shard = 0;
    std::uint32_t worker = 0;
    wire::Bytes payload = {};
  };
  // What the message says on its own; 0 where the server refuses it.
  void keep(const Round& round, const Sent& sent) {
    const std::span<T> kept = kept_.of(sent.worker, exchange_.plan()[sent.shard]);
    Status status = {};
    if (options_.down == Down::kSum) {
      const std::span<std::int32_t> levels = levels_.take(kept.size());
      status = decode_levels(sent, levels);
      for (const Tensor& tensor : tensors_of(sent.shard)) {
        const double unit = static_cast<double>(shared(tensor).scale) / options_.levels;
        const std::span<T> part = local(tensor, sent.shard, kept);
        const std::span<const std::int32_t> own = local(tensor, sent.shard, levels);
        for (std::size_t i = 0; i < part.size(); ++i) part[i] = static_cast<T>(unit * own[i]);
      }
    } else {
      status = decode(round, sent, kept, raw_row_.take(options_.raw_matrix ? kept.size() : 0));
    }
    if (!status) std::fill(kept.begin(), kept.end(), T{0});
  }
  // row = what the message says about the shard, raw = the gradient itself, which comes with it for
  // matrix=raw. On failure both are unspecified.
  Status decode(const Round& round, const Sent& sent, std::span<T> row, std::span<T> raw) const {
    std::fill(row.begin(), row.end(), T{0});
    wire::WireReader reader(sent.payload);
    for (const Tensor& tensor : tensors_of(sent.shard)) {
      const Status status = up_->decode_add(reader, context(round, sent.worker, tensor), T{1},
                                            {local(tensor, sent.shard, row), tensor.shape});
      if (!status) return status;
    }
    wire::read_values<T>(wire::native_format<T>(), reader, raw);
    return reader.finish();
  }
  Status decode_levels(const Sent& sent, std::span<std::int32_t> levels) const {
    std::fill(levels.begin(), levels.end(), 0);
    wire::WireReader reader(sent.payload);
    for (const Tensor& tensor : tensors_of(sent.shard))
      add_shared_levels<T>(shared(tensor), reader, local(tensor, sent.shard, levels));
    return reader.finish();
  }

  void write_number(T number, wire::Message& message) const {
    wire::write_values<T>(wire::native_format<T>(), std::span(&number, 1), message.bytes);
    message.payload_bits += 8 * sizeof(T);
  }
  static T read_scale(wire::WireReader& reader) {
    const std::size_t at = reader.position();
    T number = 0;
    wire::read_values<T>(wire::native_format<T>(), reader, std::span(&number, 1));
    if (reader.ok() && number < 0) reader.fail_at(at, Fault::kNegativeScale);
    return number;
  }

  // The first exchange of down=sum: everybody's largest magnitudes up, the largest of them down.
  void send_scales(const WorkerGradient<T>& gradient) {
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      wire::Message& message = exchange_.open_uplink(gradient.worker, s, kKind, 0);
      for (const Tensor& tensor : tensors_of(s))
        write_number(kernels::absmax<T>(view_of<T>(tensor, gradient.values).values), message);
      exchange_.close_uplink();
    }
  }
  void share_scales(Communicator& comm) {
    exchange_.deliver_uplink(kKind, 0, comm);
    for (OwnedShard& owned : exchange_.owned()) {
      const auto tensors = tensors_of(owned.shard);
      const std::span<T> largest = largest_.take(tensors.size());
      const std::span<T> one = one_.take(tensors.size());
      std::fill(largest.begin(), largest.end(), T{0});
      for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
        if (owned.inbox.present[worker] == 0) continue;
        wire::WireReader reader(owned.inbox.payloads[worker]);
        for (T& number : one) number = read_scale(reader);
        if (Status status = reader.finish(); !status) {
          exchange_.refusals().add(status);
          continue;
        }
        for (std::size_t t = 0; t < one.size(); ++t) largest[t] = std::max(largest[t], one[t]);
      }
      wire::Message& message = exchange_.open_downlink(owned.shard, kKind, 0);
      for (const T number : largest) write_number(number, message);
      exchange_.close_downlink();
    }
    exchange_.deliver_downlink(kKind, 0, comm);
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      wire::WireReader reader(exchange_.result(s));
      for (const Tensor& tensor : tensors_of(s)) scales_[index_of(tensor)] = read_scale(reader);
      if (Status status = reader.finish(); !status) exchange_.bad_result(s, status);
    }
  }

  // The mean over the workers whose frame can be read.
  std::span<const T> mean_of(const Round& round, OwnedShard& owned) {
    const std::size_t size = exchange_.plan()[owned.shard].size();
    const std::span<T> rows = rows_.take(size * setup_.workers);
    const std::span<T> raw_rows = raw_rows_.take(options_.raw_matrix ? rows.size() : 0);
    row_pointers_.clear();
    raw_pointers_.clear();
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (owned.inbox.present[worker] == 0) continue;
      const std::span<T> row = rows.subspan(size * worker, size);
      const std::span<T> raw =
          options_.raw_matrix ? raw_rows.subspan(size * worker, size) : std::span<T>();
      const Sent sent = {
          .shard = owned.shard, .worker = worker, .payload = owned.inbox.payloads[worker]};
      if (const Status status = decode(round, sent, row, raw); !status) {
        exchange_.refusals().add(status);
        continue;
      }
      row_pointers_.push_back(row.data());
      raw_pointers_.push_back(raw.data());
    }
    mean_of_rows(raw_pointers_, raw_mean_.take(options_.raw_matrix ? size : 0));
    const std::span<T> mean = mean_.take(size);
    mean_of_rows(row_pointers_, mean);
    return mean;
  }
  // 0 where there are none.
  static void mean_of_rows(std::span<const T* const> rows, std::span<T> mean) {
    if (rows.empty()) {
      std::fill(mean.begin(), mean.end(), T{0});
    } else if (!mean.empty()) {
      kernels::mean_rows<T>(rows, 1.0 / static_cast<double>(rows.size()), mean);
    }
  }

  void answer(const Round& round, std::size_t i, std::span<const T> mean) {
    const std::size_t s = exchange_.owned()[i].shard;
    std::span<const T> values = mean;
    if (options_.down == Down::kModel) {
      LACONIC_EXPECTS(i < models_.size());  // start was called
      if (options_.raw_matrix) {
        models_[i].optimizer->step_with_matrix_of(raw_mean_.take(mean.size()), models_[i].x, mean,
                                                  round.step_size);
      } else {
        models_[i].optimizer->step(models_[i].x, mean, round.step_size);
      }
      values = models_[i].x;
    }
    wire::Message& message = exchange_.open_downlink(s, kKind, 0);
    for (const Tensor& tensor : tensors_of(s)) {
      const std::span<const T> part = local(tensor, s, values);
      if (options_.down == Down::kQuantized) {
        again_->encode({part, tensor.shape}, context(round, 0, tensor, rng::Purpose::kServer),
                       message);
      } else {
        write_nonzeros(part, message);
      }
    }
    exchange_.close_downlink();
  }

  [[nodiscard]] static wire::SparseFormat format_of(std::size_t size) {
    return {.dim = size, .values = wire::native_format<T>(), .max_count = size};
  }
  void write_nonzeros(std::span<const T> x, wire::Message& message) {
    const std::span<std::uint32_t> places = places_.take(x.size());
    const std::span<T> numbers = numbers_.take(x.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      places[count] = static_cast<std::uint32_t>(i);
      numbers[count] = x[i];
      count += x[i] != 0 ? 1U : 0U;
    }
    write_numbers({x.size(), places.first(count), numbers.first(count)}, message);
  }
  static void write_numbers(const SparseView<T>& x, wire::Message& message) {
    wire::make_room(message.bytes, wire::max_sparse_bytes(format_of(x.dim)));
    wire::write_sparse<T>(format_of(x.dim), x.indices, x.values, message.bytes);
    message.payload_bits += 8 * sizeof(T) * x.values.size();
  }

  void answer_sums(const OwnedShard& owned) {
    const std::size_t size = exchange_.plan()[owned.shard].size();
    const std::span<std::int32_t> sums = sums_.take(size);
    const std::span<std::int32_t> levels = levels_.take(size);
    std::fill(sums.begin(), sums.end(), 0);
    std::uint32_t counted = 0;
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (owned.inbox.present[worker] == 0) continue;
      const Sent sent = {
          .shard = owned.shard, .worker = worker, .payload = owned.inbox.payloads[worker]};
      if (const Status status = decode_levels(sent, levels); !status) {
        exchange_.refusals().add(status);
        continue;
      }
      ++counted;
      for (std::size_t i = 0; i < size; ++i) sums[i] += levels[i];
    }
    wire::Message& message = exchange_.open_downlink(owned.shard, kKind, 0);
    wire::WireWriter(message.bytes).u32(counted);
    for (const Tensor& tensor : tensors_of(owned.shard)) {
      if (shared(tensor).scale > 0)
        write_level_sums(counted * options_.levels, local(tensor, owned.shard, sums), message);
    }
    exchange_.close_downlink();
  }

  void read_sums(wire::WireReader& reader, std::size_t s, std::span<T> out) {
    const std::size_t at = reader.position();
    const std::uint32_t counted = reader.u32();
    if (reader.ok() && counted > setup_.workers)
      reader.fail_at(at, Fault::kBadValue, counted, setup_.workers);
    for (const Tensor& tensor : tensors_of(s)) {
      const std::span<T> part = local(tensor, s, out);
      const SharedScale<T> scale = shared(tensor);
      if (!reader.ok() || scale.scale == 0) continue;
      const std::span<std::int32_t> sums = sums_.take(part.size());
      read_level_sums(counted * options_.levels, reader, sums);
      const double levels = static_cast<double>(counted) * options_.levels;
      for (std::size_t i = 0; i < part.size() && reader.ok() && counted > 0; ++i)
        part[i] = static_cast<T>(static_cast<double>(scale.scale) * (sums[i] / levels));
    }
  }

  void read_result(const Round& round, std::size_t s, std::span<T> direction) {
    const std::span<T> out = slice(direction, s);
    std::fill(out.begin(), out.end(), T{0});
    wire::WireReader reader(exchange_.result(s));
    if (options_.down == Down::kSum) {
      read_sums(reader, s, out);
    } else {
      for (const Tensor& tensor : tensors_of(s)) {
        const std::span<T> part = local(tensor, s, out);
        if (options_.down == Down::kQuantized) {
          static_cast<void>(again_->decode_add(reader,
                                               context(round, 0, tensor, rng::Purpose::kServer),
                                               T{1}, {part, tensor.shape}));
        } else {
          wire::read_sparse<T>(format_of(part.size()), reader, body_);
          for (std::size_t j = 0; j < body_.indices.size() && reader.ok(); ++j)
            part[body_.indices[j]] = body_.values[j];
        }
        if (!reader.ok()) break;
      }
    }
    check_result(round, s, reader.finish());
  }
  void check_result(const Round& round, std::size_t s, const Status& status) const {
    // A model that has left the range of numbers: nobody's gradient is to blame.
    if (status.fault() == Fault::kNonFinite && options_.down == Down::kModel) {
      const Divergence where = {
          .worker = 0, .tensor = static_cast<std::uint32_t>(exchange_.plan()[s].first_tensor)};
      throw_diverged(std::span(&where, 1), *setup_.layout, round);
    }
    if (!status) exchange_.bad_result(s, status);
  }

  // The sparse path: the same messages, in time linear in their numbers.

  // The tensor's part of a vector whose indices count from `begin`.
  SparseView<T> part_of(const SparseView<T>& x, const Tensor& tensor, std::size_t begin) {
    const std::size_t offset = tensor.offset - begin;
    const auto first = std::lower_bound(x.indices.begin(), x.indices.end(), offset);
    const auto last = std::lower_bound(first, x.indices.end(), offset + tensor.shape.size());
    const auto from = static_cast<std::size_t>(first - x.indices.begin());
    const auto count = static_cast<std::size_t>(last - first);
    part_indices_.assign(first, last);
    for (std::uint32_t& index : part_indices_) index -= static_cast<std::uint32_t>(offset);
    return {tensor.shape.size(), part_indices_, x.values.subspan(from, count)};
  }

  void send_sparse(const Round& round, const SparseGradient<T>& gradient) {
    Distortion lost;
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      wire::Message& message = exchange_.open_uplink(gradient.worker, s, kKind, 0);
      for (const Tensor& tensor : tensors_of(s)) {
        const SparseView<T> x = part_of(gradient.values, tensor, 0);
        const CompressContext facts = context(round, gradient.worker, tensor);
        const std::size_t at = message.bytes.size();
        up_->encode_sparse(x, facts, message);
        if (!round.measured) continue;  // where it is, dense vectors do no harm
        const std::span<T> dense = dense_.take(x.dim);
        std::fill(dense.begin(), dense.end(), T{0});
        for (std::size_t j = 0; j < x.indices.size(); ++j) dense[x.indices[j]] = x.values[j];
        lost += distortion_of(tensor, {dense, tensor.shape}, facts,
                              wire::Bytes(message.bytes).subspan(at));
      }
      exchange_.close_uplink();
    }
    if (round.measured) exchange_.report().distortion.push_back(lost);
  }

  // The union of the messages, added in order of the worker.
  SparseView<T> sparse_mean_of(const Round& round, OwnedShard& owned) {
    const Shard& shard = exchange_.plan()[owned.shard];
    sums_at_.resize(shard.size());
    std::uint32_t counted = 0;
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (owned.inbox.present[worker] == 0) continue;
      wire::WireReader reader(owned.inbox.payloads[worker]);
      sparse_row_.clear();
      Status status = {};
      for (const Tensor& tensor : tensors_of(owned.shard)) {
        status =
            up_->decode_sparse(reader, context(round, worker, tensor), tensor.shape.size(), body_);
        if (!status) break;
        append(body_, tensor.offset - shard.begin, sparse_row_);
      }
      if (status) status = reader.finish();
      if (!status) {
        exchange_.refusals().add(status);
        continue;
      }
      ++counted;
      for (std::size_t j = 0; j < sparse_row_.size(); ++j)
        sums_at_.add(sparse_row_.indices[j], static_cast<double>(sparse_row_.values[j]));
    }
    sparse_mean_.clear();
    const double share = 1.0 / static_cast<double>(counted);
    sums_at_.drain([&](std::uint32_t i, double sum) {
      if (const T value = static_cast<T>(sum * share); value != 0) sparse_mean_.push(i, value);
    });
    return sparse_mean_.view(shard.size());
  }
  // Those that are not 0, counted from another place.
  static void append(const SparseVector<T>& x, std::size_t offset, SparseVector<T>& out) {
    for (std::size_t j = 0; j < x.size(); ++j) {
      if (x.values[j] != 0)
        out.push(x.indices[j] + static_cast<std::uint32_t>(offset), x.values[j]);
    }
  }

  void answer_sparse(const Round& round, std::size_t i, const SparseView<T>& mean) {
    const std::size_t s = exchange_.owned()[i].shard;
    SparseView<T> values = mean;
    if (options_.down == Down::kModel) {
      LACONIC_EXPECTS(i < models_.size());  // start was called
      ModelShard<T>& model = models_[i];
      const auto active = model.optimizer->step_sparse(model.x, mean, round.step_size);
      sparse_row_.clear();
      for (const std::uint32_t j : active) {
        if (model.x[j] != 0) sparse_row_.push(j, model.x[j]);
      }
      values = sparse_row_.view(mean.dim);
    }
    wire::Message& message = exchange_.open_downlink(s, kKind, 0);
    for (const Tensor& tensor : tensors_of(s)) {
      const SparseView<T> part = part_of(values, tensor, exchange_.plan()[s].begin);
      if (options_.down == Down::kQuantized) {
        again_->encode_sparse(part, context(round, 0, tensor, rng::Purpose::kServer), message);
      } else {
        write_numbers(part, message);
      }
    }
    exchange_.close_downlink();
  }

  void read_sparse_result(const Round& round, std::size_t s, SparseVector<T>& direction) {
    wire::WireReader reader(exchange_.result(s));
    for (const Tensor& tensor : tensors_of(s)) {
      const std::size_t size = tensor.shape.size();
      if (options_.down == Down::kQuantized) {
        static_cast<void>(again_->decode_sparse(
            reader, context(round, 0, tensor, rng::Purpose::kServer), size, body_));
      } else {
        wire::read_sparse<T>(format_of(size), reader, body_);
      }
      if (!reader.ok()) break;
      append(body_, tensor.offset, direction);
    }
    check_result(round, s, reader.finish());
  }

  AggregatorSetup setup_;
  QuantizedOptions options_;
  std::unique_ptr<Compressor<T>> up_;     // null with kSum
  std::unique_ptr<Compressor<T>> again_;  // of kQuantized, else null
  ShardedExchange exchange_;
  KeptMessages<T> kept_;
  std::vector<T> scales_;              // of kSum, by tensor, of this round
  std::vector<ModelShard<T>> models_;  // of kModel, by owned shard
  Scratch<T> rows_;
  Scratch<T> mean_;
  Scratch<T> raw_rows_;  // likewise of the gradients that matrix=raw sends
  Scratch<T> raw_mean_;
  Scratch<T> raw_row_;  // of a hosted worker's own message
  Scratch<T> dense_;    // a sparse gradient of which the distortion is measured
  Scratch<T> arrived_;
  Scratch<T> numbers_;
  Scratch<T> largest_;
  Scratch<T> one_;
  Scratch<std::uint32_t> places_;
  Scratch<std::int32_t> sums_;
  Scratch<std::int32_t> levels_;
  SparseVector<T> body_;
  std::vector<const T*> row_pointers_;
  SparseSums sums_at_;  // of the sparse path, as are the three below
  SparseVector<T> sparse_row_;
  SparseVector<T> sparse_mean_;
  std::vector<std::uint32_t> part_indices_;
  std::vector<const T*> raw_pointers_;
};

}  // namespace

const Card& quantized_card() {
  static const Card card = {
      .kind = "aggregator",
      .name = "quantized",
      .summary =
          "the mean of compressed gradients without memory; down comes a sparse model, the "
          "mean, or sums of levels",
      .formula =
          "q = mean of Q(g_i)\n"
          "down=model: model = the optimizer's step along q; down=lossless: direction = q\n"
          "down=quantized: direction = Q2(q), Q2 = `again`\n"
          "down=sum: direction = q, where all Q use the largest of the workers' scales",
      .paper =
          "Xu et al.: Quantized Adaptive Subgradient Algorithms, arXiv 2208.05631; Wen et al.: "
          "TernGrad, NeurIPS 2017, arXiv 1705.07878",
      .params = {{.key = "down",
                  .type = ParamType::kChoice,
                  .default_text = "model",
                  .help =
                      "what the server sends: the next model, which it computes itself; the mean "
                      "without loss; the mean compressed by `again`; or, for vaninf, sums of "
                      "levels of a scale that all workers share",
                  .choices = {"model", "lossless", "quantized", "sum"}},
                 {.key = "again",
                  .type = ParamType::kSpec,
                  .default_text = "vaninf",
                  .help = "with down=quantized the compressor of the mean",
                  .spec_kind = "compressor"},
                 {.key = "matrix",
                  .type = ParamType::kChoice,
                  .default_text = "quantized",
                  .help =
                      "what AdaGrad's matrix is built from: the mean of the compressed gradients, "
                      "or, an ablation with down=model, that of the gradients themselves, which "
                      "every worker then sends, too: all numbers are counted",
                  .choices = {"quantized", "raw"}},
                 shards_param()},
      .inner_kind = "compressor",
      .promises =
          "direction = mean of what was decoded, rounded once (down=quantized: compressed "
          "once more); down=model: the bits of the optimizer on that mean",
  };
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_quantized(const Args& args, const AggregatorSetup& setup) {
  QuantizedOptions options = {.down = down_of(args),
                              .raw_matrix = args.text("matrix") == "raw",
                              .shards = shard_count(args, setup.workers)};
  std::unique_ptr<Compressor<T>> up;
  std::unique_ptr<Compressor<T>> again;
  if (options.down == Down::kSum) {
    options.levels = static_cast<std::uint32_t>(Args(args.inner()).integer("levels"));
  } else {
    up = compressors<T>().make(args.inner(), {.workers = setup.workers});
  }
  if (options.down == Down::kQuantized) again = compressors<T>().make(args.nested("again"), {});
  return std::make_unique<Quantized<T>>(setup, options, std::move(up), std::move(again));
}
template std::unique_ptr<Aggregator<float>> make_quantized(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_quantized(const Args&, const AggregatorSetup&);

namespace {

std::vector<std::string> misfits(const Spec& compressor, std::uint32_t workers,
                                 const Layout& layout) {
  std::vector<std::string> out;
  const auto made = compressors<double>().make(compressor, {.workers = workers});
  for (const Tensor& tensor : layout.tensors()) {
    if (const std::string misfit = made->misfit(tensor.shape); !misfit.empty())
      out.push_back(fmt::format("tensor {}: {}", tensor.name, misfit));
  }
  return out;
}

void append(const std::vector<std::string>& more, std::vector<std::string>& out) {
  out.insert(out.end(), more.begin(), more.end());
}

// Levels of a scale of the whole tensor, few enough that sums fit.
std::vector<std::string> sum_problems(const Spec& inner, std::uint32_t workers) {
  if (inner.name != "vaninf") {
    return {
        fmt::format("quantized: down=sum needs vaninf, whose scale all workers can share; use "
                    "quantized:down=sum:vaninf, or another down with {}",
                    inner.name)};
  }
  const Args args(inner);
  if (args.integer("bucket") != 0) {
    return {fmt::format("quantized: down=sum shares one scale per tensor; leave out bucket={}",
                        args.integer("bucket"))};
  }
  constexpr std::int64_t kMost = std::int64_t{1} << 29;
  if (args.integer("levels") * workers <= kMost) return {};
  return {
      fmt::format("quantized: sums of {} levels of {} workers do not fit; use at most {} levels",
                  args.integer("levels"), workers, kMost / workers)};
}

}  // namespace

std::vector<std::string> quantized_problems(const Args& args, std::uint32_t workers,
                                            const Layout* layout) {
  std::vector<std::string> out = shards_problems(args, workers);
  const Down down = down_of(args);
  append(compressor_problems(args.inner(), workers), out);
  if (down == Down::kSum) append(sum_problems(args.inner(), workers), out);
  if (down == Down::kQuantized) {
    append(compressor_problems(args.nested("again"), 1), out);
  } else if (print(args.nested("again")) != "vaninf:bucket=0,levels=1") {
    out.push_back(
        fmt::format("quantized: again=({}) has no effect with down={}; use down=quantized, "
                    "or leave it out",
                    args.nested("again").name, args.text("down")));
  }
  if (args.text("matrix") == "raw" && down != Down::kModel) {
    out.push_back(
        fmt::format("quantized: matrix=raw is for the server's optimizer, and with down={} "
                    "everybody has one that never sees the gradients; use down=model",
                    args.text("down")));
  }
  if (!out.empty() || layout == nullptr) return out;
  append(misfits(args.inner(), workers, *layout), out);
  if (down == Down::kQuantized) append(misfits(args.nested("again"), 1, *layout), out);
  return out;
}

std::optional<StepTheory> quantized_theory(const Args&, const AggregatorSetup&) {
  return std::nullopt;
}

AggregatorNeeds quantized_needs(const Args& args, std::uint32_t) {
  return {.matrix = args.text("matrix") == "raw"};
}

}  // namespace laconic::aggregate
