// SPDX-License-Identifier: Apache-2.0
// What every mechanism promises, over the whole registry, for float and double: the receiver learns
// the sender's belief from bytes alone, bit for bit, after every round of 100; every truncation is
// refused and every flipped bit refused or decoded without touching memory outside; a silent worker
// leaves its belief alone; nothing is allocated after warm-up.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "laconic/rng/stream.hpp"
#include "tests/contract/allocations.hpp"
#include "tests/support/mechanisms.hpp"

namespace laconic {
namespace {

constexpr Shape kShapes[] = {{1, 1}, {1, 7}, {13, 17}, {64, 64}};
constexpr std::uint32_t kRounds = 100;
constexpr std::uint32_t kWorkers = 3;
constexpr double kGuard = 12345.5;

// One spec per mechanism around the first compressor that suits it, and more where the path
// differs.
std::vector<std::string> specs() {
  std::vector<std::string> out;
  for (const auto& method : mechanisms<float>().methods()) {
    const std::string name(method.card->name);
    if (method.card->inner_kind.empty() || !method.card->default_inner.empty()) {
      out.push_back(name);
      continue;
    }
    if (method.card->inner_kind == "mechanism") out.push_back(name + ":ef21:topk:k=0.2");
    if (method.card->inner_kind != "compressor") continue;
    for (const char* inner : {":topk:k=0.2", ":randk:k=0.2"}) {
      if (!mechanism_problems(test::canonical_mechanism(name + inner), kWorkers).empty()) continue;
      out.push_back(name + inner);
      break;
    }
  }
  for (const char* more :
       {"ef21:sign", "ef21:cpermk", "ef21:shrink:natural", "marina:permk", "marina:p=0.3:natural",
        "3pcv5:coin=worker,p=0.3:topk:k=0.2", "3pcv2:q=(natural):sign",
        "3pcv3:first=(clag:zeta=4:topk:k=0.1):crandk:k=0.3", "laq:uniform:bits=2",
        "lag-wk:memory=3", "lag-ps:memory=3", "clag:zeta=0.01:sign"}) {
    out.emplace_back(more);
  }
  return out;
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return std::to_string(info.index) + "_" + name;
}

// Gradients that settle, as in a run: a fixed part and a part that dies out.
template <Real T>
void gradient(std::uint32_t round, std::span<T> out) {
  const auto fill = [&](std::uint32_t tensor, double deviation, std::span<T> v) {
    rng::fill_normal(rng::Stream(8, {.purpose = rng::Purpose::kTest,
                                     .round = tensor == 0 ? 0 : round,
                                     .tensor = tensor}),
                     {.mean = 0, .deviation = deviation}, v);
  };
  std::vector<T> change(out.size());
  fill(0, 1, out);
  fill(1, std::pow(0.9, round), change);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += change[i];
}

template <Real T>
struct Session {
  Session(const std::string& spec, Shape shape_given)
      : mechanism(test::make_mechanism<T>(spec, kWorkers)),
        shape(shape_given),
        needs(mechanism->needs(shape)),
        x(shape.size()),
        direction(shape.size(), static_cast<T>(0.01)) {
    worker.h.assign(shape.size(), 0.0);
    worker.y.assign(shape.size(), T{0});
    squares.assign(needs.step_history, 1e-4);
  }
  bool encode(std::uint32_t round) {
    gradient<T>(round, x);
    message.clear();
    Movement<T> movement{.step_size = 0.1, .last_step_size = 0.1};
    movement.squared_steps =
        std::span<const double>(squares).first(std::min<std::size_t>(round, squares.size()));
    if (round > 0 && needs.displacement) movement.last_direction = direction;
    return mechanism->encode({x, shape}, worker.memory(needs), movement, context(round), message);
  }
  [[nodiscard]] CompressContext context(std::uint32_t round) const {
    return test::draw_context(round, 1, kWorkers);
  }
  std::unique_ptr<Mechanism<T>> mechanism;
  Shape shape;
  MechanismNeeds needs;
  std::vector<T> x;
  std::vector<T> direction;
  std::vector<double> squares = {};
  test::Worker<T> worker = {};
  wire::Message message = {};
};

// Decodes between guard values.
template <Real T>
Status decode_guarded(const Session<T>& session, wire::Bytes bytes, std::uint32_t round,
                      double scale, std::vector<double>& g) {
  std::vector<double> guarded(g.size() + 2, kGuard);
  std::copy(g.begin(), g.end(), guarded.begin() + 1);
  wire::WireReader reader(bytes);
  const Status status = session.mechanism->decode_add(
      reader, session.context(round), scale,
      {std::span<double>(guarded).subspan(1, g.size()), session.shape});
  EXPECT_EQ(guarded.front(), kGuard);
  EXPECT_EQ(guarded.back(), kGuard);
  std::copy(guarded.begin() + 1, guarded.end() - 1, g.begin());
  return status ? reader.finish() : status;
}

class MechanismContract : public testing::TestWithParam<std::string> {};

template <Real T>
void check_mirrors(const std::string& spec) {
  for (const Shape shape : kShapes) {
    SCOPED_TRACE(std::to_string(shape.rows) + "x" + std::to_string(shape.cols));
    Session<T> session(spec, shape);
    std::vector<double> mirror(shape.size(), 0.0);
    std::uint32_t said = 0;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      const std::vector<double> before = session.worker.h;
      const bool speaks = session.encode(round);
      said += speaks ? 1 : 0;
      if (session.needs.carry == 0) {
        // Memoryless at the server: what is said and what is kept make up what was to be said.
        std::vector<double> decoded(shape.size(), 0.0);
        ASSERT_TRUE(decode_guarded<T>(session, session.message.bytes, round, 1, decoded));
        for (std::size_t i = 0; i < decoded.size() && session.needs.belief; ++i) {
          const double sum = static_cast<double>(session.x[i]) + before[i];
          ASSERT_NEAR(decoded[i] + session.worker.h[i], sum, 1e-12 * (1 + std::abs(sum)));
        }
        continue;
      }
      ASSERT_TRUE(
          decode_guarded<T>(session, session.message.bytes, round, session.needs.carry, mirror));
      ASSERT_EQ(mirror, session.worker.h) << "round " << round;
      if (!speaks) {
        ASSERT_EQ(before, session.worker.h) << "round " << round;
      }
    }
    EXPECT_GT(said, 0U);
  }
}

TEST_P(MechanismContract, TheReceiverLearnsTheBeliefFromBytesInFloat) {
  check_mirrors<float>(GetParam());
}
TEST_P(MechanismContract, TheReceiverLearnsTheBeliefFromBytesInDouble) {
  check_mirrors<double>(GetParam());
}

TEST_P(MechanismContract, DamagedMessagesAreRefusedOrHarmless) {
  for (const Shape shape : {Shape{1, 7}, Shape{13, 17}}) {
    Session<float> session(GetParam(), shape);
    for (std::uint32_t round = 0; round < 6; ++round) {
      const std::vector<double> before = session.worker.h;
      session.encode(round);
      const std::vector<std::byte> bytes = session.message.bytes;
      for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 64) {
        std::vector<double> g = before;
        EXPECT_FALSE(decode_guarded<float>(session, wire::Bytes(bytes).first(size), round, 1, g))
            << size << " of " << bytes.size();
      }
      const std::size_t step = 1 + bytes.size() / 60;
      for (std::size_t bit = 0; bit < bytes.size() * 8; bit += step) {
        auto flipped = bytes;
        flipped[bit / 8] ^= std::byte{1} << (bit % 8);
        std::vector<double> g = before;
        static_cast<void>(decode_guarded<float>(session, flipped, round, 1, g));
        for (const double value : g) ASSERT_TRUE(std::isfinite(value));
      }
    }
  }
}

