// SPDX-License-Identifier: Apache-2.0
// The mean over an analog channel (laser.md 1.1, 2.2). Per message:
//
//   coordination  every worker tells its block norms; from them follow, alike for everybody, the
//                 powers P_b = P_t share_b, c_b = the largest norm a worker needs, and the common
//                 scale a_b = sqrt(P_b) / c_b
//   channel       y_b = sum_i g_i a_b X_ib + z_b
//   server        received_b = y_b / (K a_b)
//
// form=effective adds c_b / (K sqrt(P_b)) z_b to the mean, form=physical goes the way above; both
// have the same distribution. Norms travel free of charge unless charge=true. The power is a cap:
// energy_i = sum_b (a_b ||X_ib|| / |h_i|)^2 <= P_t.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "laconic/aggregate/exchange.hpp"
#include "laconic/aggregate/symbol_mean.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/channel/analog.hpp"
#include "laconic/channel/power.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::aggregate {
namespace {

struct AirOptions {
  PowerSchedule power = {};
  AllocationRule rule = {};
  bool physical = false;
  bool charge = false;
};

template <Real T>
class AirMean final : public SymbolMean<T> {
 public:
  AirMean(const AggregatorSetup& setup, AirOptions options, std::unique_ptr<AnalogChannel> channel)
      : setup_(setup), options_(options), channel_(std::move(channel)), paths_(setup.workers) {
    report_.link_bytes.resize(setup.mine.size());
    report_.channel.emplace();
    spent_.resize(setup.workers);
    rows_.reserve(setup.mine.size());
  }

  void begin(const Round& round, std::span<const WorkerGradient<T>> mine) override {
    round_ = round;
    mine_ = mine;
    message_ = 0;
    first_block_ = 0;
    active_ = 0;
    for (std::uint32_t w = 0; w < setup_.workers; ++w) {
      paths_[w] = channel_->path(round.index, w);
      active_ += paths_[w].active ? 1 : 0;
    }
    std::fill(spent_.begin(), spent_.end(), 0.0);
    report_.uplink = {};
    report_.downlink = {};
    report_.latency_steps = 0;
    report_.simulation_bytes = 0;
    std::fill(report_.link_bytes.begin(), report_.link_bytes.end(), 0);
    *report_.channel = {.power = options_.power.at(round.index)};
  }
  [[nodiscard]] bool active(std::uint32_t worker) const override { return paths_[worker].active; }
  [[nodiscard]] std::uint32_t active_count() const override { return active_; }

  void mean(const typename SymbolMean<T>::Message& message, std::span<T> received,
            Communicator& comm) override {
    LACONIC_EXPECTS(message.rows.size() == mine_.size());
    exchange_norms(message, comm);
    plan_scales(message);
    sum(message, received, comm);
    finish(message, received);
    count(message, received.size(), comm);
    first_block_ += static_cast<std::uint32_t>(message.blocks.size());
    ++message_;
  }

  [[nodiscard]] std::span<const T> noiseless() const override { return noiseless_; }
  void state(wire::StateArchive& archive) override {
    std::uint64_t messages = before_.size();
    archive.number("messages", messages);
    if (messages > kMessages) throw ConfigError("saved state: too many messages in a round");
    before_.resize(messages);
    for (std::size_t i = 0; i < before_.size(); ++i) {
      archive.growing(archive.numbered("norms of message", i), before_[i],
                      setup_.layout->size() * setup_.workers);
    }
  }
  [[nodiscard]] RoundReport& report() override { return report_; }

 private:
  static constexpr std::uint64_t kMessages = 2;  // that a method sends per round, at most

  // Norms of all workers' blocks as they are, and as the side information says they are.
  void exchange_norms(const typename SymbolMean<T>::Message& message, Communicator& comm) {
    const std::size_t blocks = message.blocks.size();
    told_bytes_.clear();
    wire::WireWriter out(told_bytes_);
    for (std::size_t w = 0; w < mine_.size(); ++w) {
      const bool finite = message_ > 0 || kernels::all_finite<T>(mine_[w].values);
      const Divergence found = finite ? Divergence{} : find_divergence<T>(*setup_.layout, mine_[w]);
      out.u32(finite ? 0 : 1);
      out.u32(found.tensor);
      out.u64(found.index);
      for (const AirBlock& block : message.blocks) {
        out.f64(std::sqrt(kernels::squared_norm<T>({message.rows[w] + block.offset, block.size})));
      }
    }
    comm.all_gather(tag(Phase::kSideInfo), told_bytes_, gathered_);
    norms_.resize(blocks * setup_.workers);
    wire::WireReader in(gathered_.all());
    diverged_.clear();
    for (std::uint32_t w = 0; w < setup_.workers; ++w) {
      const bool finite = in.u32() == 0;
      const std::uint32_t tensor = in.u32();
      const std::uint64_t index = in.u64();
      if (!finite) diverged_.push_back({.worker = w, .tensor = tensor, .index = index});
      for (std::size_t b = 0; b < blocks; ++b) norms_[w * blocks + b] = in.f64();
    }
    LACONIC_ASSERT(static_cast<bool>(in.finish()));
    for (std::uint32_t w = 0; w < setup_.workers && diverged_.empty(); ++w) {
      // Finite gradients whose message is not: memories that overflowed.
      for (std::size_t b = 0; b < blocks; ++b) {
        if (!std::isfinite(norms_[w * blocks + b])) diverged_.push_back({.worker = w});
      }
    }
    if (!diverged_.empty()) throw_diverged(diverged_, *setup_.layout, round_);
    tell();
  }

