// SPDX-License-Identifier: Apache-2.0
// ddsgd: D-DSGD (Amiri and Gunduz 2020), digital over the same channel. Each worker has the bits
// that the channel's capacity gives it in a round,
//
//   R_t = s / (2K) log2(1 + K P_t / s),
//
// and spends them on q coordinates, the largest q with log2 binom(d, q) + 33 <= R_t. Of gradient
// plus memory it takes the q largest and the q smallest entries, keeps the group whose mean is
// larger in magnitude, and sends that mean for the group's coordinates; the rest stays in the
// memory. Decoding is free of errors. payload_bits are those of the paper's code; the bytes that
// really travel are a sparse body (docs/wire-format.md) with the mean in f32.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/kept_messages.hpp"
#include "laconic/aggregate/methods.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/channel/power.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/sparse.hpp"
#include "laconic/wire/values.hpp"

namespace laconic::aggregate {
namespace {

constexpr double kValueBits = 33;

double log2_of(double x) { return exact::log(x) / 0.69314718055994530942; }

// The largest q for which q coordinates of d and a number fit into `bits`, and what they take.
struct Budget {
  std::size_t count = 0;
  double bits = 0;
};
Budget spend(double bits, std::size_t d) {
  Budget out;
  double choices = 0;  // log2 binom(d, q)
  for (std::size_t q = 1; 2 * q <= d; ++q) {
    choices += log2_of(static_cast<double>(d - q + 1)) - log2_of(static_cast<double>(q));
    if (choices + kValueBits > bits) break;
    out = {.count = q, .bits = choices + kValueBits};
  }
  return out;
}

template <Real T>
class Ddsgd final : public Aggregator<T> {
 public:
  Ddsgd(const AggregatorSetup& setup, PowerSchedule power, std::uint64_t uses)
      : setup_(setup),
        power_(power),
        uses_(uses),
        exchange_(setup, even_shards(setup.layout->size(), 1, setup.workers)),
        kept_(setup),
        memories_(setup.mine.size()) {
    for (auto& memory : memories_) memory.assign(setup.layout->size(), T{0});
  }

  const RoundReport& aggregate(const Round& round, std::span<const WorkerGradient<T>> mine,
                               std::span<T> direction, Communicator& comm) override {
    const double power = power_.at(round.index);
    if (power != known_power_) {
      budget_ = spend(mac_capacity_bits(uses_, setup_.workers, power), setup_.layout->size());
      known_power_ = power;
    }
    exchange_.begin(round);
    if (exchange_.finite<T>(mine)) {
      for (std::size_t w = 0; w < mine.size(); ++w) send(w, mine[w]);
    }
    exchange_.deliver_uplink(wire::Kind::kSegments, 0, comm);
    const auto mode = static_cast<std::uint8_t>(wire::native_format<T>());
    for (OwnedShard& shard : exchange_.owned()) {
      const std::span<const T> mean = mean_of(shard);
      wire::Message& message = exchange_.open_downlink(0, wire::Kind::kValues, mode);
      wire::write_values<T>(wire::native_format<T>(), mean, message.bytes);
      message.payload_bits += mean.size_bytes() * 8;
      exchange_.close_downlink();
    }
    exchange_.deliver_downlink(wire::Kind::kValues, mode, comm);
    wire::WireReader reader(exchange_.result(0));
    wire::read_values<T>(wire::native_format<T>(), reader, direction);
    if (Status status = reader.finish(); !status) exchange_.bad_result(0, status);
    const bool sends = budget_.count > 0;
    exchange_.report().channel = {.uses = sends ? uses_ : 0,
                                  .power = power,
                                  .energy = sends ? power : 0,
                                  .largest_energy = sends ? power : 0,
                                  .active = sends ? setup_.workers : 0};
    return exchange_.report();
  }

  void state(wire::StateArchive& archive) override { archive.rows("memory", memories_); }
  [[nodiscard]] std::span<const T> message_of(std::uint32_t worker) const override {
    return kept_.of(worker);
  }

 private:
  [[nodiscard]] wire::SparseFormat format() const {
    return {.dim = setup_.layout->size(),
            .values = wire::ValueFormat::kF32,
            .max_count = budget_.count};
  }

  void send(std::size_t w, const WorkerGradient<T>& gradient) {
    const std::span<T> memory = memories_[w];
    kernels::add<T>(gradient.values, memory);
    const std::span<std::uint32_t> upper = upper_.take(budget_.count);
    const std::span<std::uint32_t> lower = lower_.take(budget_.count);
    const double above = select(memory, T{1}, upper);
    const double below = select(memory, T{-1}, lower);
    const bool positive = above >= below;
    constexpr double kLargest = std::numeric_limits<float>::max();
    const auto value =
        static_cast<float>(std::clamp(positive ? above : -below, -kLargest, kLargest));
    const std::span<const std::uint32_t> chosen = positive ? upper : lower;
    const std::span<T> values = values_.take(chosen.size());
    std::fill(values.begin(), values.end(), static_cast<T>(value));
    wire::Message& message = exchange_.open_uplink(gradient.worker, 0, wire::Kind::kSegments, 0);
    wire::write_sparse<T>(format(), chosen, values, message.bytes);
    message.payload_bits += static_cast<std::uint64_t>(std::ceil(budget_.bits));
    exchange_.close_uplink();
    for (const std::uint32_t i : chosen) memory[i] -= static_cast<T>(value);
    if (!kept_.kept()) return;
    const std::span<T> kept = kept_.of(gradient.worker);
    std::fill(kept.begin(), kept.end(), T{0});
    for (const std::uint32_t i : chosen) kept[i] = static_cast<T>(value);
  }

