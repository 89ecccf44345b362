// SPDX-License-Identifier: Apache-2.0
// dense: the mean of all gradients, uncompressed. The baseline that everything else is measured
// against. With sum=canonical the mean of a coordinate is formed by its shard from all workers'
// numbers in order of worker, in double, and rounded once: the same bits for every number of ranks.
// With wire=bf16 or f16 numbers are rounded to 16 bits in both directions.
#include <fmt/format.h>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/kept_messages.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

template <Real T>
wire::ValueFormat format_of(const std::string& text) {
  if (text == "f32") return wire::ValueFormat::kF32;
  if (text == "bf16") return wire::ValueFormat::kBf16;
  if (text == "f16") return wire::ValueFormat::kF16;
  return wire::native_format<T>();
}

template <Real T>
class Dense final : public Aggregator<T> {
 public:
  Dense(const AggregatorSetup& setup, wire::ValueFormat format, std::uint32_t shards)
      : setup_(setup),
        format_(format),
        exchange_(setup, even_shards(setup.layout->size(), shards, setup.workers)),
        kept_(setup) {}

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    const auto mode = static_cast<std::uint8_t>(format_);
    exchange_.begin(round);
    if (exchange_.finite<T>(mine)) {
      for (const WorkerGradient<T>& gradient : mine) send(gradient, mode);
    }
    exchange_.deliver_uplink(wire::Kind::kValues, mode, comm);
    for (OwnedShard& shard : exchange_.owned()) {
      const std::span<const T> mean = mean_of(shard);
      write(mean, exchange_.open_downlink(shard.shard, wire::Kind::kValues, mode));
      exchange_.close_downlink();
    }
    exchange_.deliver_downlink(wire::Kind::kValues, mode, comm);
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      const Status status = read(exchange_.result(s), slice<T>(direction, s));
      if (!status) exchange_.bad_result(s, status);
    }
    return exchange_.report();
  }

  void state(wire::StateArchive& /*archive*/) override {}  // nothing
  [[nodiscard]] std::span<const T> message_of(std::uint32_t worker) const override {
    return kept_.of(worker);
  }

 private:
  template <class U>
  std::span<U> slice(std::span<U> flat, std::size_t s) const {
    return flat.subspan(exchange_.plan()[s].begin, exchange_.plan()[s].size());
  }
  void send(const WorkerGradient<T>& gradient, std::uint8_t mode) {
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      write(slice<const T>(gradient.values, s),
            exchange_.open_uplink(gradient.worker, s, wire::Kind::kValues, mode));
      const wire::Bytes sent = exchange_.close_uplink();
      if (!kept_.kept()) continue;
      const std::span<T> kept = kept_.of(gradient.worker, exchange_.plan()[s]);
      if (!read(sent, kept)) std::fill(kept.begin(), kept.end(), T{0});  // the server refuses it
    }
  }
  void write(std::span<const T> values, wire::Message& message) const {
    wire::write_values<T>(format_, values, message.bytes);
    message.payload_bits += values.size() * wire::bytes_per_value(format_) * 8;
  }
  Status read(wire::Bytes payload, std::span<T> values) const {
    wire::WireReader reader(payload);
    wire::read_values<T>(format_, reader, values);
    return reader.finish();
  }

  // The mean over the workers whose frame can be read.
  std::span<const T> mean_of(OwnedShard& shard) {
    const std::size_t size = exchange_.plan()[shard.shard].size();
    const std::span<T> rows = rows_.take(size * setup_.workers);
    row_pointers_.clear();
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (shard.inbox.present[worker] == 0) continue;
      const std::span<T> row = rows.subspan(size * worker, size);
      if (Status status = read(shard.inbox.payloads[worker], row); !status) {
        exchange_.refusals().add(status);
        continue;
      }
      row_pointers_.push_back(row.data());
    }
    const std::span<T> mean = mean_.take(size);
    if (row_pointers_.empty()) {
      std::fill(mean.begin(), mean.end(), T{0});
    } else {
      kernels::mean_rows<T>(row_pointers_, 1.0 / static_cast<double>(row_pointers_.size()), mean);
    }
    return mean;
  }

  AggregatorSetup setup_;
  wire::ValueFormat format_;
  ShardedExchange exchange_;
  KeptMessages<T> kept_;
  Scratch<T> rows_;
  Scratch<T> mean_;
  std::vector<const T*> row_pointers_;
};

