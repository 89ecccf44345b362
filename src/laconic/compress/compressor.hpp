// SPDX-License-Identifier: Apache-2.0
// A compressor is a stateless map of a vector, written as bytes. What it promises is data (Traits)
// that configurations are checked against and that the contract suite measures.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "laconic/base/registry.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/wire/frame.hpp"

namespace laconic {

// How the payloads of several workers may be combined by a server.
enum class Combine : std::uint8_t {
  kDecodeThenAdd,  // decode each, then add
  kSumPayloads,    // payloads may be added before decoding
  kVote,           // payloads are votes
};

// What a compressor C promises for a tensor of a given shape; E is over its own randomness.
struct Traits {
  bool unbiased = false;             // E C(x) = x
  std::optional<double> omega = {};  // E|C(x)-x|^2 <= omega |x|^2, only with unbiased
  std::optional<double> alpha = {};  // E|C(x)-x|^2 <= (1-alpha)|x|^2
  Combine combine = Combine::kDecodeThenAdd;
  bool randomized = false;
};

// The facts of the experiment from which randomness is derived, known to sender and receiver alike.
struct CompressContext {
  std::uint64_t seed = 0;
  std::uint32_t worker = 0;  // the sender
  std::uint32_t workers = 1;
  std::uint32_t round = 0;
  std::uint32_t tensor = 0;
  rng::Purpose purpose = rng::Purpose::kCompress;  // kServer for the downlink
};

// Stateless; const methods may run on many threads at once.
template <Real T>
class Compressor {
 public:
  virtual ~Compressor() = default;
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  [[nodiscard]] virtual Traits traits(Shape shape) const = 0;
  // Upper bound of what encode appends.
  [[nodiscard]] virtual std::size_t max_bytes(Shape shape) const = 0;
  // Appends a self-delimiting body to out.bytes and the bits a paper would count to
  // out.payload_bits. Precondition: x is finite.
  virtual void encode(TensorView<T> x, const CompressContext& context,
                      wire::Message& out) const = 0;
  // Error feedback in one go (signsgd.md 2.10): with p = g + r e, appends C(p) as encode does and
  // sets e = p - C(p), C(p) being what the receiver decodes. Compressors that can do better than
  // three passes override it; the bits are the same.
  virtual void encode_with_feedback(TensorView<T> g, T r, TensorSpan<T> e,
                                    const CompressContext& context, wire::Message& out) const;
  // y += scale * C(x), reading one body. On failure y is unchanged. Linear in the message and y.
  virtual Status decode_add(wire::WireReader& in, const CompressContext& context, T scale,
                            TensorSpan<T> y) const = 0;
};

struct CompressorSetup {};
template <Real T>
using CompressorRegistry = Registry<Compressor<T>, CompressorSetup>;
template <Real T>
[[nodiscard]] const CompressorRegistry<T>& compressors();
void add_compressor_cards(Catalog& catalog);

}  // namespace laconic
