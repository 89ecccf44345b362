// SPDX-License-Identifier: Apache-2.0
// How the messages of linear methods become their mean over the workers. A message is a row of
// numbers, one row per worker; because the methods are linear, rows may be added before they are
// decoded. Over the wire the mean is exact (wire_mean); over the air it is what an analog channel
// leaves of it (air_mean, laser.md 2.2).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/aggregate/allocation.hpp"
#include "laconic/base/args.hpp"

namespace laconic::aggregate {

template <Real T>
class SymbolMean {
 public:
  virtual ~SymbolMean() = default;
  SymbolMean() = default;
  SymbolMean(const SymbolMean&) = delete;
  SymbolMean& operator=(const SymbolMean&) = delete;

  // Starts a round. Remembers which gradients are not finite; the next mean() throws DivergedError
  // on every rank if there is one.
  virtual void begin(const Round& round, std::span<const WorkerGradient<T>> mine) = 0;
  // Whether the worker transmits in this round; what a silent one wants to say stays with it.
  [[nodiscard]] virtual bool active(std::uint32_t worker) const = 0;
  // How many of all workers are active in this round.
  [[nodiscard]] virtual std::uint32_t active_count() const = 0;

  struct Message {
    std::span<const AirBlock> blocks = {};  // cover the row, in order
    std::span<T* const> rows = {};          // of the hosted workers, in order
    double power_fraction = 1;  // of the round's power; all messages of a round use 1 together
  };
  // Collective. received = what the server knows of the mean over the active workers, the same bits
  // on every rank. Contents of the rows are unspecified afterwards.
  virtual void mean(const Message& message, std::span<T> received, Communicator& comm) = 0;
  // The mean without the channel's noise, of the last message.
  [[nodiscard]] virtual std::span<const T> noiseless() const = 0;
  // What it remembers from round to round; see Aggregator::state.
  virtual void state(wire::StateArchive& archive) = 0;
  // Complete after the last message of the round. Methods may replace lambda.
  [[nodiscard]] virtual RoundReport& report() = 0;
};

template <Real T>
[[nodiscard]] std::unique_ptr<SymbolMean<T>> make_wire_mean(const AggregatorSetup& setup);

// Within a group, how power is divided among blocks: one scale for all (blocks of a group must then
// be one block), or shares by norm.
enum class Components : std::uint8_t { kJoint, kUniform, kNorm, kNorm2 };

// The parameters of all methods over the air: power, course, horizon, allocation, channel, form,
// charge.
[[nodiscard]] std::vector<ParamCard> air_params();
[[nodiscard]] ParamCard components_param();
[[nodiscard]] Components components_of(const Args& args);
// `exponent`: within groups.
template <Real T>
[[nodiscard]] std::unique_ptr<SymbolMean<T>> make_air_mean(const Args& args,
                                                           const AggregatorSetup& setup,
                                                           double exponent = 0);
// What is wrong between these parameters, one line each; power_problems: of power, course and
// horizon alone.
[[nodiscard]] std::vector<std::string> analog_problems(const Args& args);
[[nodiscard]] std::vector<std::string> power_problems(const Args& args);

}  // namespace laconic::aggregate
