// SPDX-License-Identifier: Apache-2.0
// air: a compressor whose payloads may be added before decoding, over an analog channel. With
// identity this is Z-SGD, the uncompressed gradient (laser.md 3); with correlated crandk it is
// Random-K. Memories are noise-free: a worker knows what it sent, not what arrived.
//
//   memory=none  message C(g_i); direction = the decoded mean
//   memory=ef14  M = e_i + g_i; message C(M); e_i = M - C(M)
//   memory=ef21  message C(g_i - h_i); h_i += C(..); the server's h += decoded mean; direction = h,
//                which keeps the noise of all rounds, each as large as that round's messages
#include <fmt/format.h>

#include <algorithm>

#include "laconic/aggregate/methods.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

enum class AirMemory : std::uint8_t { kNone, kEf14, kEf21 };

AirMemory memory_of(const Args& args) {
  const std::string& text = args.text("memory");
  if (text == "none") return AirMemory::kNone;
  return text == "ef14" ? AirMemory::kEf14 : AirMemory::kEf21;
}

template <Real T>
class Air final : public Aggregator<T> {
 public:
  Air(const AggregatorSetup& setup, AirMemory memory, std::unique_ptr<Compressor<T>> compressor,
      std::unique_ptr<SymbolMean<T>> mean)
      : setup_(setup),
        memory_(memory),
        compressor_(std::move(compressor)),
        mean_(std::move(mean)),
        memories_(setup.mine.size()),
        rows_(setup.mine.size()),
        belief_(memory == AirMemory::kEf21 ? setup.layout->size() : 0, T{0}) {
    std::size_t size = 0;
    for (const Tensor& tensor : setup.layout->tensors()) {
      const std::size_t count = compressor_->max_bytes(tensor.shape) / sizeof(T);
      blocks_.push_back(
          {.offset = size, .size = count, .group = static_cast<std::uint32_t>(blocks_.size())});
      size += count;
    }
    received_.resize(size);
    for (auto& memory_row : memories_) {
      memory_row.assign(memory == AirMemory::kNone ? 0 : setup.layout->size(), T{0});
    }
    for (auto& row : rows_) row.resize(size);
    for (auto& row : rows_) row_pointers_.push_back(row.data());
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    mean_->begin(round, mine);
    for (std::size_t w = 0; w < mine.size(); ++w) {
      // A gradient that is not finite is no compressor's business: mean() throws.
      if (kernels::all_finite<T>(mine[w].values)) write_row(round, w, mine[w]);
    }
    mean_->mean({.blocks = blocks_, .rows = row_pointers_}, received_, comm);
    decode(round, direction);
    return mean_->report();
  }
  void state(wire::StateArchive& archive) override {
    mean_->state(archive);
    archive.rows("memory", memories_);
    archive.numbers("belief", std::span<T>(belief_));
  }

 private:
  [[nodiscard]] CompressContext context(const Round& round, const Tensor& tensor) const {
    return {.seed = setup_.seed,
            .workers = setup_.workers,
            .round = round.index,
            .tensor = static_cast<std::uint32_t>(&tensor - setup_.layout->tensors().data())};
  }

  void write_row(const Round& round, std::size_t w, const WorkerGradient<T>& gradient) {
    const std::span<T> input = input_.take(gradient.values.size());
    std::copy(gradient.values.begin(), gradient.values.end(), input.begin());
    const std::span<T> memory = memories_[w];
    if (memory_ == AirMemory::kEf14) kernels::add<T>(memory, input);
    if (memory_ == AirMemory::kEf21) kernels::axpy<T>(T{-1}, memory, input);
    const bool active = mean_->active(gradient.worker);
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const Tensor& tensor = setup_.layout->tensors()[b];
      const CompressContext facts = context(round, tensor);
      message_.clear();
      compressor_->encode(view_of<T>(tensor, std::span<const T>(input)), facts, message_);
      wire::WireReader numbers(message_.bytes);
      wire::read_values<T>(wire::native_format<T>(), numbers,
                           std::span<T>(rows_[w]).subspan(blocks_[b].offset, blocks_[b].size));
      LACONIC_ASSERT(static_cast<bool>(numbers.finish()));
      if (!active || memory_ == AirMemory::kNone) continue;
      wire::WireReader own(message_.bytes);
      const bool residual = memory_ == AirMemory::kEf14;
      const Status status = compressor_->decode_add(own, facts, residual ? T{-1} : T{1},
                                                    span_of<T>(tensor, residual ? input : memory));
      LACONIC_ASSERT(static_cast<bool>(status));
      static_cast<void>(status);
    }
    if (memory_ == AirMemory::kEf14) std::copy(input.begin(), input.end(), memory.begin());
  }

  void decode(const Round& round, std::span<T> direction) {
    std::fill(direction.begin(), direction.end(), T{0});
    const bool adds_up = memory_ == AirMemory::kEf21;
    // The belief is the mean over all workers: those who were silent changed nothing.
    const T part = adds_up ? static_cast<T>(static_cast<double>(mean_->active_count()) /
                                            static_cast<double>(setup_.workers))
                           : T{1};
    for (std::size_t b = 0; b < blocks_.size(); ++b) {
      const Tensor& tensor = setup_.layout->tensors()[b];
      message_.clear();
      wire::write_values<T>(
          wire::native_format<T>(),
          std::span<const T>(received_).subspan(blocks_[b].offset, blocks_[b].size),
          message_.bytes);
      wire::WireReader reader(message_.bytes);
      const Status status =
          compressor_->decode_add(reader, context(round, tensor), part,
                                  span_of<T>(tensor, adds_up ? std::span<T>(belief_) : direction));
      LACONIC_ASSERT(static_cast<bool>(status));
      static_cast<void>(status);
    }
    if (adds_up) std::copy(belief_.begin(), belief_.end(), direction.begin());
  }

  AggregatorSetup setup_;
  AirMemory memory_;
  std::unique_ptr<Compressor<T>> compressor_;
  std::unique_ptr<SymbolMean<T>> mean_;
  std::vector<AirBlock> blocks_ = {};       // one per tensor
  std::vector<AlignedVector<T>> memories_;  // by hosted worker: e or h
  std::vector<AlignedVector<T>> rows_;      // by hosted worker
  std::vector<T*> row_pointers_ = {};
  AlignedVector<T> received_ = {};
  AlignedVector<T> belief_;
  Scratch<T> input_ = {};
  wire::Message message_ = {};
};

}  // namespace

