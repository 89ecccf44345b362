// SPDX-License-Identifier: Apache-2.0
// What every compressor promises, over the whole registry, for float and double: it decodes its own
// message, within max_bytes, with the same bytes twice; every truncation and every flipped bit is
// refused or decodes without touching memory outside; a refused message leaves y alone; sums in
// double get the same numbers; another thread decodes the same; the error is within the declared
// alpha or omega, and that of the mean of all workers within the declared joint constants; golden
// bytes never change. A compressor that takes vectors without their zeros writes and reads the same
// bytes as of the vectors with them.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <thread>

#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/support/aggregate_loop.hpp"
#include "tests/support/repeats.hpp"

namespace laconic {
namespace {

constexpr Shape kShapes[] = {{1, 1}, {1, 7}, {13, 17}, {64, 64}, {1, 4097}};
constexpr double kGuard = 12345.5;
constexpr std::uint32_t kWorkers = 3;

// One spec per compressor with its defaults, and more where parameters change the path. A new
// method is covered by its defaults without a line here.
std::vector<std::string> specs() {
  std::vector<std::string> out;
  for (const auto& method : compressors<float>().methods()) out.emplace_back(method.card->name);
  for (const char* more : {"sign:block=64",
                           "sign:block=4096",
                           "topk:k=1",
                           "topk:k=0.5",
                           "topk:k=0.3,values=f32",
                           "randk:indices=true,k=0.2",
                           "randk:correlated=true,k=0.3",
                           "crandk:k=0.9,values=f32",
                           "permk:ragged=drop",
                           "cpermk:ragged=drop",
                           "randperm_block:k=1",
                           "randperm_global:k=0.5",
                           "bernoulli:p=0.3,scale=false:topk:k=0.5",
                           "bernoulli:p=0.97:permk",
                           "dithering:s=1",
                           "dithering:p=1,s=30",
                           "dithering:p=inf,s=200",
                           "natdithering:p=inf,s=4",
                           "qsgd:bucket=16,s=3",
                           "qsgd:s=1",
                           "terngrad:clip=2.5",
                           "uniform:bits=9",
                           "van2:levels=7",
                           "van2:bucket=64",
                           "vaninf:bucket=128,levels=100",
                           "thr-clip:levels=7",
                           "thr-clip:rule=rms",
                           "thr-clip:rule=fixed,tau=0.3",
                           "thr-unb:k=0.2,rule=budget",
                           "thr-unb:rule=fixed,tau=0.7",
                           "thr-hard:bucket=64",
                           "two-bit:tau=1",
                           "shrink:dithering:s=2",
                           "shrink:permk",
                           "compose:first=(topk:k=0.5):natural",
                           "compose:first=(permk):randk:k=0.6",
                           "compose:first=(natural):compose:first=(randk:k=0.5):dithering",
                           "compose:first=(crandk:k=0.7):topk:k=0.4"}) {
    out.emplace_back(more);
  }
  return out;
}

template <Real T>
std::vector<T> test_vector(std::size_t dim, std::uint32_t seed) {
  std::vector<T> v(dim);
  rng::fill_normal(rng::Stream(77, {rng::Purpose::kTest, seed, static_cast<std::uint32_t>(dim), 0}),
                   {}, std::span<T>(v));
  return v;
}

Spec canonical(const std::string& spec) {
  return aggregator_catalog().canonical(parse_spec(spec).value_or_throw(), "compressor");
}

template <Real T>
std::unique_ptr<Compressor<T>> make(const std::string& spec) {
  return compressors<T>().make(canonical(spec), {.workers = kWorkers});
}

CompressContext context(std::uint32_t round, std::uint32_t worker = 1) {
  return {.seed = 5, .worker = worker, .workers = kWorkers, .round = round, .tensor = 2};
}

// Decodes into a vector with guard values before and behind. Bodies delimit themselves: bytes left
// over are found when y has changed already, by whoever knows where the message ends.
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
  EXPECT_TRUE(status || std::equal(y.begin(), y.end(), guarded.begin() + 1)) << status.message();
  std::copy(guarded.begin() + 1, guarded.end() - 1, y.begin());
  return status ? reader.finish() : status;
}

// What decode_add gives, once more in double and on another thread.
template <Real T>
void check_other_readings(const Compressor<T>& compressor, wire::Bytes bytes, Shape shape,
                          const std::vector<T>& y) {
  std::vector<T> elsewhere(y.size(), T{0});
  std::jthread([&] {
    wire::WireReader reader(bytes);
    EXPECT_TRUE(compressor.decode_add(reader, context(0), T{1}, {elsewhere, shape}));
  }).join();
  EXPECT_EQ(elsewhere, y);
  std::vector<double> wide(y.size(), 0.0);
  wire::WireReader reader(bytes);
  EXPECT_TRUE(compressor.decode_add_wide(reader, context(0), 1.0, {wide, shape}));
  EXPECT_TRUE(reader.finish());
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double value = static_cast<double>(y[i]);
    EXPECT_NEAR(wide[i], value, (sizeof(T) == 4 ? 4e-7 : 0) * std::abs(value)) << i;
  }
  if (bytes.empty()) return;
  std::vector<double> untouched(y.size(), 3.0);
  wire::WireReader broken(bytes.first(bytes.size() - 1));
  EXPECT_FALSE(compressor.decode_add_wide(broken, context(0), 1.0, {untouched, shape}));
  EXPECT_EQ(untouched, std::vector<double>(y.size(), 3.0));
}

