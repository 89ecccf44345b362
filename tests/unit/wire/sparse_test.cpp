// SPDX-License-Identifier: Apache-2.0
// Sparse bodies: what is written is read again whichever coding was chosen, in the length that the
// formula gives; everything else is refused.
#include "laconic/wire/sparse.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "laconic/rng/stream.hpp"
#include "laconic/wire/bits.hpp"

namespace laconic::wire {
namespace {

using Indices = std::vector<std::uint32_t>;

template <Real T>
struct Body {
  SparseFormat format = {};
  Indices indices = {};
  std::vector<T> values = {};
  std::vector<std::byte> bytes = {};
};

template <Real T>
Body<T> write(std::size_t dim, const Indices& indices, ValueFormat values = native_format<T>()) {
  Body<T> body = {.format = {.dim = dim, .values = values, .max_count = indices.size()},
                  .indices = indices};
  for (const std::uint32_t index : indices)
    body.values.push_back(static_cast<T>(index) - static_cast<T>(2.5));
  write_sparse<T>(body.format, body.indices, body.values, body.bytes);
  return body;
}

template <Real T>
void expect_round_trip(const Body<T>& body) {
  WireReader reader(body.bytes);
  SparseVector<T> read;
  read_sparse<T>(body.format, reader, read);
  ASSERT_TRUE(reader.finish()) << reader.status().message();
  EXPECT_EQ(read.indices, body.indices);
  EXPECT_EQ(read.values, body.values);
  EXPECT_LE(body.bytes.size(), max_sparse_bytes(body.format));
}

Indices random_indices(std::size_t dim, double density, std::uint32_t seed) {
  rng::Reader random(rng::Stream(3, {rng::Purpose::kTest, seed, 0, 0}));
  Indices out;
  for (std::uint32_t i = 0; i < dim; ++i) {
    if (random.unit_double() < density) out.push_back(i);
  }
  return out;
}

// The bits of every coding, as plain as they are specified.
std::uint64_t naive_bits(IndexCoding coding, std::size_t dim, const Indices& indices,
                         std::uint32_t rice) {
  std::uint64_t width = 0;
  while ((std::uint64_t{1} << width) < dim) ++width;
  if (coding == IndexCoding::kPacked) return width * indices.size();
  if (coding == IndexCoding::kBitmap) return dim;
  std::uint64_t bits = 0;
  std::int64_t previous = -1;
  for (const std::uint32_t index : indices) {
    const auto gap = static_cast<std::uint64_t>(std::int64_t{index} - previous - 1);
    bits += rice + 1 + (gap >> rice);
    previous = index;
  }
  return bits;
}

TEST(Sparse, ReadsWhatItWroteForEveryDensity) {
  for (const std::size_t dim : {1U, 2U, 7U, 64U, 65U, 255U, 256U, 257U, 1000U, 4096U}) {
    std::uint32_t seed = 0;
    for (const double density : {0.0, 0.003, 0.01, 0.05, 0.2, 0.5, 0.9, 0.99, 1.0}) {
      const Indices indices = random_indices(dim, density, seed++);
      expect_round_trip(write<float>(dim, indices));
      expect_round_trip(write<double>(dim, indices));
      expect_round_trip(write<double>(dim, indices, ValueFormat::kF32));
    }
  }
}

TEST(Sparse, ChoosesTheShortestCoding) {
  for (const std::size_t dim : {7U, 100U, 1000U, 4096U}) {
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
      const Indices indices = random_indices(dim, 0.001 + seed * 0.012, seed);
      if (indices.empty() || indices.size() == dim) continue;
      const IndexPlan plan = plan_indices(dim, indices);
      EXPECT_EQ(plan.bits, naive_bits(plan.coding, dim, indices, plan.rice));
      EXPECT_LE(plan.bits, naive_bits(IndexCoding::kPacked, dim, indices, 0));
      EXPECT_LE(plan.bits, naive_bits(IndexCoding::kBitmap, dim, indices, 0));
      std::uint64_t best_rice = std::numeric_limits<std::uint64_t>::max();
      for (std::uint32_t rice = 0; rice < 13; ++rice)
        best_rice = std::min(best_rice, naive_bits(IndexCoding::kRice, dim, indices, rice));
      EXPECT_LE(plan.bits, best_rice) << seed;
    }
  }
}

TEST(Sparse, EachCodingWinsSomewhere) {
  EXPECT_EQ(plan_indices(64, {}).coding, IndexCoding::kNone);
  Indices all(64);
  for (std::uint32_t i = 0; i < 64; ++i) all[i] = i;
  EXPECT_EQ(plan_indices(64, all).coding, IndexCoding::kAll);
  EXPECT_EQ(plan_indices(64, Indices{60}).coding, IndexCoding::kPacked);
  EXPECT_EQ(plan_indices(4096, random_indices(4096, 0.5, 1)).coding, IndexCoding::kBitmap);
  EXPECT_EQ(plan_indices(4096, random_indices(4096, 0.02, 1)).coding, IndexCoding::kRice);
}

TEST(Sparse, OverheadIsATagAndACount) {
  const Indices indices = {3, 77, 130, 200, 333, 480, 600, 777, 800, 999};
  const auto body = write<double>(1000, indices);
  const IndexPlan plan = plan_indices(1000, indices);
  EXPECT_EQ(body.bytes.size(), 2 + bytes_for_bits(plan.bits) + 80);
  Indices all(10);
  for (std::uint32_t i = 0; i < 10; ++i) all[i] = i;
  EXPECT_EQ(write<float>(10, all).bytes.size(), 41U);
  EXPECT_EQ(write<float>(10, {}).bytes.size(), 1U);
}

TEST(Sparse, IndicesReachToTheLargestDimension) {
  const std::size_t dim = std::size_t{1} << 32;
  expect_round_trip(write<float>(dim, {0, 4294967295U}));
  expect_round_trip(write<float>(dim, {4294967294U, 4294967295U}));
}

TEST(Sparse, EveryTruncationIsRefused) {
  for (const double density : {0.01, 0.1, 0.5, 1.0}) {
    const auto body = write<float>(300, random_indices(300, density, 4));
    for (std::size_t size = 0; size < body.bytes.size(); ++size) {
      WireReader reader(Bytes(body.bytes).first(size));
      SparseVector<float> read;
      read_sparse<float>(body.format, reader, read);
      ASSERT_EQ(reader.status().fault(), Fault::kTruncated) << size;
    }
  }
}

// Reads bytes as a body of up to 3 of 100 numbers.
Fault fault_of(std::initializer_list<unsigned> bytes, std::size_t dim = 100) {
  std::vector<std::byte> data;
  for (const unsigned byte : bytes) data.push_back(static_cast<std::byte>(byte));
  data.resize(data.size() + 12);
  WireReader reader(data);
  SparseVector<float> read;
  read_sparse<float>({.dim = dim, .values = ValueFormat::kF32, .max_count = 3}, reader, read);
  return reader.status().fault();
}

TEST(Sparse, EveryFaultHasACase) {
  // Two indices of 7 bits, 5 and 9: 0x485, in 14 bits.
  EXPECT_EQ(fault_of({2, 2, 0x85, 0x04}), Fault::kNone);
  EXPECT_EQ(fault_of({2, 2, 0x89, 0x02}), Fault::kBadIndex) << "9, then 5";
  EXPECT_EQ(fault_of({2, 2, 0x85, 0x02}), Fault::kBadIndex) << "5 twice";
  EXPECT_EQ(fault_of({2, 2, 0x05, 0x3f}), Fault::kBadIndex) << "126 of 100";
  EXPECT_EQ(fault_of({2, 2, 0x85, 0x44}), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of({5}), Fault::kBadMode) << "unknown coding";
  EXPECT_EQ(fault_of({0x0a, 2, 0x85, 0x04}), Fault::kBadMode) << "parameter without Rice code";
  EXPECT_EQ(fault_of({0x09}), Fault::kBadMode) << "parameter without indices";
  EXPECT_EQ(fault_of({3, 2, 0x85, 0x04}), Fault::kBadMode) << "bitmap longer than indices";
  EXPECT_EQ(fault_of({2, 3, 0x07}, 4), Fault::kBadMode) << "indices longer than the bitmap";
  EXPECT_EQ(fault_of({2, 0}), Fault::kBadDimension) << "no index";
  EXPECT_EQ(fault_of({2, 4}), Fault::kBadDimension) << "too many";
  EXPECT_EQ(fault_of({0}), Fault::kBadDimension) << "all, which is too many";
  EXPECT_EQ(fault_of({2, 2}, 2), Fault::kBadDimension) << "all, but counted";
  EXPECT_EQ(fault_of({2, 0x82, 0x00}), Fault::kBadValue) << "count longer than needed";
  EXPECT_EQ(fault_of({2, 0xff, 0xff, 0xff, 0xff, 0xff, 1}), Fault::kBadValue) << "count too long";
  // A bitmap of 4: 3 indices need 6 bits packed.
  EXPECT_EQ(fault_of({3, 3, 0x0d}, 4), Fault::kNone);
  EXPECT_EQ(fault_of({3, 3, 0x05}, 4), Fault::kBadDimension) << "fewer bits than counted";
  EXPECT_EQ(fault_of({3, 3, 0x0f}, 4), Fault::kBadDimension) << "more bits than counted";
  EXPECT_EQ(fault_of({3, 3, 0x2d}, 4), Fault::kNonZeroPadding);
  // Rice code with 2 bits of remainder: gap 5 is 1 0 then 1 0, gap 3 is 0 then 1 1.
  EXPECT_EQ(fault_of({0x14, 2, 0x65}), Fault::kNone);
  EXPECT_EQ(fault_of({0x14, 2, 0xe5}), Fault::kNonZeroPadding);
  EXPECT_EQ(fault_of({0x04, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                      0xff, 0xff}),
            Fault::kBadIndex)
      << "a gap beyond the dimension";
  EXPECT_EQ(fault_of({0x3c, 1, 0}), Fault::kBadMode) << "longer than the packed index";
}

TEST(Sparse, NumbersThatAreNotFiniteAreRefused) {
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const Indices indices = {3, 9};
    const std::vector<float> values = {1.0F, bad};
    const SparseFormat format = {.dim = 50, .values = ValueFormat::kF32, .max_count = 2};
    std::vector<std::byte> bytes;
    write_sparse<float>(format, indices, values, bytes);
    WireReader reader(bytes);
    SparseVector<float> read;
    read_sparse<float>(format, reader, read);
    EXPECT_EQ(reader.status().fault(), Fault::kNonFinite);
    EXPECT_EQ(reader.status().position(), bytes.size() - 4);
  }
}