// sum=fast: the transport's own all-reduce, no frames. Bits depend on the number of ranks.
template <Real T>
class FastDense final : public Aggregator<T> {
 public:
  explicit FastDense(const AggregatorSetup& setup) : setup_(setup) {
    report_.link_bytes.resize(setup.mine.size());
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    const std::size_t dim = setup_.layout->size();
    rows_.clear();
    for (const WorkerGradient<T>& gradient : mine) rows_.push_back(gradient.values.data());
    comm.all_reduce_sum<T>(tag_of(round, Phase::kUplink), Reduction::kFast, rows_, direction);
    // A sum is finite unless a term was not (or it overflowed): only then do the ranks ask each
    // other who.
    if (!kernels::all_finite<T>(std::span<const T>(direction))) {
      blame_divergence<T>(*setup_.layout, round, mine, comm);
    }
    kernels::scale<T>(static_cast<T>(1.0 / setup_.workers), direction);
    const std::uint64_t bytes = dim * sizeof(T);
    report_.uplink = {.payload_bits = bytes * 8 * mine.size(),
                      .wire_bits = bytes * 8 * mine.size(),
                      .frame_bytes = bytes * mine.size()};
    report_.downlink = report_.uplink;
    // A ring: every link carries 2 (n-1)/n of the vector in 2 (n-1) dependent steps.
    report_.latency_steps = 2 * (setup_.workers - 1);
    const std::uint64_t ring = 2 * bytes * (setup_.workers - 1) / setup_.workers;
    std::fill(report_.link_bytes.begin(), report_.link_bytes.end(), ring);
    return report_;
  }
  void state(wire::StateArchive& /*archive*/) override {}  // nothing

 private:
  AggregatorSetup setup_;
  std::vector<const T*> rows_;
  RoundReport report_;
};

}  // namespace

const Card& dense_card() {
  static const Card card = {
      .kind = "aggregator",
      .name = "dense",
      .summary = "the mean of all gradients, uncompressed",
      .formula = "direction = mean of g_i",
      .params =
          {{.key = "wire",
            .type = ParamType::kChoice,
            .default_text = "native",
            .help =
                "the number format that travels, in both directions; native is the run's precision",
            .choices = {"native", "f32", "bf16", "f16"}},
           {.key = "sum",
            .type = ParamType::kChoice,
            .default_text = "canonical",
            .help =
                "canonical: same bits on any number of ranks; fast: the transport's own all-reduce",
            .choices = {"canonical", "fast"}},
           shards_param()},
      .promises = "direction = mean of the gradients, rounded once",
  };
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_dense(const Args& args, const AggregatorSetup& setup) {
  if (args.text("sum") == "fast") return std::make_unique<FastDense<T>>(setup);
  return std::make_unique<Dense<T>>(setup, format_of<T>(args.text("wire")),
                                    shard_count(args, setup.workers));
}
template std::unique_ptr<Aggregator<float>> make_dense(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_dense(const Args&, const AggregatorSetup&);

std::vector<std::string> dense_problems(const Args& args, std::uint32_t workers, const Layout*) {
  std::vector<std::string> out = shards_problems(args, workers);
  if (args.text("sum") == "fast" && args.text("wire") != "native") {
    out.push_back(fmt::format(
        "dense: wire={} needs sum=canonical; the transport's all-reduce sums native numbers",
        args.text("wire")));
  }
  if (args.text("sum") == "fast" && args.integer("shards") != 0) {
    out.push_back("dense: shards has no meaning with sum=fast; leave it out");
  }
  return out;
}

std::optional<StepTheory> dense_theory(const Args&, const AggregatorSetup&) { return StepTheory{}; }

AggregatorNeeds dense_needs(const Args& args, std::uint32_t) {
  return {.every_worker = false, .frames = args.text("sum") != "fast"};
}

}  // namespace laconic::aggregate