  // told_: what is known of norms_.
  void tell() {
    if (before_.size() <= message_) before_.resize(message_ + 1);
    std::vector<double>& before = before_[message_];
    told_ = norms_;
    if (channel_->side_info() == SideInfo::kQuantised) {
      for (double& norm : told_) norm = quantise_up(norm, channel_->side_info_bits());
    } else if (channel_->side_info() == SideInfo::kStale) {
      if (before.size() == norms_.size()) told_ = before;
      before = norms_;
    }
  }

  void plan_scales(const typename SymbolMean<T>::Message& message) {
    const std::size_t blocks = message.blocks.size();
    // Silent workers have no say in the powers.
    heard_.clear();
    heard_.reserve(norms_.size());
    largest_.assign(blocks, 0.0);
    for (std::uint32_t w = 0; w < setup_.workers; ++w) {
      if (!paths_[w].active) continue;
      const double cost = std::sqrt(paths_[w].energy_factor);
      for (std::size_t b = 0; b < blocks; ++b) {
        const double norm = told_[w * blocks + b];
        heard_.push_back(norm);
        largest_[b] = std::max(largest_[b], norm * cost);
      }
    }
    shares_.resize(blocks);
    allocate(options_.rule, message.blocks, heard_, shares_);
    scales_.resize(blocks);
    powers_.resize(blocks);
    for (std::size_t b = 0; b < blocks; ++b) {
      powers_[b] = report_.channel->power * message.power_fraction * shares_[b];
      const double scale = largest_[b] > 0 ? std::sqrt(powers_[b]) / largest_[b] : 0;
      scales_[b] = std::isfinite(scale) ? scale : 0;
    }
    spend(blocks);
  }

  // What worker w reduces the amplitude of block b to, as a part of what was planned, because its
  // message is larger than was known.
  [[nodiscard]] double clipped(std::uint32_t w, std::size_t b, std::size_t blocks) const {
    const double needed = scales_[b] * norms_[w * blocks + b] * std::sqrt(paths_[w].energy_factor);
    const double allowed = std::sqrt(powers_[b]);
    return needed > allowed * (1 + 1e-12) ? allowed / needed : 1.0;
  }

  void spend(std::size_t blocks) {
    for (std::uint32_t w = 0; w < setup_.workers; ++w) {
      if (!paths_[w].active) continue;
      for (std::size_t b = 0; b < blocks; ++b) {
        const double amplitude = scales_[b] * clipped(w, b, blocks) * norms_[w * blocks + b];
        spent_[w] += amplitude * amplitude * paths_[w].energy_factor;
      }
    }
  }

  // received = sum over the active workers of their rows, times what scales them. Silent workers
  // contribute zeros, so that every round looks alike to the communicator.
  void sum(const typename SymbolMean<T>::Message& message, std::span<T> received,
           Communicator& comm) {
    const std::size_t blocks = message.blocks.size();
    rows_.clear();
    for (std::size_t w = 0; w < mine_.size(); ++w) {
      const std::uint32_t worker = setup_.mine.begin + static_cast<std::uint32_t>(w);
      rows_.push_back(message.rows[w]);
      if (!paths_[worker].active) {
        std::fill_n(message.rows[w], received.size(), T{0});
        continue;
      }
      for (std::size_t b = 0; b < blocks; ++b) {
        const AirBlock& block = message.blocks[b];
        const double factor = paths_[worker].gain * clipped(worker, b, blocks) *
                              (options_.physical ? scales_[b] : 1.0);
        if (factor == 1) continue;
        kernels::scale<T>(static_cast<T>(factor), {message.rows[w] + block.offset, block.size});
      }
    }
    report_.simulation_bytes += rows_.size() * received.size_bytes();
    comm.all_reduce_sum<T>(tag(Phase::kSignal), Reduction::kCanonical, rows_, received);
    if (!kernels::all_finite<T>(std::span<const T>(received))) {
      throw_diverged(std::vector<Divergence>{{}}, *setup_.layout, round_);  // the sum overflowed
    }
  }