TEST(Sparse, EveryFlippedBitIsRefusedOrReadsLegalIndices) {
  for (const double density : {0.01, 0.1, 0.6}) {
    const auto body = write<float>(200, random_indices(200, density, 8));
    for (std::size_t bit = 0; bit < body.bytes.size() * 8; ++bit) {
      auto flipped = body.bytes;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      WireReader reader(flipped);
      SparseVector<float> read;
      read_sparse<float>(body.format, reader, read);
      if (!reader.ok()) continue;
      ASSERT_TRUE(std::is_sorted(read.indices.begin(), read.indices.end()));
      ASSERT_EQ(std::adjacent_find(read.indices.begin(), read.indices.end()), read.indices.end());
      ASSERT_TRUE(read.indices.empty() || read.indices.back() < 200U);
    }
  }
}

TEST(Bits, ReadsWhatItWrote) {
  rng::Reader random(rng::Stream(3, {rng::Purpose::kTest, 1, 1, 0}));
  std::vector<std::pair<std::uint64_t, std::uint32_t>> fields;
  std::uint64_t bits = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto width = static_cast<std::uint32_t>(random.below(57));
    fields.emplace_back(random.u64() & ((std::uint64_t{1} << width) - 1), width);
    bits += width;
  }
  std::vector<std::byte> bytes(bytes_for_bits(bits));
  BitWriter writer(bytes);
  for (const auto& [value, width] : fields) writer.put(value, width);
  writer.finish();
  BitReader reader(bytes);
  for (const auto& [value, width] : fields) ASSERT_EQ(reader.take(width), value);
  EXPECT_FALSE(reader.overrun());
  EXPECT_TRUE(reader.padding_is_zero());
}

TEST(Bits, UnaryNumbersOfEveryLength) {
  std::uint64_t bits = 0;
  for (std::uint64_t n = 0; n < 300; ++n) bits += n + 1;
  std::vector<std::byte> bytes(bytes_for_bits(bits));
  BitWriter writer(bytes);
  for (std::uint64_t n = 0; n < 300; ++n) writer.unary(n);
  writer.finish();
  BitReader reader(bytes);
  for (std::uint64_t n = 0; n < 300; ++n) ASSERT_EQ(reader.unary(), n);
  EXPECT_EQ(reader.position(), bits);
}

}  // namespace
}  // namespace laconic::wire
