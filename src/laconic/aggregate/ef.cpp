// SPDX-License-Identifier: Apache-2.0
// ef: error feedback around a contractive compressor, in both directions (signsgd.md 2.9, 2.10;
// dist-EF-SGD of Zheng et al. 2019). With r = eta_{t-1} / eta_t, per tensor:
//
//   worker   p_m = g_m + r e_m ;  D_m = C(p_m) ;  e_m = p_m - D_m ;  send D_m
//   server   p = mean_m D_m + r e_s ;  D = C(p) ;  e_s = p - D ;  broadcast D      (two_way)
//            D = mean_m D_m, sent as plain numbers                                  (otherwise)
//
// With gain a and keep b other than 1 the memories of the workers decay, as in ECQ-SGD
// (quantized-adagrad.md 3.6): p_m = g_m + a r e_m and e_m = b r e_m + g_m - D_m, which is p_m - D_m
// + (b - a) r e_m. The server's memory does not.
//
// The memories are in units of the gradient; eta_t e is the memory of the form that has the
// learning rate inside. `ef:sign` is EF-signSGD. One worker can send a scale of any size, so no
// Byzantine bound holds; `clamp` limits a worker's message, tensor by tensor, to that multiple of
// the median over the workers (by largest magnitude). Where the median is zero nothing is clamped.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/kept_messages.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

struct EfOptions {
  bool two_way = true;
  double clamp = 0;
  double gain = 1;
  double keep = 1;
  std::uint32_t shards = 1;
};