template <Real T>
void check_contract(const std::string& spec) {
  EXPECT_TRUE(compressor_problems(canonical(spec), kWorkers).empty());
  const auto compressor = make<T>(spec);
  for (const Shape shape : kShapes) {
    ASSERT_EQ(compressor->misfit(shape), "");
    SCOPED_TRACE(spec + " on " + std::to_string(shape.rows) + "x" + std::to_string(shape.cols));
    const auto x = test_vector<T>(shape.size(), 1);
    wire::Message message;
    compressor->encode({x, shape}, context(0), message);
    wire::Message again;
    compressor->encode({x, shape}, context(0), again);
    EXPECT_EQ(message.bytes, again.bytes);
    EXPECT_EQ(message.payload_bits, again.payload_bits);
    EXPECT_LE(message.bytes.size(), compressor->max_bytes(shape));
    EXPECT_TRUE(message.bytes.empty() || message.payload_bits > 0);

    std::vector<T> y(shape.size(), T{0});
    ASSERT_TRUE(decode_guarded(*compressor, message.bytes, shape, y));
    // decode_add adds, and scales.
    std::vector<T> twice = y;
    wire::WireReader reader(message.bytes);
    ASSERT_TRUE(compressor->decode_add(reader, context(0), T{-1}, {twice, shape}));
    for (const T value : twice) ASSERT_EQ(value, T{0});
    check_other_readings<T>(*compressor, message.bytes, shape, y);

    for (std::size_t size = 0; size < message.bytes.size(); size += 1 + size / 64) {
      std::vector<T> target(shape.size(), T{3});
      EXPECT_FALSE(
          decode_guarded(*compressor, wire::Bytes(message.bytes).first(size), shape, target));
    }
    const std::size_t step = 1 + message.bytes.size() / 40;
    for (std::size_t bit = 0; bit < message.bytes.size() * 8; bit += step) {
      auto flipped = message.bytes;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      std::vector<T> target(shape.size(), T{3});
      static_cast<void>(decode_guarded(*compressor, flipped, shape, target));
    }
  }
}

// Sample mean with its standard error.
class Sample {
 public:
  void add(double value) {
    ++count_;
    sum_ += value;
    sum2_ += value * value;
  }
  [[nodiscard]] double mean() const { return sum_ / count_; }
  [[nodiscard]] double error() const {
    return std::sqrt(std::max(0.0, sum2_ / count_ - mean() * mean()) / count_);
  }

 private:
  double count_ = 0;
  double sum_ = 0;
  double sum2_ = 0;
};

template <Real T>
double squared_distance(const std::vector<T>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return sum;
}

// y += scale * C(x).
template <Real T>
void pass_through(const Compressor<T>& compressor, const std::vector<T>& x, Shape shape,
                  const CompressContext& facts, std::vector<double>& y, double scale) {
  wire::Message message;
  compressor.encode({x, shape}, facts, message);
  wire::WireReader reader(message.bytes);
  ASSERT_TRUE(compressor.decode_add_wide(reader, facts, scale, {y, shape}));
}

// Rounding of numbers that are sent in 32 bits; everything else is allowed 5 standard errors.
constexpr double kRounding = 1e-6;

