// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 for many blocks at once, one block per 32-bit lane, and normal numbers made of the
// words while they are in registers.
#include <array>
#include <cstddef>
#include <cstdint>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_random.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

using WordTag = hn::ScalableTag<std::uint32_t>;
using WordVec = hn::Vec<WordTag>;
constexpr std::size_t kBlocks = hn::MaxLanes(WordTag());

struct Product {
  WordVec high;
  WordVec low;
};
// Dependent on the tag, because the target with one lane has no pairs of lanes.
template <class D>
HWY_INLINE Product multiply(D d, WordVec a, WordVec factor) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    const std::uint64_t product = std::uint64_t{hn::GetLane(a)} * hn::GetLane(factor);
    return {hn::Set(d, static_cast<std::uint32_t>(product >> 32)),
            hn::Set(d, static_cast<std::uint32_t>(product))};
  } else {
    const hn::Repartition<std::uint64_t, D> pairs;
    const auto even = hn::MulEven(a, factor);
    const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(pairs, a))), factor);
    const auto upper = hn::Set(pairs, 0xffffffff00000000U);
    const auto high = hn::Or(hn::ShiftRight<32>(even), hn::And(odd, upper));
    const auto low = hn::Or(hn::AndNot(upper, even), hn::ShiftLeft<32>(odd));
    return {hn::BitCast(d, high), hn::BitCast(d, low)};
  }
}

