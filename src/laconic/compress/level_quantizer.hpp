// SPDX-License-Identifier: Apache-2.0
// What van2, vaninf, thr-clip, thr-unb, thr-hard and two-bit share: buckets of coordinates, each
// with a scale of its own, whose numbers become a few levels of it, sent as level bodies. They
// differ in how they find the scale, and in whether they round at random. Private.
#pragma once

#include <cstdint>
#include <memory>

#include "laconic/compress/methods.hpp"

namespace laconic::compress {

enum class ScaleRule : std::uint8_t {
  kTwoNorm,   // |v|_2
  kMaxNorm,   // |v|_inf
  kOptimal,   // the threshold of least error
  kRms,       // `tau` root mean squares of the numbers that are not 0, at most |v|_inf
  kBudget,    // such that `tau` numbers are expected to be sent; below 1, that fraction of them
  kFixed,     // `tau`
  kDeadZone,  // the best dead zone; deterministic
};

struct LevelOptions {
  ScaleRule rule = ScaleRule::kMaxNorm;
  std::uint32_t levels = 1;
  double tau = 0;
  bool exact = false;      // numbers beyond the scale are sent as they are, else clipped to it
  bool at_random = true;   // else numbers below the threshold become 0
  std::size_t bucket = 0;  // coordinates that share a scale; 0 for the whole tensor
  std::uint32_t workers = 1;
};

template <Real T>
[[nodiscard]] std::unique_ptr<Compressor<T>> make_level_quantizer(const LevelOptions& options);

[[nodiscard]] ParamCard level_count_param();
[[nodiscard]] ParamCard bucket_param();
// A multiple of 64.
[[nodiscard]] std::size_t bucket_of(const Args& args);
// A parameter that was given though another one makes it meaningless: `key` needs choice=`needed`.
struct Condition {
  std::string_view key;
  std::string_view choice;
  std::string_view needed;
};
// Empty unless the value of condition.key is not its default.
[[nodiscard]] std::vector<std::string> unused_param(const Args& args, const Card& card,
                                                    const Condition& condition);

}  // namespace laconic::compress
