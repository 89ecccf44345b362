// SPDX-License-Identifier: Apache-2.0
// Levels of a scale that all workers share ("scaler sharing" of TernGrad; kind 8 of
// quantized-adagrad.md 2.7). Their sum over the workers is a vector of integers, so that it can be
// added up anywhere, in any order, and is sent without loss in ceil(log2(2 M S + 1)) bits per
// number for M workers and S levels.
#pragma once

#include <cstdint>
#include <span>

#include "laconic/compress/compressor.hpp"

namespace laconic {

template <Real T>
struct SharedScale {
  T scale = 0;  // not negative; numbers beyond it are clipped to it
  std::uint32_t levels = 1;
};
// Appends x, rounded at random to levels of the scale, as vaninf does: one level body.
template <Real T>
void write_shared_levels(const SharedScale<T>& shared, TensorView<T> x,
                         const CompressContext& context, wire::Message& out);
// Reads one such body and adds its signed levels. On failure the reader tells why and the sums are
// unchanged; a body with a number that is no level of the scale is refused.
template <Real T>
void add_shared_levels(const SharedScale<T>& shared, wire::WireReader& reader,
                       std::span<std::int32_t> sums);

// Sums from -bound to bound, offset by the bound, in as many bits as 2 bound needs, behind each
// other. Precondition: bound < 2^30.
[[nodiscard]] std::uint32_t level_sum_bits(std::uint32_t bound);
void write_level_sums(std::uint32_t bound, std::span<const std::int32_t> sums, wire::Message& out);
// On failure the reader tells why, and `sums` is unspecified.
void read_level_sums(std::uint32_t bound, wire::WireReader& reader, std::span<std::int32_t> sums);

}  // namespace laconic
