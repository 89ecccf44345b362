// SPDX-License-Identifier: Apache-2.0
// Aligned storage and reusable scratch memory, so that after warm-up a round allocates nothing.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <vector>

namespace laconic {

inline constexpr std::size_t kAlignment = 64;  // a cache line, and the widest SIMD register

template <class T>
struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <class U>
  AlignedAllocator(const AlignedAllocator<U>&) {
  }  // NOLINT(google-explicit-constructor): allocators convert
  T* allocate(std::size_t n) {
    return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(kAlignment)));
  }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(kAlignment)); }
  template <class U>
  bool operator==(const AlignedAllocator<U>&) const {
    return true;
  }
};

template <class T>
using AlignedVector = std::vector<T, AlignedAllocator<T>>;

// A buffer that only grows. Each user owns one per kind of scratch; contents are unspecified.
// Not for sharing between threads.
template <class T>
class Scratch {
 public:
  // The first `count` elements, contents unspecified. Invalidates earlier spans. Allocates only
  // when the largest count so far is exceeded.
  std::span<T> take(std::size_t count) {
    if (storage_.size() < count) storage_.resize(count);
    return std::span<T>(storage_).first(count);
  }

 private:
  AlignedVector<T> storage_;
};

}  // namespace laconic