template <Real T>
void check_promises(const std::string& spec) {
  const auto compressor = make<T>(spec);
  const std::string promises(
      aggregator_catalog().find("compressor", canonical(spec).name)->promises);
  for (const Shape shape : kShapes) {
    const Traits traits = compressor->traits(shape);
    EXPECT_TRUE(traits.alpha.has_value() || traits.unbiased ||
                promises.find("promises nothing") != std::string::npos)
        << spec << " promises nothing, and its card does not say so";
    EXPECT_EQ(traits.unbiased, traits.omega.has_value());
    EXPECT_TRUE(traits.unbiased || !traits.joint.has_value());
    for (std::uint32_t seed = 0; seed < test::repeats({.all = 5, .sanitized = 2}); ++seed) {
      SCOPED_TRACE(spec + " on " + std::to_string(shape.rows) + "x" + std::to_string(shape.cols) +
                   ", vector " + std::to_string(seed));
      auto x = test_vector<T>(shape.size(), seed);
      if (seed == 1) std::fill(x.begin(), x.end(), T{0});
      if (seed == 1) x[0] = T{1};  // one-hot: the worst case of many
      const std::vector<double> wide(x.begin(), x.end());
      const int draws = !traits.randomized ? 1 : shape.size() > 1000 ? 200 : 1000;
      Sample error;
      std::vector<double> mean(shape.size(), 0.0);
      for (int draw = 0; draw < draws; ++draw) {
        std::vector<double> y(shape.size(), 0.0);
        pass_through<T>(*compressor, x, shape, context(static_cast<std::uint32_t>(draw)), y, 1);
        error.add(squared_distance(y, wide));
        for (std::size_t i = 0; i < y.size(); ++i) mean[i] += y[i] / draws;
      }
      const double norm2 = squared_distance(x, std::vector<double>(x.size(), 0.0));
      const double slack = 5 * error.error() + kRounding * norm2;
      EXPECT_LE(error.mean(), (1 - traits.alpha.value_or(-1e9)) * norm2 + slack);
      if (!traits.unbiased) continue;
      EXPECT_LE(error.mean(), *traits.omega * norm2 + slack);
      // The mean of all draws has the variance omega/draws; where few coordinates carry all of it,
      // it varies itself.
      const double concentrated = seed == 1 || shape.size() < 100 ? 30 : 2;
      EXPECT_LE(squared_distance(mean, wide),
                concentrated * (*traits.omega / draws + kRounding * kRounding) * norm2);
    }
  }
}

template <Real T>
void check_joint_promise(const std::string& spec) {
  const auto compressor = make<T>(spec);
  for (const Shape shape : {Shape{1, 1}, Shape{1, 7}, Shape{13, 17}}) {
    const Traits traits = compressor->traits(shape);
    if (!traits.joint) continue;
    SCOPED_TRACE(spec + " on " + std::to_string(shape.rows) + "x" + std::to_string(shape.cols));
    for (const bool equal : {false, true}) {
      std::vector<std::vector<T>> x;
      std::vector<double> mean(shape.size(), 0.0);
      double norms = 0;
      for (std::uint32_t w = 0; w < kWorkers; ++w) {
        x.push_back(test_vector<T>(shape.size(), equal ? 0 : w));
        for (std::size_t i = 0; i < mean.size(); ++i)
          mean[i] += static_cast<double>(x[w][i]) / kWorkers;
        norms += squared_distance(x[w], std::vector<double>(mean.size(), 0.0)) / kWorkers;
      }
      const double mean2 = squared_distance(mean, std::vector<double>(mean.size(), 0.0));
      Sample error;
      for (std::uint32_t draw = 0; draw < 1000; ++draw) {
        std::vector<double> y(shape.size(), 0.0);
        for (std::uint32_t w = 0; w < kWorkers; ++w)
          pass_through<T>(*compressor, x[w], shape, context(draw, w), y, 1.0 / kWorkers);
        error.add(squared_distance(y, mean));
      }
      EXPECT_LE(error.mean(), traits.joint->a * norms - traits.joint->b * mean2 +
                                  5 * error.error() + kRounding * norms);
    }
  }
}

// A vector of which about `nonzeros` numbers are not 0, at random places, times a power of ten.
struct SparseCase {
  std::uint32_t dim = 1;
  std::uint32_t nonzeros = 0;
  double magnitude = 1;
};
template <Real T>
std::vector<T> sparse_vector(const SparseCase& of, std::uint32_t seed) {
  std::vector<T> out(of.dim, T{0});
  const rng::Stream stream(78, {rng::Purpose::kTest, seed, of.dim, of.nonzeros});
  rng::Reader reader(stream);
  for (std::uint32_t k = 0; k < of.nonzeros; ++k) {
    const auto i = static_cast<std::size_t>(reader.below(of.dim));
    // Some numbers occur twice, some with either sign.
    const double value = seed % 3 == 0 ? std::round(4 * reader.normal()) / 4 : reader.normal();
    out[i] = static_cast<T>(of.magnitude * value);
  }
  return out;
}