  // From the sum to the mean, with noise.
  void finish(const typename SymbolMean<T>::Message& message, std::span<T> received) {
    const double count = active_;
    const std::span<T> clean = clean_.take(received.size());
    double predicted = 0;
    for (std::size_t b = 0; b < message.blocks.size(); ++b) {
      const AirBlock& block = message.blocks[b];
      const std::span<T> here = received.subspan(block.offset, block.size);
      const std::span<T> clean_here = clean.subspan(block.offset, block.size);
      if (scales_[b] == 0 || active_ == 0) {  // nothing was sent
        std::fill(here.begin(), here.end(), T{0});
        std::fill(clean_here.begin(), clean_here.end(), T{0});
        continue;
      }
      const double deviation = std::sqrt(channel_->noise_variance());
      const double back = 1 / (count * scales_[b]);
      const ChannelSlot slot{.seed = setup_.seed,
                             .round = round_.index,
                             .block = first_block_ + static_cast<std::uint32_t>(b)};
      const double sum_to_mean = options_.physical ? back : 1 / count;
      std::copy(here.begin(), here.end(), clean_here.begin());
      kernels::scale<T>(static_cast<T>(sum_to_mean), clean_here);
      if (options_.physical) {
        add_channel_noise<T>(slot, deviation, here);
        kernels::scale<T>(static_cast<T>(sum_to_mean), here);
      } else {
        kernels::scale<T>(static_cast<T>(sum_to_mean), here);
        add_channel_noise<T>(slot, deviation * back, here);
      }
      predicted += static_cast<double>(block.size) * (deviation * back) * (deviation * back);
      report_.channel->active = active_;
    }
    noiseless_ = clean;
    if (!kernels::all_finite<T>(std::span<const T>(received))) {
      throw_diverged(std::vector<Divergence>{{}}, *setup_.layout, round_);
    }
    const double base = kernels::squared_norm<T>(std::span<const T>(clean));
    const double error = kernels::squared_distance<T>(std::span<const T>(received), clean);
    report_.channel->lambda = base > 0 ? error / base : 0;
    report_.channel->predicted_lambda = base > 0 ? predicted / base : 0;
  }

  void count(const typename SymbolMean<T>::Message& message, std::size_t symbols,
             Communicator& comm) {
    ChannelReport& channel = *report_.channel;
    for (std::size_t b = 0; b < message.blocks.size(); ++b) {
      if (scales_[b] > 0) channel.uses += message.blocks[b].size;
    }
    channel.energy = 0;
    channel.largest_energy = 0;
    for (const double energy : spent_) {
      channel.energy += energy / setup_.workers;
      channel.largest_energy = std::max(channel.largest_energy, energy);
    }
    const std::uint64_t hosted = setup_.mine.size();
    const std::uint64_t bytes = symbols * sizeof(T);
    report_.downlink += {.payload_bits = bytes * 8 * hosted,
                         .wire_bits = bytes * 8 * hosted,
                         .frame_bytes = bytes * hosted};
    std::uint64_t charged_bytes = 0;
    if (options_.charge) {
      // A norm per block and worker upwards, a scale per block downwards.
      const std::uint64_t width =
          channel_->side_info() == SideInfo::kQuantised ? channel_->side_info_bits() : 64;
      const std::uint64_t bits = width * message.blocks.size();
      charged_bytes = (bits + 7) / 8;
      const Meter side = {.payload_bits = bits * hosted,
                          .wire_bits = bits * hosted,
                          .frame_bytes = charged_bytes * hosted};
      report_.uplink += side;
      report_.downlink += side;
    }
    for (std::uint64_t& link : report_.link_bytes) link += bytes + 2 * charged_bytes;
    report_.simulation_bytes += told_bytes_.size() * comm.size();
    report_.latency_steps += 4;  // norms, scales, signals, broadcast
  }

  [[nodiscard]] Tag tag(Phase phase) const { return tag_of(round_, phase); }

