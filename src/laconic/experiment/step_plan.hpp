// SPDX-License-Identifier: Apache-2.0
// How long a step of data-parallel training takes with one method or another, before anything is
// trained: from what a step of the method costs one worker (step_measure.hpp) and from the network.
// docs/plan.md says what the model takes into account.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/experiment/config.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic::experiment {

// Means over the steps after warm-up, of one worker alone on its machine.
struct StepLoad {
  double uplink_bytes = 0;    // frames
  double downlink_bytes = 0;  // likewise
  double link_bytes = 0;      // as in docs/network-model.md
  double latency_steps = 0;   // likewise
  double calls = 0;           // collective calls; each compares calls and sizes before data moves
  double codec_seconds = 0;   // processor time of encoding, decoding, adding and copying
  std::optional<double> memory_bytes = {};  // beyond model and gradients, where it can be known
};

// A segment of TCP over Ethernet takes 1514 bytes of the link and carries 1448.
inline constexpr double kLinkBytesPerByte = 1514.0 / 1448.0;

struct StepConditions {
  Network network = {};
  // Bytes on the link for each byte that is sent; 1 where the bandwidth is what a transfer reached.
  double bytes_per_byte = kLinkBytesPerByte;
  double gradient_seconds = 0;
  double codec_slowdown = 1;  // workers of a machine over its cores, where that is more than 1
};

struct StepSeconds {
  double gradient = 0;
  double codec = 0;
  double network = 0;
  // Of a loop that computes, then synchronizes.
  [[nodiscard]] double total() const { return gradient + codec + network; }
};
[[nodiscard]] StepSeconds predict_step(const StepLoad& load, const StepConditions& conditions);

// On which bandwidths a step of a method takes less time than one of another.
struct BreakEven {
  enum class Kind : std::uint8_t {
    kNever,
    kBelow,  // on links slower than bits_per_second
    kAbove,
    kAlways,
  };
  Kind kind = Kind::kNever;
  double bits_per_second = 0;  // of kBelow and kAbove
  bool operator==(const BreakEven&) const = default;
};
[[nodiscard]] BreakEven break_even(const StepLoad& load, const StepLoad& other,
                                   const StepConditions& conditions);

// "784x1024,1024,w2=1024x10,3*16x16x3x3": tensors by their shapes, from the first to the last
// layer. More than two numbers are a matrix of as many rows as the first one says; one number is a
// bias.
[[nodiscard]] Result<std::vector<Tensor>> parse_tensors(std::string_view text);

}  // namespace laconic::experiment