TEST_P(MechanismContract, NumbersBeyondTheRangeAreReportedNotSent) {
  Session<float> session(GetParam(), {1, 7});
  session.encode(0);
  if (!session.needs.belief || session.needs.carry == 0) return;  // no difference is formed
  session.worker.h.assign(7, -std::numeric_limits<float>::max());
  session.x.assign(7, std::numeric_limits<float>::max());
  wire::Message out;
  const Movement<float> movement{.step_size = 0.1};
  try {
    // Those that toss a coin may be silent, or send the change instead.
    for (std::uint32_t round = 1; round < 60; ++round) {
      session.mechanism->encode({session.x, session.shape}, session.worker.memory(session.needs),
                                movement, session.context(round), out);
    }
  } catch (const NumberRangeError&) {
    return;
  }
  for (const double value : session.worker.h) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(MechanismContract, DoesNotAllocateAfterWarmUp) {
  Session<float> session(GetParam(), {13, 17});
  std::vector<double> mirror(session.shape.size(), 0.0);
  const auto round = [&](std::uint32_t t) {
    session.message.clear();
    Movement<float> movement{.step_size = 0.1, .squared_steps = session.squares};
    session.mechanism->encode({session.x, session.shape}, session.worker.memory(session.needs),
                              movement, session.context(t), session.message);
    wire::WireReader reader(session.message.bytes);
    ASSERT_TRUE(
        session.mechanism->decode_add(reader, session.context(t), 1, {mirror, session.shape}));
  };
  gradient<float>(0, session.x);
  for (std::uint32_t t = 0; t < 40; ++t) round(t);
  const auto before = test::allocations();
  for (std::uint32_t t = 40; t < 60; ++t) round(t);
  EXPECT_EQ(test::allocations() - before, 0U);
}

TEST_P(MechanismContract, ProducesItsGoldenBytes) {
  // x_i = (i - 5) / 4 for a 1x11 tensor after h = y = 0, context {seed 11, worker 1 of 3, round 3,
  // tensor 0}, float, no step made before.
  Session<float> session(GetParam(), {1, 11});
  for (std::size_t i = 0; i < 11; ++i) session.x[i] = (static_cast<float>(i) - 5.0F) / 4.0F;
  session.mechanism->encode({session.x, session.shape}, session.worker.memory(session.needs),
                            {.step_size = 0.1}, session.context(3), session.message);
  std::string hex;
  for (const std::byte byte : session.message.bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[std::to_integer<int>(byte) >> 4];
    hex += kDigits[std::to_integer<int>(byte) & 15];
  }
  std::string file = GetParam();
  for (char& c : file) {
    if (c == ':' || c == '=' || c == '(' || c == ')' || c == ',') c = '-';
  }
  const std::string path =
      std::string(LACONIC_SOURCE_DIR) + "/tests/golden/mechanism/" + file + ".hex";
  std::ifstream in(path);
  ASSERT_TRUE(in.good()) << "no golden file " << path << "; the bytes are " << hex;
  std::string expected;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') expected += line;
  }
  EXPECT_EQ(hex, expected);
}

INSTANTIATE_TEST_SUITE_P(Registry, MechanismContract, testing::ValuesIn(specs()), test_name);

}  // namespace
}  // namespace laconic