template <Real T>
class ErrorFeedback final : public Aggregator<T> {
 public:
  ErrorFeedback(const AggregatorSetup& setup, const EfOptions& options,
                std::unique_ptr<Compressor<T>> compressor)
      : setup_(setup),
        options_(options),
        compressor_(std::move(compressor)),
        exchange_(setup, tensor_shards(*setup.layout, options.shards, setup.workers)),
        kept_(setup),
        worker_errors_(setup.mine.size(), AlignedVector<T>(setup.layout->size(), T{0})) {
    for (const OwnedShard& shard : exchange_.owned()) {
      server_errors_.emplace_back(options_.two_way ? exchange_.plan()[shard.shard].size() : 0,
                                  T{0});
    }
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    exchange_.begin(round);
    const T r = rescale(round);
    if (exchange_.finite<T>(mine)) {
      for (const WorkerGradient<T>& gradient : mine) send(round, gradient, r);
    }
    exchange_.deliver_uplink(wire::Kind::kSegments, 0, comm);
    const wire::Kind down = options_.two_way ? wire::Kind::kSegments : wire::Kind::kValues;
    const std::uint8_t mode =
        options_.two_way ? 0 : static_cast<std::uint8_t>(wire::native_format<T>());
    for (std::size_t i = 0; i < exchange_.owned().size(); ++i) {
      OwnedShard& shard = exchange_.owned()[i];
      const std::span<const T> mean = mean_of(round, shard);
      wire::Message& message = exchange_.open_downlink(shard.shard, down, mode);
      if (options_.two_way) {
        encode_result(round, shard.shard, mean, r, server_errors_[i], message);
      } else {
        wire::write_values<T>(wire::native_format<T>(), mean, message.bytes);
        message.payload_bits += mean.size_bytes() * 8;
      }
      exchange_.close_downlink();
    }
    exchange_.deliver_downlink(down, mode, comm);
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) read_result(round, s, direction);
    return exchange_.report();
  }

  void state(wire::StateArchive& archive) override {
    archive.rows("error of worker", worker_errors_);
    archive.rows("error of shard", server_errors_);
  }
  // Before what the server clamps of it, which depends on the messages of all.
  [[nodiscard]] std::span<const T> message_of(std::uint32_t worker) const override {
    return kept_.of(worker);
  }

 private:
  // The memories were filled at the previous step size.
  static T rescale(const Round& round) {
    if (round.step_size == 0 || round.previous_step_size == 0) return T{1};
    return static_cast<T>(round.previous_step_size / round.step_size);
  }

  [[nodiscard]] std::span<const Tensor> tensors_of(std::size_t s) const {
    const Shard& shard = exchange_.plan()[s];
    return setup_.layout->tensors().subspan(shard.first_tensor,
                                            shard.last_tensor - shard.first_tensor);
  }
  [[nodiscard]] std::uint32_t tensor_index(const Tensor& tensor) const {
    return static_cast<std::uint32_t>(&tensor - setup_.layout->tensors().data());
  }
  [[nodiscard]] CompressContext context(const Round& round, std::uint32_t worker,
                                        const Tensor& tensor) const {
    return {.seed = setup_.seed,
            .worker = worker,
            .workers = setup_.workers,
            .round = round.index,
            .tensor = tensor_index(tensor)};
  }
  [[nodiscard]] CompressContext server_context(const Round& round, const Tensor& tensor) const {
    CompressContext out = context(round, 0, tensor);
    out.purpose = rng::Purpose::kServer;
    return out;
  }

  // |g + gain e|^2, of what encode_with_feedback compresses.
  double squared_norm_of_sum(std::span<const T> g, T gain, std::span<const T> e) {
    const std::span<T> sum = sent_.take(g.size());
    std::copy(g.begin(), g.end(), sum.begin());
    kernels::axpy<T>(gain, e, sum);
    return kernels::squared_norm<T>(sum);
  }

  void send(const Round& round, const WorkerGradient<T>& gradient, T r) {
    const std::span<T> errors = worker_errors_[gradient.worker - setup_.mine.begin];
    const bool decays = options_.gain != options_.keep;
    const std::span<T> old = old_errors_.take(decays ? errors.size() : 0);
    if (decays) std::copy(errors.begin(), errors.end(), old.begin());
    const T gain = static_cast<T>(options_.gain * static_cast<double>(r));
    Distortion lost;
    if (round.measured) lost.signal = squared_norm_of_sum(gradient.values, gain, errors);
    for (std::size_t s = 0; s < exchange_.plan().size(); ++s) {
      wire::Message& message = exchange_.open_uplink(gradient.worker, s, wire::Kind::kSegments, 0);
      for (const Tensor& tensor : tensors_of(s)) {
        compressor_->encode_with_feedback(view_of<T>(tensor, gradient.values), gain,
                                          span_of<T>(tensor, errors),
                                          context(round, gradient.worker, tensor), message);
      }
      const wire::Bytes sent = exchange_.close_uplink();
      if (!kept_.kept()) continue;
      const std::span<T> kept = kept_.of(gradient.worker, exchange_.plan()[s]);
      if (!decode(round, {.shard = s, .worker = gradient.worker, .payload = sent}, kept)) {
        std::fill(kept.begin(), kept.end(), T{0});  // the server refuses it
      }
    }
    if (round.measured) {
      lost.noise = kernels::squared_norm<T>(errors);
      exchange_.report().distortion.push_back(lost);
    }
    if (!decays) return;
    const double missing = (options_.keep - options_.gain) * static_cast<double>(r);
    kernels::axpy<T>(static_cast<T>(missing), old, errors);
  }

  struct Sent {
    std::size_t shard = 0;
    std::uint32_t worker = 0;
    wire::Bytes payload = {};
  };
  // row = what the message says about the shard. On failure row is unspecified.
  Status decode(const Round& round, const Sent& sent, std::span<T> row) const {
    std::fill(row.begin(), row.end(), T{0});
    wire::WireReader reader(sent.payload);
    for (const Tensor& tensor : tensors_of(sent.shard)) {
      const Status status = compressor_->decode_add(reader, context(round, sent.worker, tensor),
                                                    T{1}, local(tensor, sent.shard, row));
      if (!status) return status;
    }
    return reader.finish();
  }

  // The tensor's part of a vector that holds just the shard's slice.
  [[nodiscard]] TensorSpan<T> local(const Tensor& tensor, std::size_t s, std::span<T> slice) const {
    return {slice.subspan(tensor.offset - exchange_.plan()[s].begin, tensor.shape.size()),
            tensor.shape};
  }

  std::span<const T> mean_of(const Round& round, OwnedShard& shard) {
    const std::size_t size = exchange_.plan()[shard.shard].size();
    const std::span<T> rows = rows_.take(size * setup_.workers);
    row_pointers_.clear();
    std::size_t used = 0;
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (shard.inbox.present[worker] == 0) continue;
      const std::span<T> row = rows.subspan(size * used, size);
      const Sent sent = {
          .shard = shard.shard, .worker = worker, .payload = shard.inbox.payloads[worker]};
      if (const Status status = decode(round, sent, row); !status) {
        exchange_.refusals().add(status);
        continue;
      }
      row_pointers_.push_back(row.data());
      ++used;
    }
    if (options_.clamp > 0) {
      for (const Tensor& tensor : tensors_of(shard.shard)) clamp(tensor, shard.shard, rows, used);
    }
    const std::span<T> mean = mean_.take(size);
    if (used == 0) {
      std::fill(mean.begin(), mean.end(), T{0});
    } else {
      kernels::mean_rows<T>(row_pointers_, 1.0 / static_cast<double>(used), mean);
    }
    return mean;
  }

  void clamp(const Tensor& tensor, std::size_t s, std::span<T> rows, std::size_t used) {
    const std::size_t size = exchange_.plan()[s].size();
    peaks_.clear();
    for (std::size_t i = 0; i < used; ++i) {
      peaks_.push_back(kernels::absmax<T>(local(tensor, s, rows.subspan(size * i, size)).values));
    }
    sorted_peaks_.assign(peaks_.begin(), peaks_.end());
    std::sort(sorted_peaks_.begin(), sorted_peaks_.end());
    if (used == 0) return;
    const double median = 0.5 * (static_cast<double>(sorted_peaks_[(used - 1) / 2]) +
                                 static_cast<double>(sorted_peaks_[used / 2]));
    const double limit = options_.clamp * median;
    if (median == 0 || !std::isfinite(limit)) return;
    for (std::size_t i = 0; i < used; ++i) {
      if (static_cast<double>(peaks_[i]) <= limit) continue;
      kernels::scale<T>(static_cast<T>(limit / static_cast<double>(peaks_[i])),
                        local(tensor, s, rows.subspan(size * i, size)).values);
      ++exchange_.report().clamped_messages;
    }
  }

  void encode_result(const Round& round, std::size_t s, std::span<const T> mean, T r,
                     std::span<T> errors, wire::Message& message) {
    for (const Tensor& tensor : tensors_of(s)) {
      const std::size_t at = tensor.offset - exchange_.plan()[s].begin;
      compressor_->encode_with_feedback({mean.subspan(at, tensor.shape.size()), tensor.shape}, r,
                                        local(tensor, s, errors), server_context(round, tensor),
                                        message);
    }
  }

  void read_result(const Round& round, std::size_t s, std::span<T> direction) {
    const Shard& shard = exchange_.plan()[s];
    const std::span<T> slice = direction.subspan(shard.begin, shard.size());
    wire::WireReader reader(exchange_.result(s));
    if (!options_.two_way) {
      wire::read_values<T>(wire::native_format<T>(), reader, slice);
    } else {
      std::fill(slice.begin(), slice.end(), T{0});
      for (const Tensor& tensor : tensors_of(s)) {
        const Status status = compressor_->decode_add(reader, server_context(round, tensor), T{1},
                                                      local(tensor, s, slice));
        if (!status) exchange_.bad_result(s, status);
      }
    }
    if (Status status = reader.finish(); !status) exchange_.bad_result(s, status);
  }

  AggregatorSetup setup_;
  EfOptions options_;
  std::unique_ptr<Compressor<T>> compressor_;
  ShardedExchange exchange_;
  KeptMessages<T> kept_;
  std::vector<AlignedVector<T>> worker_errors_;  // by hosted worker
  std::vector<AlignedVector<T>> server_errors_;  // by owned shard
  Scratch<T> old_errors_;
  Scratch<T> sent_;
  Scratch<T> rows_;
  Scratch<T> mean_;
  std::vector<const T*> row_pointers_;
  std::vector<T> peaks_;
  std::vector<T> sorted_peaks_;
};

}  // namespace

