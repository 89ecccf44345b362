// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include "laconic/experiment/heap.hpp"

namespace laconic::experiment {

std::optional<std::uint64_t> heap_bytes() {
  const struct mallinfo2 info = mallinfo2();  // of the arenas of all threads
  const std::uint64_t bytes = info.uordblks + info.hblkhd;
  if (bytes == 0) return std::nullopt;  // an allocator has taken malloc's place, a sanitizer's say
  return bytes;
}

}  // namespace laconic::experiment
