// SPDX-License-Identifier: Apache-2.0
// The k numbers of largest magnitude, without sorting. A lower bound of the k-th largest magnitude
// comes from a few maxima or from a sample; one scan collects everything that reaches it, and the
// k largest are chosen among what was collected. Where more is collected than memory was set aside
// for, it is cut down to k, which raises the bound. The bound decides about speed alone: what is
// chosen is exact, so that it is the same on every SIMD target.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/simd_tables.hpp"
#include "laconic/tensor/workspace.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "laconic/kernels/simd_select.cpp"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "laconic/kernels/simd-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace laconic::kernels::HWY_NAMESPACE {
namespace {

template <class T>
HWY_INLINE T size_of(T value) {
  return value < 0 ? -value : value;
}

template <class T>
HWY_INLINE std::uint64_t reaching(const T* x, T threshold) {
  const hn::ScalableTag<T> d;
  const auto bar = hn::Set(d, threshold);
  std::uint64_t word = 0;
  for (std::size_t k = 0; k < kWordBits; k += hn::MaxLanes(hn::ScalableTag<T>())) {
    word |= bits_of_mask(d, hn::Ge(hn::Abs(hn::LoadU(d, x + k)), bar)) << k;
  }
  return word;
}

template <class T>
std::size_t scan(const T* x, std::size_t begin, std::size_t size, T threshold,
                 detail::Found<T>& found) {
  std::size_t count = found.count;
  std::size_t i = begin;
  for (; i + kWordBits <= size && count + kWordBits <= found.capacity; i += kWordBits) {
    prefetch(x + i, kWordBits * sizeof(T));
    for (std::uint64_t word = reaching(x + i, threshold); word != 0; word &= word - 1) {
      const std::size_t at = i + hwy::Num0BitsBelowLS1Bit_Nonzero64(word);
      found.magnitudes[count] = size_of(x[at]);
      found.indices[count] = static_cast<std::uint32_t>(at);
      ++count;
    }
  }
  if (size - i < kWordBits && count + kWordBits <= found.capacity) {
    for (; i < size; ++i) {
      found.magnitudes[count] = size_of(x[i]);
      found.indices[count] = static_cast<std::uint32_t>(i);
      count += found.magnitudes[count] >= threshold ? 1U : 0U;
    }
  }
  found.count = count;
  return i;
}

template <class T>
void stripe_maxima(const T* x, std::size_t size, T* maxima) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr std::size_t kVectors = detail::kStripes / kLanes;
  hn::Vec<hn::ScalableTag<T>> largest[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) largest[v] = hn::Zero(d);
  std::size_t i = 0;
  for (; i + detail::kStripes <= size; i += detail::kStripes) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      largest[v] = hn::Max(largest[v], hn::Abs(hn::LoadU(d, x + i + v * kLanes)));
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(largest[v], d, maxima + v * kLanes);
  for (; i < size; ++i) {
    const T magnitude = size_of(x[i]);
    T& stripe = maxima[i % detail::kStripes];
    stripe = magnitude > stripe ? magnitude : stripe;
  }
}

template <class T>
std::uint32_t argmax(const T* x, std::size_t size) {
  const hn::ScalableTag<T> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<T>());
  auto largest0 = hn::Zero(d);
  auto largest1 = hn::Zero(d);
  std::size_t i = 0;
  for (; i + 2 * kLanes <= size; i += 2 * kLanes) {
    prefetch(x + i, 2 * kLanes * sizeof(T));
    largest0 = hn::Max(largest0, hn::Abs(hn::LoadU(d, x + i)));
    largest1 = hn::Max(largest1, hn::Abs(hn::LoadU(d, x + i + kLanes)));
  }
  HWY_ALIGN T lanes[kLanes];
  hn::Store(hn::Max(largest0, largest1), d, lanes);
  T largest = 0;
  for (std::size_t k = 0; k < kLanes; ++k) largest = lanes[k] > largest ? lanes[k] : largest;
  for (; i < size; ++i) {
    const T magnitude = size_of(x[i]);
    largest = magnitude > largest ? magnitude : largest;
  }
  for (i = 0; i + kWordBits <= size; i += kWordBits) {
    const std::uint64_t word = reaching(x + i, largest);
    if (word == 0) continue;
    return static_cast<std::uint32_t>(i + hwy::Num0BitsBelowLS1Bit_Nonzero64(word));
  }
  while (size_of(x[i]) < largest) ++i;
  return static_cast<std::uint32_t>(i);
}

template <class T>
constexpr detail::SelectTable<T> make_select_table() {
  return {.scan = scan<T>, .stripe_maxima = stripe_maxima<T>, .argmax = argmax<T>};
}