struct Block {
  WordVec words[4];
};
// Blocks first, first + 1, ..., one per lane. counter[0] is not used.
HWY_INLINE Block philox(const std::uint32_t* key, const std::uint32_t* counter,
                        std::uint32_t first) {
  const WordTag d;
  const auto factor0 = hn::Set(d, 0xD2511F53U);
  const auto factor1 = hn::Set(d, 0xCD9E8D57U);
  auto c0 = hn::Iota(d, first);
  auto c1 = hn::Set(d, counter[1]);
  auto c2 = hn::Set(d, counter[2]);
  auto c3 = hn::Set(d, counter[3]);
  std::uint32_t key0 = key[0];
  std::uint32_t key1 = key[1];
  for (int round = 0; round < 10; ++round) {
    const Product p0 = multiply(d, c0, factor0);
    const Product p1 = multiply(d, c2, factor1);
    c0 = hn::Xor(hn::Xor(p1.high, c1), hn::Set(d, key0));
    c1 = p1.low;
    c2 = hn::Xor(hn::Xor(p0.high, c3), hn::Set(d, key1));
    c3 = p0.low;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return {{c0, c1, c2, c3}};
}

// `count` blocks from `first` on, a multiple of kBlocks.
void blocks(const std::uint32_t* key, const std::uint32_t* counter, std::uint32_t first,
            std::size_t count, std::uint32_t* out) {
  for (std::size_t done = 0; done < count; done += kBlocks) {
    const Block b = philox(key, counter, first + static_cast<std::uint32_t>(done));
    hn::StoreInterleaved4(b.words[0], b.words[1], b.words[2], b.words[3], WordTag(),
                          out + 4 * done);
  }
}

using FloatTag = hn::Rebind<float, WordTag>;
using IntTag = hn::Rebind<std::int32_t, WordTag>;
using FloatVec = hn::Vec<FloatTag>;

HWY_INLINE FloatVec float_of(WordVec small) {  // below 2^31
  return hn::ConvertTo(FloatTag(), hn::BitCast(IntTag(), small));
}

template <std::size_t kCount>
HWY_INLINE FloatVec horner(const float (&coefficients)[kCount], FloatVec z) {
  const FloatTag d;
  FloatVec p = hn::Set(d, coefficients[0]);
  for (std::size_t k = 1; k < kCount; ++k) {
    p = hn::Add(hn::Mul(p, z), hn::Set(d, coefficients[k]));
  }
  return p;
}

// The operations of reference::random_normals in their order.
HWY_INLINE FloatVec negative_log(FloatVec w) {
  static constexpr float kArtanh[] = {2.0F / 9.0F, 2.0F / 7.0F, 2.0F / 5.0F, 2.0F / 3.0F};
  const FloatTag d;
  const WordTag words;
  const auto least = hn::Set(words, 0x3f3504f3U);
  const auto bits = hn::Add(hn::BitCast(words, w), hn::Set(words, 0x3f800000U - 0x3f3504f3U));
  const auto biased = hn::BitCast(IntTag(), hn::ShiftRight<23>(bits));
  const FloatVec exponent = hn::ConvertTo(d, hn::Sub(biased, hn::Set(IntTag(), 159)));
  const FloatVec m = hn::BitCast(d, hn::Add(hn::And(bits, hn::Set(words, 0x007fffffU)), least));
  const FloatVec one = hn::Set(d, 1.0F);
  const FloatVec s = hn::Div(hn::Sub(m, one), hn::Add(m, one));
  const FloatVec z = hn::Mul(s, s);
  const FloatVec p = hn::Mul(horner(kArtanh, z), z);
  const FloatVec log_m = hn::Add(hn::Mul(s, p), hn::Mul(hn::Set(d, 2.0F), s));
  return hn::Neg(hn::Add(hn::Mul(exponent, hn::Set(d, 0.693147180559945F)), log_m));
}

struct Pair {
  FloatVec x;
  FloatVec y;
};
HWY_INLINE Pair box_muller(WordVec radius_word, WordVec angle_word) {
  static constexpr float kSine[] = {2.7557319e-6F, -1.9841270e-4F, 8.3333333e-3F, -1.6666667e-1F};
  static constexpr float kCosine[] = {2.4801587e-5F, -1.3888889e-3F, 4.1666667e-2F, -0.5F};
  const FloatTag d;
  const WordTag words;
  const FloatVec high = hn::Mul(float_of(hn::ShiftRight<16>(radius_word)), hn::Set(d, 65536.0F));
  const FloatVec low =
      hn::Add(float_of(hn::And(radius_word, hn::Set(words, 0xffffU))), hn::Set(d, 0.5F));
  const FloatVec radius = hn::Sqrt(hn::Mul(hn::Set(d, 2.0F), negative_log(hn::Add(high, low))));

  const WordVec quarter = hn::ShiftRight<30>(hn::Add(angle_word, hn::Set(words, 0x20000000U)));
  const WordVec rest = hn::Sub(angle_word, hn::ShiftLeft<30>(quarter));
  const FloatVec t =
      hn::Mul(hn::ConvertTo(d, hn::BitCast(IntTag(), rest)), hn::Set(d, 0x1.921fb6p-30F));
  const FloatVec z = hn::Mul(t, t);
  const FloatVec sine = hn::Add(t, hn::Mul(t, hn::Mul(z, horner(kSine, z))));
  const FloatVec cosine = hn::Add(hn::Set(d, 1.0F), hn::Mul(z, horner(kCosine, z)));
  // All ones where the quarter is odd; signs as bit 31.
  const WordVec odd = hn::Sub(hn::Zero(words), hn::And(quarter, hn::Set(words, 1U)));
  const auto swapped = hn::BitCast(d, odd);
  const FloatVec x = hn::Or(hn::And(swapped, sine), hn::AndNot(swapped, cosine));
  const FloatVec y = hn::Or(hn::And(swapped, cosine), hn::AndNot(swapped, sine));
  const WordVec two = hn::Set(words, 2U);
  const WordVec x_sign = hn::ShiftLeft<30>(hn::And(hn::Add(quarter, hn::Set(words, 1U)), two));
  const WordVec y_sign = hn::ShiftLeft<30>(hn::And(quarter, two));
  return {hn::Mul(radius, hn::Xor(x, hn::BitCast(d, x_sign))),
          hn::Mul(radius, hn::Xor(y, hn::BitCast(d, y_sign)))};
}

// The four numbers of each of `count` blocks, a multiple of kBlocks.
void normal_blocks(const std::uint32_t* key, const std::uint32_t* counter, std::uint32_t first,
                   std::size_t count, float* out) {
  for (std::size_t done = 0; done < count; done += kBlocks) {
    const Block b = philox(key, counter, first + static_cast<std::uint32_t>(done));
    const Pair even = box_muller(b.words[0], b.words[1]);
    const Pair odd = box_muller(b.words[2], b.words[3]);
    hn::StoreInterleaved4(even.x, even.y, odd.x, odd.y, FloatTag(), out + 4 * done);
  }
}

std::size_t blocks_at_once() { return kBlocks; }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {
HWY_EXPORT(blocks);
HWY_EXPORT(normal_blocks);
HWY_EXPORT(blocks_at_once);

constexpr std::size_t kMostLanes = 16;
}  // namespace

void random_words(const rng::Stream& stream, std::uint64_t first, std::span<std::uint32_t> out) {
  for (; first % 4 != 0 && !out.empty(); ++first, out = out.subspan(1)) out[0] = stream.word(first);
  const rng::PhiloxKey key = stream.key();
  const rng::PhiloxCounter counter = stream.counter(0);
  const auto block = static_cast<std::uint32_t>(first / 4);
  const std::size_t step = HWY_DYNAMIC_DISPATCH(blocks_at_once)();
  const std::size_t whole = out.size() / 4 / step * step;
  HWY_DYNAMIC_DISPATCH(blocks)(key.data(), counter.data(), block, whole, out.data());
  if (4 * whole == out.size()) return;
  // The rest, as a whole vector of blocks.
  std::array<std::uint32_t, 4 * kMostLanes> rest;
  LACONIC_ASSERT(4 * step <= rest.size());
  HWY_DYNAMIC_DISPATCH(blocks)
  (key.data(), counter.data(), block + static_cast<std::uint32_t>(whole), step, rest.data());
  for (std::size_t i = 4 * whole; i < out.size(); ++i) out[i] = rest[i - 4 * whole];
}

void random_normals(const rng::Stream& stream, std::uint64_t first, std::span<float> out) {
  const rng::PhiloxKey key = stream.key();
  const rng::PhiloxCounter counter = stream.counter(0);
  const std::size_t step = HWY_DYNAMIC_DISPATCH(blocks_at_once)();
  LACONIC_ASSERT(step <= kMostLanes);
  std::array<float, 4 * kMostLanes> part;
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint64_t next = first + done;
    const auto block = static_cast<std::uint32_t>(next / 4);
    const std::size_t skip = next % 4;
    const std::size_t whole = skip == 0 ? (out.size() - done) / 4 / step * step : 0;
    if (whole > 0) {
      HWY_DYNAMIC_DISPATCH(normal_blocks)
      (key.data(), counter.data(), block, whole, out.data() + done);
      done += 4 * whole;
    } else {  // the beginning or the end, as a whole vector of blocks
      HWY_DYNAMIC_DISPATCH(normal_blocks)
      (key.data(), counter.data(), block, step, part.data());
      for (std::size_t i = skip; i < 4 * step && done < out.size(); ++i) out[done++] = part[i];
    }
  }
}

}  // namespace laconic::kernels
#endif  // HWY_ONCE
