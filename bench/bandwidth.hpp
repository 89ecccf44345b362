// SPDX-License-Identifier: Apache-2.0
// Yardsticks of memory speed: what a loop that does next to nothing reaches on the same bytes. They
// use the widest vectors of the CPU, as the kernels do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace laconic::bench {

// Reads everything: the sum of the 64-bit words.
[[nodiscard]] std::uint64_t plain_read(std::span<const std::uint64_t> words);
// y += x on 64-bit words: reads both, writes y.
void plain_update(std::span<const std::uint64_t> x, std::span<std::uint64_t> y);

}  // namespace laconic::bench