detail::SelectTable<float> select_f32() { return make_select_table<float>(); }
detail::SelectTable<double> select_f64() { return make_select_table<double>(); }

}  // namespace
}  // namespace laconic::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace laconic::kernels {
namespace {

HWY_EXPORT(select_f32);
HWY_EXPORT(select_f64);

template <Real T>
detail::SelectTable<T> table() {
  if constexpr (std::same_as<T, float>) {
    return HWY_DYNAMIC_DISPATCH(select_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(select_f64)();
  }
}

constexpr std::size_t kSpare = 4096;        // collected beyond 2 k before it is cut down
constexpr std::size_t kFewest = 128;        // below this everything is collected
constexpr std::size_t kStripedMax = 16384;  // up to this stripes give the bound if k is small
constexpr std::size_t kStripedK = 32;
constexpr std::size_t kSampledMin = 1024;  // from here on a sample gives the bound
constexpr std::size_t kLargestSample = 32768;

template <Real T>
struct Memory {
  Scratch<T> magnitudes;
  Scratch<std::uint32_t> indices;
  Scratch<T> order;  // for choosing the k-th of something
};

// The k-th largest of the values, which are reordered. 0 < k <= values.size().
template <Real T>
T kth_largest(std::span<T> values, std::size_t k) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(values.begin(), at, values.end(), std::greater<T>());
  return *at;
}

// The k-th largest of the stripes' maxima, of which each is the magnitude of another element.
// Keeps the k largest seen so far in order.
template <Real T>
T kth_of_few(std::span<const T> values, std::size_t k) {
  T best[kStripedK];
  std::size_t count = 0;
  for (const T value : values) {
    if (count == k && value <= best[k - 1]) continue;
    std::size_t i = count < k ? count++ : k - 1;
    for (; i > 0 && best[i - 1] < value; --i) best[i] = best[i - 1];
    best[i] = value;
  }
  return best[k - 1];
}

// Probably below the k-th largest magnitude: the element of the sample that has `rank` larger ones.
template <Real T>
T sampled_bound(std::span<const T> x, std::size_t k, double margin, Scratch<T>& memory) {
  const std::size_t size = std::min(kLargestSample, x.size() / 8);
  const std::size_t stride = x.size() / size;
  const double mean =
      static_cast<double>(size) * static_cast<double>(k) / static_cast<double>(x.size());
  const double rank = mean + margin * (std::sqrt(mean) + 1);
  if (rank + 1 >= static_cast<double>(size)) return 0;
  const std::span<T> sample = memory.take(size);
  std::uint32_t scatter = 0;
  for (std::size_t i = 0; i < size; ++i) {
    scatter += 0x9E3779B9U;  // no period of the data meets that of the sample
    const std::size_t at = i * stride + ((std::uint64_t{scatter} * stride) >> 32);
    sample[i] = std::abs(x[at]);
  }
  return kth_largest<T>(sample, static_cast<std::size_t>(rank) + 1);
}

template <Real T>
T first_bound(std::span<const T> x, std::size_t k, const detail::SelectTable<T>& kernels,
              Memory<T>& memory) {
  if (x.size() < kFewest) return 0;
  if (k <= kStripedK && x.size() <= kStripedMax) {
    T maxima[detail::kStripes];
    kernels.stripe_maxima(x.data(), x.size(), maxima);
    return kth_of_few<T>(maxima, k);
  }
  return x.size() < kSampledMin ? T{0} : sampled_bound<T>(x, k, 3, memory.order);
}

// Keeps the k largest, of equal ones the first. Returns the smallest magnitude kept.
template <Real T>
T cut_down(detail::Found<T>& found, std::size_t k, Scratch<T>& memory) {
  const std::span<T> order = memory.take(found.count);
  std::copy_n(found.magnitudes, found.count, order.begin());
  const T last = kth_largest<T>(order, k);
  auto equals = static_cast<std::size_t>(
      std::count(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), last));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < found.count; ++i) {
    const T magnitude = found.magnitudes[i];
    if (magnitude < last) continue;
    if (magnitude == last) {
      if (equals == 0) continue;
      --equals;
    }
    found.magnitudes[kept] = magnitude;
    found.indices[kept] = found.indices[i];
    ++kept;
  }
  found.count = kept;
  return last;
}

// The smallest number above a magnitude.
float above(float x) { return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) + 1); }
double above(double x) { return std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) + 1); }

// All elements that reach the bound, cut down to the k largest whenever memory runs out.
template <Real T>
void collect(std::span<const T> x, std::size_t k, T bound, const detail::SelectTable<T>& kernels,
             detail::Found<T>& found, Scratch<T>& order) {
  found.count = 0;
  for (std::size_t at = 0; at < x.size();) {
    at = kernels.scan(x.data(), at, x.size(), bound, found);
    // What comes later loses against its equals among those that are kept.
    if (at < x.size()) bound = above(cut_down(found, k, order));
  }
}

}  // namespace

template <Real T>
void select_top_k(std::span<const T> x, std::span<std::uint32_t> indices) {
  const std::size_t k = indices.size();
  LACONIC_EXPECTS(k <= x.size());
  LACONIC_EXPECTS(x.size() <= (std::uint64_t{1} << 32));
  if (k == 0) return;
  if (k == x.size()) return std::iota(indices.begin(), indices.end(), 0U);
  const detail::SelectTable<T> kernels = table<T>();
  if (k == 1) {
    indices[0] = kernels.argmax(x.data(), x.size());
    return;
  }
  thread_local Memory<T> memory;  // grows with k, then stays
  const std::size_t capacity = std::min(x.size(), 2 * k + kSpare) + 64;
  detail::Found<T> found = {.magnitudes = memory.magnitudes.take(capacity).data(),
                            .indices = memory.indices.take(capacity).data(),
                            .capacity = capacity};
  // How much is found depends on the numbers; memory shall not.
  static_cast<void>(memory.order.take(capacity));
  collect<T>(x, k, first_bound<T>(x, k, kernels, memory), kernels, found, memory.order);
  // A sample can mislead.
  for (double margin = 12; found.count < k; margin *= 8) {
    const T bound = sampled_bound<T>(x, k, margin, memory.order);
    collect<T>(x, k, bound, kernels, found, memory.order);
  }
  if (found.count > k) cut_down<T>(found, k, memory.order);
  std::copy_n(found.indices, k, indices.begin());
}
template void select_top_k(std::span<const float>, std::span<std::uint32_t>);
template void select_top_k(std::span<const double>, std::span<std::uint32_t>);

}  // namespace laconic::kernels
#endif  // HWY_ONCE