  AggregatorSetup setup_;
  AirOptions options_;
  std::unique_ptr<AnalogChannel> channel_;
  Round round_ = {};
  std::span<const WorkerGradient<T>> mine_ = {};
  std::uint32_t message_ = 0;      // in this round
  std::uint32_t first_block_ = 0;  // of this message among the blocks of the round
  std::uint32_t active_ = 0;
  std::vector<ChannelPath> paths_;  // by worker
  std::vector<double> spent_ = {};  // by worker, in this round
  std::vector<std::byte> told_bytes_ = {};
  Gathered gathered_ = {};
  std::vector<Divergence> diverged_ = {};
  std::vector<double> norms_ = {};                // by worker and block
  std::vector<double> told_ = {};                 // likewise
  std::vector<std::vector<double>> before_ = {};  // by message: norms_ of the last round
  std::vector<double> heard_ = {};                // told_ of the active workers
  std::vector<double> largest_ = {};              // c_b
  std::vector<double> shares_ = {};
  std::vector<double> powers_ = {};  // P_b
  std::vector<double> scales_ = {};  // a_b, 0 for blocks that are not sent
  std::vector<const T*> rows_ = {};
  Scratch<T> clean_ = {};
  std::span<const T> noiseless_ = {};
  RoundReport report_ = {};
};

}  // namespace

std::vector<ParamCard> air_params() {
  return {{.key = "power",
           .type = ParamType::kReal,
           .help = "P: energy that one worker may spend in one round, over all its channel uses; "
                   "the noise has variance 1 per use",
           .min = 0,
           .min_open = true},
          {.key = "course",
           .type = ParamType::kChoice,
           .default_text = "constant",
           .help = "the power over the rounds: constant, or from P/3 to 5P/3 and back, with mean P",
           .choices = power_course_names()},
          {.key = "horizon",
           .type = ParamType::kInteger,
           .default_text = "0",
           .help = "rounds over which the power changes, when it is not constant",
           .min = 0,
           .max = 4e9},
          {.key = "allocation",
           .type = ParamType::kChoice,
           .default_text = "norm",
           .help = "what the power of a tensor's message is proportional to; norm-sqrtd makes the "
                   "noise least",
           .choices = allocation_names()},
          {.key = "channel",
           .type = ParamType::kSpec,
           .default_text = "awgn",
           .help = "the channel, e.g. (rayleigh:threshold=0.1)",
           .spec_kind = "channel"},
          {.key = "form",
           .type = ParamType::kChoice,
           .default_text = "effective",
           .help = "effective: noise is added to the mean; physical: signals are scaled, "
                   "superposed and scaled back; equal in distribution",
           .choices = {"effective", "physical"}},
          {.key = "charge",
           .type = ParamType::kFlag,
           .default_text = "false",
           .help = "whether the norms that workers tell, and the scales that the server returns, "
                   "are counted as uplink and downlink bits"}};
}

ParamCard components_param() {
  return {.key = "components",
          .type = ParamType::kChoice,
          .default_text = "joint",
          .help =
              "how a factor's power is divided among its columns: one scale for all, or shares "
              "proportional to 1, their norm or its square",
          .choices = {"joint", "uniform", "norm", "norm2"}};
}

Components components_of(const Args& args) {
  const std::string& text = args.text("components");
  if (text == "uniform") return Components::kUniform;
  if (text == "norm") return Components::kNorm;
  return text == "norm2" ? Components::kNorm2 : Components::kJoint;
}

template <Real T>
std::unique_ptr<SymbolMean<T>> make_air_mean(const Args& args, const AggregatorSetup& setup,
                                             double exponent) {
  const auto& names = allocation_names();
  const auto rule = std::find(names.begin(), names.end(), args.text("allocation"));
  const AirOptions options = {
      .power = {.power = args.real("power"),
                .course = power_course(args.text("course")),
                .rounds = static_cast<std::uint32_t>(args.integer("horizon"))},
      .rule = {.groups = static_cast<Allocation>(rule - names.begin()), .exponent = exponent},
      .physical = args.text("form") == "physical",
      .charge = args.flag("charge")};
  return std::make_unique<AirMean<T>>(
      setup, options, channels().make(args.nested("channel"), {.seed = setup.seed}));
}
template std::unique_ptr<SymbolMean<float>> make_air_mean(const Args&, const AggregatorSetup&,
                                                          double);
template std::unique_ptr<SymbolMean<double>> make_air_mean(const Args&, const AggregatorSetup&,
                                                           double);

std::vector<std::string> power_problems(const Args& args) {
  if (power_course(args.text("course")) == PowerCourse::kConstant || args.integer("horizon") >= 2) {
    return {};
  }
  return {
      fmt::format("{}: course={} needs horizon, the rounds over which the power changes; give "
                  "the number of rounds of the run, at least 2",
                  args.spec().name, args.text("course"))};
}

std::vector<std::string> analog_problems(const Args& args) {
  std::vector<std::string> out = power_problems(args);
  if (!channels().make(args.nested("channel"), {})->aligned()) {
    out.push_back(
        fmt::format("{}: over channel {} without inversion the workers' signals arrive with random "
                    "phases and their sum means nothing; use inversion=true",
                    args.spec().name, args.nested("channel").name));
  }
  return out;
}

}  // namespace laconic::aggregate