const Card& air_card() {
  static const Card card = [] {
    Card out = {
        .kind = "aggregator",
        .name = "air",
        .summary =
            "an additive compressor over an analog channel: air is Z-SGD, "
            "air:crandk:correlated=true Random-K",
        .formula =
            "memory=none: message C(g_i); direction = the mean as heard\n"
            "memory=ef14: p_i = g_i + e_i; message C(p_i); e_i <- p_i - C(p_i)\n"
            "memory=ef21: message C(g_i - h_i); h_i <- h_i + C(g_i - h_i)\n"
            "             h <- h + (K/n) (the mean as heard); direction = h\n"
            "heard: mean of X_i + c / (K sqrt(P_b)) z, z ~ N(0, I), over K active workers\n"
            "P_b = the block's power, c = the largest |X_i| (|X_i| / |h_i| under fading)",
        .paper =
            "Makkuva, Bondaschi, Vogels, Jaggi, Kim, Gastpar: LASER, ICML 2024, arXiv "
            "2310.13033",
        .params = {{.key = "memory",
                    .type = ParamType::kChoice,
                    .default_text = "none",
                    .help = "what workers remember: nothing, what was not sent (ef14), or what the "
                            "server believes (ef21)",
                    .choices = {"none", "ef14", "ef21"}}},
        .inner_kind = "compressor",
        .default_inner = "identity",
        .promises = "without noise the mean of the compressed messages",
    };
    for (ParamCard& param : air_params()) out.params.push_back(std::move(param));
    return out;
  }();
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_air(const Args& args, const AggregatorSetup& setup) {
  return std::make_unique<Air<T>>(setup, memory_of(args),
                                  compressors<T>().make(args.inner(), {.workers = setup.workers}),
                                  make_air_mean<T>(args, setup));
}
template std::unique_ptr<Aggregator<float>> make_air(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_air(const Args&, const AggregatorSetup&);

std::vector<std::string> air_problems(const Args& args, std::uint32_t workers,
                                      const Layout* layout) {
  std::vector<std::string> out = analog_problems(args);
  const Spec& inner = args.inner();
  const auto problems = compressor_problems(inner, workers);
  out.insert(out.end(), problems.begin(), problems.end());
  if (!problems.empty()) return out;
  const auto compressor = compressors<double>().make(inner, {.workers = workers});
  const Traits traits = compressor->traits({1000, 1});
  const auto own = [&inner](std::string_view key) -> std::string_view {
    for (const Spec::Param& param : inner.params) {
      if (param.key == key) return param.text;
    }
    return {};
  };
  if (traits.combine != Combine::kSumPayloads) {
    const bool nearly = own("correlated") == "false" && own("indices") != "true";
    out.push_back(fmt::format(
        "air: {} is not linear over the workers, so that its messages cannot be added in the air; "
        "use {}identity, crandk:correlated=true or the aggregators laser, air-sketch, air-sign",
        compressor_text(inner), nearly ? inner.name + ":correlated=true, " : ""));
  } else if (!own("values").empty() && own("values") != "native") {
    out.push_back(
        fmt::format("air: values={} is a format of bits, and an analog channel carries "
                    "numbers; leave it out",
                    own("values")));
  }
  if (memory_of(args) != AirMemory::kNone && !traits.alpha) {
    out.push_back(fmt::format("air: memory={} needs a contractive compressor; {} is {}",
                              args.text("memory"), compressor_text(inner),
                              compressor_promise_text(inner, workers, {1000, 1})));
  }
  if (!out.empty() || layout == nullptr) return out;
  for (const Tensor& tensor : layout->tensors()) {
    if (const std::string misfit = compressor->misfit(tensor.shape); !misfit.empty()) {
      out.push_back(fmt::format("tensor {}: {}", tensor.name, misfit));
    }
  }
  return out;
}

std::optional<StepTheory> air_theory(const Args&, const AggregatorSetup&) { return std::nullopt; }

AggregatorNeeds air_needs(const Args&, std::uint32_t) { return {.frames = false}; }

}  // namespace laconic::aggregate
