// SPDX-License-Identifier: Apache-2.0
// Random numbers named by facts of the experiment. A Stream is (seed, purpose, worker, round,
// tensor); what it yields depends on nothing else: not on threads, ranks, clocks or the number of
// calls made elsewhere. Philox key = seed; counter = {block, round, worker, purpose << 24 |
// tensor}.
//
// The draws are part of the format of recorded results: docs/reproducibility.md specifies them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "laconic/rng/philox.hpp"

namespace laconic::rng {

// What the numbers are for. Two purposes never share a stream. Append only: the numbers are
// recorded.
enum class Purpose : std::uint8_t {
  kOrder = 0,       // example orders
  kBatch = 1,       // sampling of batches with replacement
  kCompress = 2,    // a worker's own compression randomness
  kShared = 3,      // randomness that all ranks derive alike; the worker field is 0
  kZeroSign = 4,    // sign of a zero coordinate
  kTie = 5,         // sign of a tied vote
  kInitial = 6,     // starting point
  kData = 7,        // generated data
  kShard = 8,       // distribution of the data over workers
  kNoise = 9,       // gradient noise of synthetic problems
  kChannel = 10,    // channel noise and fading
  kAdversary = 11,  // adversaries' randomness
  kServer = 12,     // the server's compression randomness
  kTest = 13,       // tests and benchmarks
};

struct StreamId {
  Purpose purpose = Purpose::kTest;
  std::uint32_t worker = 0;
  std::uint32_t round = 0;
  std::uint32_t tensor = 0;  // below 2^24
};

// Random access: block(i) is four independent 32-bit words. A value, cheap to copy, safe to share.
class Stream {
 public:
  // Precondition: id.tensor < 2^24.
  Stream(std::uint64_t seed, StreamId id);
  [[nodiscard]] PhiloxCounter block(std::uint32_t index) const {
    return philox4x32({index, round_, worker_, purpose_and_tensor_}, key_);
  }
  // Word i of the stream, i < 2^34.
  [[nodiscard]] std::uint32_t word(std::uint64_t i) const {
    return block(static_cast<std::uint32_t>(i >> 2))[i & 3];
  }
  [[nodiscard]] PhiloxKey key() const { return key_; }
  [[nodiscard]] PhiloxCounter counter(std::uint32_t index) const {
    return {index, round_, worker_, purpose_and_tensor_};
  }

 private:
  PhiloxKey key_;
  std::uint32_t round_;
  std::uint32_t worker_;
  std::uint32_t purpose_and_tensor_;
};

// Reads a stream from its start. Each call states how many 32-bit words it consumes. Not for
// sharing between threads.
class Reader {
 public:
  explicit Reader(const Stream& stream) : stream_(stream) {}
  std::uint32_t u32();   // 1 word
  std::uint64_t u64();   // 2 words, the first is the low half
  float unit_float();    // 1 word: its upper 24 bits * 2^-24, in [0, 1)
  double unit_double();  // 2 words: upper 53 bits * 2^-53, in [0, 1)
  // Uniform in [0, bound), without bias (Lemire's multiplication with rejection); bound > 0.
  // Consumes 1 word per attempt for bound <= 2^32, else 2.
  std::uint64_t below(std::uint64_t bound);
  // Standard normal by Box-Muller: 4 words give two numbers, the cosine branch first.
  double normal();

 private:
  Stream stream_;
  PhiloxCounter words_{};
  std::uint32_t next_block_ = 0;
  std::uint32_t used_ = 4;
  double spare_normal_ = 0;
  bool has_spare_normal_ = false;
};

// A uniform permutation of the elements (Fisher-Yates from the last position downwards).
void permute(const Stream& stream, std::span<std::uint32_t> values);
// Fills with independent N(mean, deviation^2).
struct Normal {
  double mean = 0;
  double deviation = 1;
};
void fill_normal(const Stream& stream, Normal normal, std::span<float> out);
void fill_normal(const Stream& stream, Normal normal, std::span<double> out);

}  // namespace laconic::rng