template <Real T>
SparseVector<T> without_zeros(const std::vector<T>& x) {
  SparseVector<T> out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] != 0) out.push(static_cast<std::uint32_t>(i), x[i]);
  }
  return out;
}

// Readers of both kinds agree about a message that may be broken.
template <Real T>
void check_readings(const Compressor<T>& compressor, wire::Bytes bytes, std::uint32_t dim) {
  std::vector<T> dense(dim, T{0});
  wire::WireReader whole(bytes);
  const Status expected = compressor.decode_add(whole, context(0), T{1}, {dense, {dim, 1}});
  SparseVector<T> sparse;
  wire::WireReader reader(bytes);
  const Status status = compressor.decode_sparse(reader, context(0), dim, sparse);
  ASSERT_EQ(status.fault(), expected.fault());
  ASSERT_EQ(status.position(), expected.position());
  if (!status) return;
  EXPECT_EQ(reader.position(), whole.position());
  ASSERT_EQ(sparse.values.size(), sparse.indices.size());
  std::vector<T> filled(dim, T{0});
  for (std::size_t j = 0; j < sparse.size(); ++j) {
    ASSERT_TRUE(j == 0 || sparse.indices[j - 1] < sparse.indices[j]);
    ASSERT_LT(sparse.indices[j], dim);
    filled[sparse.indices[j]] = sparse.values[j];
  }
  EXPECT_EQ(filled, dense);
}

template <Real T>
void check_sparse(const std::string& spec) {
  const auto compressor = make<T>(spec);
  const double huge = sizeof(T) == 4 ? 1e37 : 1e307;
  const double tiny = sizeof(T) == 4 ? 1e-42 : 1e-320;
  std::vector<SparseCase> cases;
  for (const std::uint32_t dim : {1U, 5U, 63U, 64U, 700U, 2048U, 2049U, 10007U, 131072U, 300001U}) {
    for (const double share : {0.0, 0.001, 0.02, 0.3, 0.9, 4.0})
      cases.push_back({dim, static_cast<std::uint32_t>(std::ceil(share * dim)), 1});
    for (const double magnitude : {huge, tiny, 1e-6})
      cases.push_back({dim, 1 + dim / 50, magnitude});
  }
  const std::uint32_t few = test::repeats({.all = 2, .sanitized = 1});
  const std::uint32_t many = test::repeats({.all = 6, .sanitized = 2});
  std::size_t compared = 0;
  for (const SparseCase& of : cases) {
    if (!compressor->traits({of.dim, 1}).sparse) continue;
    for (std::uint32_t seed = 0; seed < (of.dim > 5000 ? few : many); ++seed) {
      SCOPED_TRACE(spec + ", dim " + std::to_string(of.dim) + ", " + std::to_string(of.nonzeros) +
                   " non-zeros times " + std::to_string(of.magnitude) + ", vector " +
                   std::to_string(seed));
      const std::vector<T> x = sparse_vector<T>(of, seed);
      const SparseVector<T> sparse = without_zeros(x);
      wire::Message expected;
      compressor->encode({x, {of.dim, 1}}, context(seed), expected);
      wire::Message message;
      compressor->encode_sparse(sparse.view(of.dim), context(seed), message);
      ASSERT_EQ(message.bytes, expected.bytes);
      EXPECT_EQ(message.payload_bits, expected.payload_bits);
      check_readings<T>(*compressor, message.bytes, of.dim);
      ++compared;
      if (of.dim > 700) continue;
      const std::size_t step = 1 + message.bytes.size() / 40;
      for (std::size_t byte = 0; byte < message.bytes.size(); byte += step) {
        check_readings<T>(*compressor, wire::Bytes(message.bytes).first(byte), of.dim);
        for (std::size_t bit = 0; bit < 8; ++bit) {
          auto flipped = message.bytes;
          flipped[byte] ^= std::byte{1} << bit;
          check_readings<T>(*compressor, flipped, of.dim);
        }
      }
    }
  }
  EXPECT_TRUE(compared > 0 || !compressor->traits(kShapes[0]).sparse);
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

TEST_P(CompressorContract, KeepsItsJointPromise) {
  check_joint_promise<float>(GetParam());
  check_joint_promise<double>(GetParam());
}

TEST_P(CompressorContract, TakesVectorsWithoutTheirZerosForTheSameBytes) {
  check_sparse<float>(GetParam());
  check_sparse<double>(GetParam());
}

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
  std::replace_if(
      file.begin(), file.end(), [](char c) { return std::string_view(":=,()").find(c) < 5; }, '-');
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
