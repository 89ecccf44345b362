// SPDX-License-Identifier: Apache-2.0
// What the tests of compressors share: making one from a spec, passing a vector through it, vectors
// of several kinds, and means with their standard errors.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "laconic/compress/compressor.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/oracle/compress_oracle.hpp"

namespace laconic::test {

using oracle::Vector;

inline const Catalog& compressor_catalog() {
  static const Catalog catalog = [] {
    Catalog c;
    add_compressor_cards(c);
    return c;
  }();
  return catalog;
}

inline Spec canonical(const std::string& text) {
  const Spec spec = parse_spec(text).value_or_throw();
  const auto problems = compressor_catalog().problems(spec, "compressor");
  if (!problems.empty()) throw ConfigError(problems.front());
  return compressor_catalog().canonical(spec, "compressor");
}

template <Real T>
std::unique_ptr<Compressor<T>> make(const std::string& text, std::uint32_t workers = 1) {
  return compressors<T>().make(canonical(text), {.workers = workers});
}

inline Shape shape_of(std::size_t size) { return {static_cast<std::uint32_t>(size), 1}; }

inline CompressContext context(std::uint32_t round, std::uint32_t worker = 0,
                               std::uint32_t workers = 1) {
  return {.seed = 11, .worker = worker, .workers = workers, .round = round, .tensor = 3};
}

template <Real T>
wire::Message encoded(const Compressor<T>& compressor, const std::vector<T>& v,
                      const CompressContext& facts) {
  wire::Message message;
  compressor.encode({v, shape_of(v.size())}, facts, message);
  return message;
}

// C(v) as the receiver decodes it.
template <Real T>
Vector through(const Compressor<T>& compressor, const std::vector<T>& v,
               const CompressContext& facts) {
  const wire::Message message = encoded(compressor, v, facts);
  Vector out(v.size(), 0.0);
  wire::WireReader reader(message.bytes);
  EXPECT_TRUE(compressor.decode_add_wide(reader, facts, 1.0, {out, shape_of(v.size())}));
  EXPECT_TRUE(reader.finish());
  return out;
}

template <Real T>
Fault fault_of(const Compressor<T>& compressor, std::vector<std::byte> bytes, std::size_t size) {
  std::vector<T> y(size, T{3});
  wire::WireReader reader(bytes);
  const Status status = compressor.decode_add(reader, context(0), T{1}, {y, shape_of(size)});
  EXPECT_TRUE(status || y == std::vector<T>(size, T{3})) << "a refused body changes nothing";
  return status ? reader.finish().fault() : status.fault();
}
inline std::vector<std::byte> bytes_of(std::initializer_list<unsigned> values) {
  std::vector<std::byte> out;
  for (const unsigned value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

enum class Family : std::uint8_t { kGaussian, kHeavyTailed, kSparse, kFlat };

inline Vector sample(Family family, std::size_t size, std::uint32_t seed) {
  Vector v(size);
  rng::Reader reader(rng::Stream(9, {rng::Purpose::kTest, seed, static_cast<std::uint32_t>(size),
                                     static_cast<std::uint32_t>(family)}));
  for (double& value : v) {
    const double z = reader.normal();
    if (family == Family::kGaussian) value = z;
    if (family == Family::kHeavyTailed) value = z * z * z * z * z;
    if (family == Family::kSparse) value = reader.unit_double() < 0.9 ? 0.0 : z;
    if (family == Family::kFlat) value = z < 0 ? -0.75 : 0.75;
  }
  return v;
}

// A mean over draws with its standard error.
class Mean {
 public:
  void add(double value) {
    ++count_;
    const double step = value - mean_;
    mean_ += step / count_;
    squares_ += step * (value - mean_);
  }
  [[nodiscard]] double value() const { return mean_; }
  [[nodiscard]] double error() const { return std::sqrt(squares_ / count_ / count_); }
  // Within 5 standard errors, or what rounding explains.
  [[nodiscard]] testing::AssertionResult is(double expected) const {
    if (std::abs(mean_ - expected) <= 5 * error() + 1e-12 * std::abs(expected))
      return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << mean_ << " +- " << error() << " is not " << expected << ", after " << count_;
  }

 private:
  double count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

}  // namespace laconic::test