  // The coordinates where sign * x is largest, and the mean of what is positive of it there.
  double select(std::span<const T> x, T sign, std::span<std::uint32_t> indices) {
    const std::span<T> part = part_.take(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) part[i] = std::max(sign * x[i], T{0});
    kernels::select_top_k<T>(std::span<const T>(part), indices);
    double sum = 0;
    for (const std::uint32_t i : indices) sum += static_cast<double>(part[i]);
    return indices.empty() ? 0 : sum / static_cast<double>(indices.size());
  }

  std::span<const T> mean_of(OwnedShard& shard) {
    const std::size_t size = setup_.layout->size();
    const std::span<double> sum = sum_.take(size);
    std::fill(sum.begin(), sum.end(), 0.0);
    std::size_t arrived = 0;
    for (std::uint32_t worker = 0; worker < setup_.workers; ++worker) {
      if (shard.inbox.present[worker] == 0) continue;
      wire::WireReader reader(shard.inbox.payloads[worker]);
      wire::read_sparse<T>(format(), reader, sparse_);
      if (Status status = reader.finish(); !status) {
        exchange_.refusals().add(status);
        continue;
      }
      ++arrived;
      for (std::size_t i = 0; i < sparse_.indices.size(); ++i) {
        sum[sparse_.indices[i]] += static_cast<double>(sparse_.values[i]);
      }
    }
    const std::span<T> mean = mean_.take(size);
    const double scale = arrived > 0 ? 1.0 / static_cast<double>(arrived) : 0;
    for (std::size_t i = 0; i < size; ++i) mean[i] = static_cast<T>(sum[i] * scale);
    return mean;
  }

  AggregatorSetup setup_;
  PowerSchedule power_;
  std::uint64_t uses_;
  ShardedExchange exchange_;
  KeptMessages<T> kept_;
  std::vector<AlignedVector<T>> memories_;
  double known_power_ = -1;
  Budget budget_ = {};
  Scratch<std::uint32_t> upper_ = {};
  Scratch<std::uint32_t> lower_ = {};
  Scratch<T> values_ = {};
  Scratch<T> part_ = {};
  Scratch<double> sum_ = {};
  Scratch<T> mean_ = {};
  SparseVector<T> sparse_ = {};
};

std::uint64_t uses_of(const Args& args, const Layout& layout) {
  return static_cast<std::uint64_t>(
      std::max(1.0, std::floor(args.real("ratio") * static_cast<double>(layout.size()))));
}

PowerSchedule schedule_of(const Args& args) {
  return {.power = args.real("power"),
          .course = power_course(args.text("course")),
          .rounds = static_cast<std::uint32_t>(args.integer("horizon"))};
}

}  // namespace

const Card& ddsgd_card() {
  static const Card card = [] {
    Card out = {
        .kind = "aggregator",
        .name = "ddsgd",
        .summary =
            "D-DSGD: as many coordinates as the capacity of the noisy channel allows, "
            "without error",
        .formula =
            "R = s / (2 n) log2(1 + n P / s), s = max(1, floor(ratio d)) channel uses\n"
            "q = the largest q <= d/2 with log2 binom(d, q) + 33 <= R; p_i = g_i + e_i\n"
            "u = mean over the q largest entries of max(p_i, 0), l of max(-p_i, 0)\n"
            "message m_i: u at the q largest if u >= l, else -l at the q smallest; 0 elsewhere\n"
            "e_i <- p_i - m_i; direction = mean of m_i",
        .paper =
            "Amiri, Gunduz: Machine Learning at the Wireless Edge, IEEE TSP 2020, arXiv "
            "1901.00844",
        .params = {{.key = "ratio",
                    .type = ParamType::kReal,
                    .default_text = "0.5",
                    .help = "channel uses per round and coordinate of the model",
                    .min = 0,
                    .max = 1e6,
                    .min_open = true}},
        .promises = "payload_bits per worker and round are at most the capacity",
    };
    for (ParamCard& param : air_params()) {
      if (param.key == "power" || param.key == "course" || param.key == "horizon") {
        out.params.push_back(std::move(param));
      }
    }
    return out;
  }();
  return card;
}

template <Real T>
std::unique_ptr<Aggregator<T>> make_ddsgd(const Args& args, const AggregatorSetup& setup) {
  return std::make_unique<Ddsgd<T>>(setup, schedule_of(args), uses_of(args, *setup.layout));
}
template std::unique_ptr<Aggregator<float>> make_ddsgd(const Args&, const AggregatorSetup&);
template std::unique_ptr<Aggregator<double>> make_ddsgd(const Args&, const AggregatorSetup&);

std::vector<std::string> ddsgd_problems(const Args& args, std::uint32_t workers,
                                        const Layout* layout) {
  std::vector<std::string> out = power_problems(args);
  if (!out.empty() || layout == nullptr) return out;
  const double bits = mac_capacity_bits(uses_of(args, *layout), workers, args.real("power"));
  if (spend(bits, layout->size()).count == 0) {
    out.push_back(fmt::format(
        "ddsgd: power={} gives each of {} workers {:.1f} bits per round, too few for one of {} "
        "coordinates, which takes {:.1f}; use more power or a larger ratio",
        args.real("power"), workers, bits, layout->size(),
        log2_of(static_cast<double>(layout->size())) + kValueBits));
  }
  return out;
}

std::optional<StepTheory> ddsgd_theory(const Args&, const AggregatorSetup&) { return std::nullopt; }

AggregatorNeeds ddsgd_needs(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::aggregate