const Card& ef_card() {
  static const Card card = {
      .kind = "aggregator",
      .name = "ef",
      .summary = "error feedback around a contractive compressor; ef:sign is EF-signSGD",
      .formula =
          "worker: p_i = g_i + gain r e_i; message D_i = C(p_i)\n"
          "        e_i <- keep r e_i + g_i - D_i\n"
          "server: p = mean of D_i + r e; D = C(p); e <- p - D; direction = D\n"
          "        two_way=false: direction = mean of D_i\n"
          "r = the last step size over this one\n"
          "clamp=c: every tensor of D_i is scaled down to |D_i|_inf <= c median |D_j|_inf",
      .paper =
          "Karimireddy, Rebjock, Stich, Jaggi: Error Feedback Fixes SignSGD, ICML 2019, arXiv "
          "1901.09847; Zheng, "
          "Huang, Kwok: dist-EF-SGD, NeurIPS 2019, arXiv 1905.10936; Wu et al.: Error Compensated "
          "Quantized SGD, ICML 2018, arXiv 1806.08054",
      .params = {{.key = "two_way",
                  .type = ParamType::kFlag,
                  .default_text = "true",
                  .help = "compress the downlink too, with an error memory at the server"},
                 {.key = "clamp",
                  .type = ParamType::kReal,
                  .default_text = "4",
                  .help = "the largest message of a worker as a multiple of the median over the "
                          "workers; 0 for no limit",
                  .min = 0},
                 {.key = "gain",
                  .type = ParamType::kReal,
                  .default_text = "1",
                  .help = "how much of its memory a worker adds to a gradient (alpha of ECQ-SGD)",
                  .min = 0,
                  .max = 1},
                 {.key = "keep",
                  .type = ParamType::kReal,
                  .default_text = "1",
                  .help = "how much of its memory a worker keeps (beta of ECQ-SGD)",
                  .min = 0,
                  .max = 1},
                 shards_param()},
      .inner_kind = "compressor",
      .promises =
          "what is not sent now is sent later: with one worker and two_way=false, x_t - eta_t e_t "
          "follows "
          "plain SGD",
  };
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_ef(const Args& args, const AggregatorSetup& setup) {
  const EfOptions options = {.two_way = args.flag("two_way"),
                             .clamp = args.real("clamp"),
                             .gain = args.real("gain"),
                             .keep = args.real("keep"),
                             .shards = shard_count(args, setup.workers)};
  return std::make_unique<ErrorFeedback<T>>(
      setup, options, compressors<T>().make(args.inner(), {.workers = setup.workers}));
}
template std::unique_ptr<Aggregator<float>> make_ef(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_ef(const Args&, const AggregatorSetup&);

std::vector<std::string> ef_problems(const Args& args, std::uint32_t workers,
                                     const Layout* layout) {
  std::vector<std::string> out = shards_problems(args, workers);
  const Spec& inner = args.inner();
  const auto problems = compressor_problems(inner, workers);
  out.insert(out.end(), problems.begin(), problems.end());
  if (!problems.empty()) return out;
  constexpr Shape kExample = {1000, 1};
  const Traits traits = compressors<double>().make(inner, {.workers = workers})->traits(kExample);
  if (!traits.alpha.has_value() && !traits.accumulates) {
    out.push_back(fmt::format("ef needs a contractive compressor; {} is {}", compressor_text(inner),
                              compressor_promise_text(inner, workers, kExample)));
  }
  if (!out.empty() || layout == nullptr) return out;
  const auto compressor = compressors<double>().make(args.inner(), {.workers = workers});
  for (const Tensor& tensor : layout->tensors()) {
    if (const std::string misfit = compressor->misfit(tensor.shape); !misfit.empty()) {
      out.push_back(fmt::format("tensor {}: {}", tensor.name, misfit));
    }
  }
  return out;
}

std::optional<StepTheory> ef_theory(const Args&, const AggregatorSetup&) { return std::nullopt; }

AggregatorNeeds ef_needs(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::aggregate
