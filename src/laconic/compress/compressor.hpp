// SPDX-License-Identifier: Apache-2.0
// A compressor is a stateless map of a vector, written as bytes. What it promises is data (Traits)
// that configurations are checked against and that the contract suite measures.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "laconic/base/registry.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/sparse.hpp"
#include "laconic/wire/frame.hpp"

namespace laconic {

// How the payloads of several workers may be combined by a server.
enum class Combine : std::uint8_t {
  kDecodeThenAdd,  // decode each, then add
  kSumPayloads,    // payloads may be added before decoding
  kVote,           // payloads are votes
};

// What n workers that compress vectors a_1 .. a_n promise together (3pc.md 2.4):
//   E|(1/n) sum C_i(a_i) - mean|^2 <= a (1/n) sum |a_i|^2 - b |mean|^2
struct Joint {
  double a = 0;
  double b = 0;
};

// What a compressor C promises for a tensor of a given shape; E is over its own randomness.
struct Traits {
  bool unbiased = false;             // E C(x) = x
  std::optional<double> omega = {};  // E|C(x)-x|^2 <= omega |x|^2, only with unbiased
  std::optional<double> alpha = {};  // E|C(x)-x|^2 <= (1-alpha)|x|^2
  std::optional<Joint> joint = {};   // for the number of workers of its setup; only with unbiased
  Combine combine = Combine::kDecodeThenAdd;
  bool randomized = false;
  // C(x) equals x on some coordinates and is 0 on all others: a composition may build on it.
  bool selects = false;
  // Made for error feedback though it does not contract: what is left of a vector, added to what
  // comes later, stays bounded where that is bounded.
  bool accumulates = false;
  // encode_sparse and decode_sparse may be called: what is 0 costs nothing.
  bool sparse = false;
};

// The facts of the experiment from which randomness is derived, known to sender and receiver alike.
struct CompressContext {
  std::uint64_t seed = 0;
  std::uint32_t worker = 0;  // the sender
  std::uint32_t workers = 1;
  std::uint32_t round = 0;
  std::uint32_t tensor = 0;
  rng::Purpose purpose = rng::Purpose::kCompress;  // kServer for the downlink
  // Which of several compressors of one message: 0 for the only one, see child().
  std::uint32_t path = 0;
};
// The context of the index-th compressor inside a method that uses several, so that no two of them
// draw the same numbers. index < 3.
[[nodiscard]] CompressContext child(const CompressContext& context, std::uint32_t index);
// Where a compressor draws from: numbers of its own for every worker, or the same for all workers.
// docs/reproducibility.md says how the path enters.
[[nodiscard]] rng::Stream own_stream(const CompressContext& context);
[[nodiscard]] rng::Stream shared_stream(const CompressContext& context);

// Stateless; const methods may run on many threads at once.
template <Real T>
class Compressor {
 public:
  virtual ~Compressor() = default;
  Compressor() = default;
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  [[nodiscard]] virtual Traits traits(Shape shape) const = 0;
  // Why a tensor of this shape cannot be compressed, in one line with the remedy; empty if it can.
  [[nodiscard]] virtual std::string misfit(Shape shape) const {
    static_cast<void>(shape);
    return {};
  }
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
  // The same onto sums in double: every decoded number is added without rounding it to T. Methods
  // whose messages are increments keep their state this way, so that sender and receiver stay
  // together in float runs too. Compressors that need not look at all of y override it.
  virtual Status decode_add_wide(wire::WireReader& in, const CompressContext& context, double scale,
                                 TensorSpan<double> y) const;

  // The bytes and bits of encode for the vector with its zeros, in time linear in the numbers (and
  // in the message). Preconditions: traits of the n x 1 tensor say sparse; values are finite, none
  // is 0.
  virtual void encode_sparse(const SparseView<T>& x, const CompressContext& context,
                             wire::Message& out) const;
  // y = C(x) of length dim, in time linear in the message; some values may be 0. On failure y is
  // unspecified. Precondition: as above.
  virtual Status decode_sparse(wire::WireReader& in, const CompressContext& context,
                               std::size_t dim, SparseVector<T>& y) const;
};

struct CompressorSetup {
  std::uint32_t workers = 1;  // that compress together; perm-k divides the coordinates among them
};
template <Real T>
using CompressorRegistry = Registry<Compressor<T>, CompressorSetup>;
template <Real T>
[[nodiscard]] const CompressorRegistry<T>& compressors();
void add_compressor_cards(Catalog& catalog);

// What the card cannot say: combinations of parameters, promises that an inner compressor does not
// keep. One line per problem, each with a remedy. Precondition: canonical passed Catalog::problems.
[[nodiscard]] std::vector<std::string> compressor_problems(const Spec& canonical,
                                                           std::uint32_t workers);
// The promise for a shape in words, with what to use where the other promise is needed:
// "unbiased (omega=99), not contractive; try shrink:randk:k=0.01". Precondition:
// compressor_problems is empty.
[[nodiscard]] std::string compressor_promise_text(const Spec& canonical, std::uint32_t workers,
                                                  Shape shape);
// The spec without switches and choices that have their default value: what a message quotes.
[[nodiscard]] std::string compressor_text(const Spec& canonical);

}  // namespace laconic
