// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 for many blocks at once, one block per 32-bit lane.
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

// `count` blocks from `first` on, a multiple of kBlocks. counter[0] is not used.
void blocks(const std::uint32_t* key, const std::uint32_t* counter, std::uint32_t first,
            std::size_t count, std::uint32_t* out) {
  const WordTag d;
  const auto factor0 = hn::Set(d, 0xD2511F53U);
  const auto factor1 = hn::Set(d, 0xCD9E8D57U);
  for (std::size_t done = 0; done < count; done += kBlocks) {
    auto c0 = hn::Iota(d, first + static_cast<std::uint32_t>(done));
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
    hn::StoreInterleaved4(c0, c1, c2, c3, d, out + 4 * done);
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
HWY_EXPORT(blocks_at_once);
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
  std::array<std::uint32_t, 64> rest;
  LACONIC_ASSERT(4 * step <= rest.size());
  HWY_DYNAMIC_DISPATCH(blocks)
  (key.data(), counter.data(), block + static_cast<std::uint32_t>(whole), step, rest.data());
  for (std::size_t i = 4 * whole; i < out.size(); ++i) out[i] = rest[i - 4 * whole];
}

}  // namespace laconic::kernels
#endif  // HWY_ONCE
