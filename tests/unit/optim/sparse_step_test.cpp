// SPDX-License-Identifier: Apache-2.0
// Steps along a direction without its zeros have the bits of those with them, and visit what they
// say that they visit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/unit/optim/support.hpp"

namespace laconic::optim_test {
namespace {

// Warm-up from 0, decay, a jump up, and a pause.
double step_size_of(std::uint32_t t) {
  if (t % 50 == 0) return 0;
  return t < 20 ? 0.01 * t : (t > 150 ? 0.7 : 0.2) / std::sqrt(1.0 + t);
}

Layout weights_and_biases(std::uint32_t weights, std::uint32_t biases) {
  return Layout({{.name = "w", .shape = {weights, 1}},
                 {.name = "b", .shape = {biases, 1}, .role = Role::kBias}});
}

template <Real T>
std::vector<T> start_of(std::size_t size, std::uint32_t seed) {
  std::vector<T> x = normals<T>(size, 90, seed);
  for (std::size_t i = 0; i < size; ++i) {
    if (seed == 0 || i % 3 != 0) x[i] = 0;
  }
  return x;
}

template <Real T>
void check(const std::string& spec, std::uint32_t seed) {
  constexpr std::uint32_t kWeights = 300;
  constexpr std::uint32_t kSize = kWeights + 3;
  SCOPED_TRACE(spec + ", seed " + std::to_string(seed));
  const Layout layout = weights_and_biases(kWeights, kSize - kWeights);
  const auto dense = make<T>(spec, layout);
  const auto sparse = make<T>(spec, layout);
  ASSERT_TRUE(sparse->steps_sparsely());
  std::vector<T> x = start_of<T>(kSize, seed);
  std::vector<T> y = x;
  rng::Reader random(rng::Stream(4, {rng::Purpose::kTest, 91, seed, 0}));
  for (std::uint32_t t = 0; t < 300; ++t) {
    std::vector<T> q(kSize, T{0});
    SparseVector<T> numbers;
    for (std::uint32_t i = 0; i < kSize; ++i) {
      // Some coordinates never move; some directions are so small that squares vanish; sums return
      // to 0.
      if (i % 7 == 5 || random.below(25) != 0) continue;
      q[i] = static_cast<T>(std::round(4 * random.normal()) / 16 * (i % 11 == 3 ? 1e-30 : 1));
      if (q[i] != 0) numbers.push(i, q[i]);
    }
    dense->step(x, q, step_size_of(t));
    const auto active = sparse->step_sparse(y, numbers.view(kSize), step_size_of(t));
    ASSERT_EQ(std::memcmp(x.data(), y.data(), kSize * sizeof(T)), 0) << "round " << t;
    std::vector<std::uint8_t> listed(kSize, 0);
    for (std::size_t j = 0; j < active.size(); ++j) {
      ASSERT_TRUE(j == 0 || active[j - 1] < active[j]);
      listed[active[j]] = 1;
    }
    for (std::uint32_t i = 0; i < kSize; ++i) ASSERT_TRUE(x[i] == 0 || listed[i] != 0) << i;
    if (seed > 0) continue;
    // From 0 on nothing is visited that never had a direction.
    for (std::uint32_t i = 5; i < kSize; i += 7) ASSERT_EQ(listed[i], 0) << i;
  }
  EXPECT_EQ(dense->remark(), sparse->remark());
}

TEST(SparseStep, HasTheBitsOfTheDenseOne) {
  for (const char* spec :
       {"sgd", "adagrad-cmd", "adagrad-cmd:l1=0.01", "adagrad-cmd:biases=true,delta=0,l1=0.05",
        "adagrad-rda", "adagrad-rda:l1=0.01", "adagrad-rda:delta=0,l1=0.02",
        "adagrad-rda:centre=zero,delta=0.5,l1=0.003"}) {
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
      check<float>(spec, seed);
      check<double>(spec, seed);
    }
  }
}

TEST(SparseStep, LetsGoOfCoordinatesThatHaveBecomeZero) {
  const Layout layout = layout_of(1000);
  for (const char* spec : {"adagrad-cmd:l1=0.1", "adagrad-rda:l1=0.1"}) {
    const auto optimizer = make<double>(spec, layout);
    std::vector<double> x(1000, 0.0);
    SparseVector<double> q;
    for (std::uint32_t i = 0; i < 500; ++i) q.push(2 * i, 1.0);
    EXPECT_EQ(optimizer->step_sparse(x, q.view(1000), 0.5).size(), 500U) << spec;
    q.clear();
    std::size_t left = 500;
    for (int t = 0; t < 40; ++t) left = optimizer->step_sparse(x, q.view(1000), 0.5).size();
    EXPECT_EQ(left, 0U) << spec;
  }
}

TEST(SparseStep, IsNotForDecayAndMomentum) {
  const Layout layout = layout_of(3);
  for (const char* spec : {"sgd:lambda=0.1", "adagrad-cmd:decay=coupled,lambda=0.1",
                           "adagrad-rda:lambda=0.1", "momentum", "adam", "prox:l1=0.1"}) {
    EXPECT_FALSE(make<float>(spec, layout)->steps_sparsely()) << spec;
  }
}

}  // namespace
}  // namespace laconic::optim_test
