// SPDX-License-Identifier: Apache-2.0
// What every compressor promises, over the whole registry, for float and double: it decodes its own
// message, within max_bytes, with the same bytes twice; every truncation and every flipped bit is
// refused or decodes without touching memory outside; a refused message leaves y alone; the error
// is within the declared alpha or omega; golden bytes never change.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"

namespace laconic {
namespace {

constexpr Shape kShapes[] = {{1, 1}, {1, 7}, {13, 17}, {64, 64}, {1, 4097}};
constexpr double kGuard = 12345.5;

// One spec per compressor with its defaults, and more where parameters change the path. A new
// method is covered by its defaults without a line here.
std::vector<std::string> specs() {
  std::vector<std::string> out;
  for (const auto& method : compressors<float>().methods()) out.emplace_back(method.card->name);
  out.emplace_back("sign:block=64");
  out.emplace_back("sign:block=4096");
  return out;
}

template <Real T>
std::vector<T> test_vector(std::size_t dim, std::uint32_t seed) {
  std::vector<T> v(dim);
  rng::fill_normal(rng::Stream(77, {rng::Purpose::kTest, seed, static_cast<std::uint32_t>(dim), 0}),
                   {}, std::span<T>(v));
  return v;
}

template <Real T>
std::unique_ptr<Compressor<T>> make(const std::string& spec) {
  return compressors<T>().make(
      test::aggregate_catalog().canonical(parse_spec(spec).value_or_throw(), "compressor"), {});
}

CompressContext context(std::uint32_t round) {
  return {.seed = 5, .worker = 1, .workers = 3, .round = round, .tensor = 2};
}

// Decodes into a vector with guard values before and behind; y starts at `start`.
template <Real T>
Status decode_guarded(const Compressor<T>& compressor, wire::Bytes bytes, Shape shape,
                      std::vector<T>& y) {
  std::vector<T> guarded(shape.size() + 2, static_cast<T>(kGuard));
  std::copy(y.begin(), y.end(), guarded.begin() + 1);
  wire::WireReader reader(bytes);
  Status status = compressor.decode_add(reader, context(0), T{1},
                                        {std::span<T>(guarded).subspan(1, shape.size()), shape});
  EXPECT_EQ(guarded.front(), static_cast<T>(kGuard));
  EXPECT_EQ(guarded.back(), static_cast<T>(kGuard));
  std::copy(guarded.begin() + 1, guarded.end() - 1, y.begin());
  return status ? reader.finish() : status;
}

template <Real T>
void check_contract(const std::string& spec) {
  const auto compressor = make<T>(spec);
  for (const Shape shape : kShapes) {
    SCOPED_TRACE(spec + " on " + std::to_string(shape.rows) + "x" + std::to_string(shape.cols));
    const auto x = test_vector<T>(shape.size(), 1);
    wire::Message message;
    compressor->encode({x, shape}, context(0), message);
    wire::Message again;
    compressor->encode({x, shape}, context(0), again);
    EXPECT_EQ(message.bytes, again.bytes);
    EXPECT_EQ(message.payload_bits, again.payload_bits);
    EXPECT_LE(message.bytes.size(), compressor->max_bytes(shape));
    EXPECT_GT(message.payload_bits, 0U);

    std::vector<T> y(shape.size(), T{0});
    ASSERT_TRUE(decode_guarded(*compressor, message.bytes, shape, y));
    // decode_add adds, and scales.
    std::vector<T> twice = y;
    wire::WireReader reader(message.bytes);
    ASSERT_TRUE(compressor->decode_add(reader, context(0), T{-1}, {twice, shape}));
    for (const T value : twice) ASSERT_EQ(value, T{0});

    for (std::size_t size = 0; size < message.bytes.size(); size += 1 + size / 64) {
      std::vector<T> untouched(shape.size(), T{3});
      EXPECT_FALSE(
          decode_guarded(*compressor, wire::Bytes(message.bytes).first(size), shape, untouched));
      EXPECT_EQ(untouched, std::vector<T>(shape.size(), T{3}));
    }
    const std::size_t step = 1 + message.bytes.size() / 40;
    for (std::size_t bit = 0; bit < message.bytes.size() * 8; bit += step) {
      auto flipped = message.bytes;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      std::vector<T> target(shape.size(), T{3});
      if (!decode_guarded(*compressor, flipped, shape, target)) {
        EXPECT_EQ(target, std::vector<T>(shape.size(), T{3})) << "bit " << bit;
      }
    }
  }
}

template <Real T>
void check_promises(const std::string& spec) {
  const auto compressor = make<T>(spec);
  for (const Shape shape : kShapes) {
    const Traits traits = compressor->traits(shape);
    EXPECT_TRUE(traits.alpha.has_value() || traits.unbiased) << spec << " promises nothing";
    EXPECT_TRUE(!traits.unbiased || traits.omega.has_value());
    for (std::uint32_t seed = 0; seed < 5; ++seed) {
      auto x = test_vector<T>(shape.size(), seed);
      if (seed == 1) std::fill(x.begin(), x.end(), T{0});
      if (seed == 1) x[0] = T{1};  // one-hot: the worst case of many
      const int draws = traits.randomized ? 400 : 1;
      double mean_error = 0;
      double norm2 = 0;
      std::vector<double> mean(shape.size(), 0.0);
      for (int draw = 0; draw < draws; ++draw) {
        wire::Message message;
        compressor->encode({x, shape}, context(static_cast<std::uint32_t>(draw)), message);
        std::vector<T> y(shape.size(), T{0});
        wire::WireReader reader(message.bytes);
        ASSERT_TRUE(compressor->decode_add(reader, context(static_cast<std::uint32_t>(draw)), T{1},
                                           {y, shape}));
        for (std::size_t i = 0; i < y.size(); ++i) {
          const double difference = static_cast<double>(y[i]) - static_cast<double>(x[i]);
          mean_error += difference * difference / draws;
          mean[i] += static_cast<double>(y[i]) / draws;
        }
      }
      for (const T value : x) norm2 += static_cast<double>(value) * static_cast<double>(value);
      const double slack = traits.randomized ? 1.3 : 1 + 1e-6;
      EXPECT_LE(mean_error, ((1 - traits.alpha.value_or(-1e9)) * slack + 1e-7) * norm2) << spec;
      EXPECT_LE(mean_error, (traits.omega.value_or(1e9) * slack + 1e-7) * norm2) << spec;
      if (traits.unbiased) {
        double bias = 0;
        for (std::size_t i = 0; i < mean.size(); ++i)
          bias += (mean[i] - static_cast<double>(x[i])) * (mean[i] - static_cast<double>(x[i]));
        EXPECT_LE(bias, 2 * (*traits.omega / draws + 1e-12) * norm2) << spec;
      }
    }
  }
}

class CompressorContract : public testing::TestWithParam<std::string> {};

TEST_P(CompressorContract, DecodesItsOwnMessagesAndRefusesBrokenOnesInFloat) {
  check_contract<float>(GetParam());
}
TEST_P(CompressorContract, DecodesItsOwnMessagesAndRefusesBrokenOnesInDouble) {
  check_contract<double>(GetParam());
}
TEST_P(CompressorContract, KeepsItsPromisesInFloat) { check_promises<float>(GetParam()); }
TEST_P(CompressorContract, KeepsItsPromisesInDouble) { check_promises<double>(GetParam()); }

TEST_P(CompressorContract, ProducesItsGoldenBytes) {
  // x_i = (i - 5) / 4 for a 1x11 tensor, context {seed 5, worker 1 of 3, round 0, tensor 2}, float.
  std::vector<float> x(11);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = (static_cast<float>(i) - 5.0F) / 4.0F;
  wire::Message message;
  make<float>(GetParam())->encode({x, {1, 11}}, context(0), message);
  std::string hex;
  for (const std::byte byte : message.bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[std::to_integer<int>(byte) >> 4];
    hex += kDigits[std::to_integer<int>(byte) & 15];
  }
  std::string file = GetParam();
  std::replace(file.begin(), file.end(), ':', '-');
  std::replace(file.begin(), file.end(), '=', '-');
  const std::string path =
      std::string(LACONIC_SOURCE_DIR) + "/tests/golden/compress/" + file + ".hex";
  std::ifstream in(path);
  ASSERT_TRUE(in.good()) << "no golden file " << path << "; the bytes are " << hex;
  std::string expected;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') expected += line;
  }
  EXPECT_EQ(hex, expected);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}
INSTANTIATE_TEST_SUITE_P(Registry, CompressorContract, testing::ValuesIn(specs()), test_name);

}  // namespace
}  // namespace laconic
