// SPDX-License-Identifier: Apache-2.0
// What the steps of 3pc.md section 4 that the server takes look like here: EF21-Prox and EF21-HB.
#include <cmath>

#include "tests/unit/optim/support.hpp"

namespace laconic {
namespace {

using optim_test::layout_of;
using optim_test::make;
using optim_test::normals;

template <class T>
class ThreePcSteps : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(ThreePcSteps, Types);

struct Weights {
  double l1 = 0;
  double l2 = 0;
};

// prox_{eta r}(z) from its definition: the minimum over y of (y - z)^2 / 2 + eta r(y). The function
// is convex, so that it lies where the sign of the slope changes.
long double minimizer(long double z, double eta, Weights r) {
  const auto slope = [&](long double y) {
    return y - z + eta * (r.l1 * (y > 0 ? 1 : -1) + r.l2 * y);
  };
  long double low = -std::fabs(z) - 1;
  long double high = std::fabs(z) + 1;
  for (int k = 0; k < 200; ++k) {
    const long double middle = (low + high) / 2;
    (slope(middle) > 0 ? high : low) = middle;
  }
  return (low + high) / 2;
}

TYPED_TEST(ThreePcSteps, ProxIsTheMinimumOfItsDefinition) {
  using T = TypeParam;
  constexpr std::uint32_t kSize = 500;
  const Layout layout = layout_of(kSize);
  const double eta = 0.25;
  for (const Weights r : {Weights{0.5, 0}, Weights{0, 3}, Weights{0.5, 3}, Weights{8, 0.125}}) {
    const auto optimizer = make<T>("prox:l1=" + shortest(r.l1) + ",l2=" + shortest(r.l2), layout);
    const std::vector<T> start = normals<T>(kSize, 1, 0);
    const std::vector<T> u = normals<T>(kSize, 1, 1);
    std::vector<T> x = start;
    optimizer->step(x, u, eta);
    for (std::size_t i = 0; i < kSize; ++i) {
      const auto z = static_cast<long double>(start[i]) - eta * static_cast<long double>(u[i]);
      // Five roundings of numbers up to |x| + eta |u| (eta l1 and eta are exact here).
      const long double unit = std::numeric_limits<T>::epsilon();
      const long double size = std::fabs(static_cast<long double>(start[i])) +
                               eta * std::fabs(static_cast<long double>(u[i])) + eta * r.l1;
      ASSERT_LE(std::fabs(static_cast<long double>(x[i]) - minimizer(z, eta, r)), 3 * unit * size)
          << "coordinate " << i;
    }
  }
}

TYPED_TEST(ThreePcSteps, ProxSetsSmallCoordinatesToZeroExactly) {
  using T = TypeParam;
  const Layout layout = layout_of(5);
  std::vector<T> x = {T{0.25}, T{-0.25}, T{0.5}, T{-0.75}, T{0}};
  make<T>("prox:l1=0.5", layout)->step(x, std::vector<T>(5, T{0}), 0.5);
  EXPECT_EQ(x, (std::vector<T>{0, 0, T{0.25}, T{-0.5}, 0}));
}

TYPED_TEST(ThreePcSteps, ProxWithoutWeightsIsGradientDescentBitForBit) {
  using T = TypeParam;
  const Layout layout = layout_of(300);
  const auto prox = make<T>("prox:lambda=0.25", layout);
  const auto sgd = make<T>("sgd:lambda=0.25", layout);
  std::vector<T> x = normals<T>(300, 2, 0);
  std::vector<T> y = x;
  for (std::uint32_t round = 1; round < 30; ++round) {
    const std::vector<T> u = normals<T>(300, 2, round);
    prox->step(x, u, 0.1);
    sgd->step(y, u, 0.1);
  }
  EXPECT_EQ(x, y);
}

// Minimises (x - 3)^2 / 2 + 2 |x| + x^2 / 2, coordinate by coordinate: 2 x = 3 - 2.
TYPED_TEST(ThreePcSteps, ProxConvergesToTheMinimumOfTheSum) {
  using T = TypeParam;
  const Layout layout = layout_of(2);
  const auto optimizer = make<T>("prox:l1=2,l2=1", layout);
  std::vector<T> x = {T{-5}, T{0.125}};
  const std::vector<T> target = {T{3}, T{1.5}};  // of the second the minimum is at 0
  for (int round = 0; round < 200; ++round) {
    const std::vector<T> u = {x[0] - target[0], x[1] - target[1]};
    optimizer->step(x, u, 0.5);
  }
  EXPECT_NEAR(x[0], 0.5, 4 * std::numeric_limits<T>::epsilon());
  EXPECT_EQ(x[1], T{0});
}

// 3pc.md section 4: x <- x - gamma v, then v <- eta v + g with the gradient at the new x; v = g at
// the start.
TYPED_TEST(ThreePcSteps, MomentumTakesTheStepsOfEf21HeavyBall) {
  using T = TypeParam;
  constexpr std::uint32_t kSize = 100;
  const double gamma = 0.01;
  const double eta = 0.875;
  const Layout layout = layout_of(kSize);
  const auto optimizer = make<T>("momentum:beta=" + shortest(eta), layout);
  std::vector<T> x = normals<T>(kSize, 3, 0);
  std::vector<T> expected = x;
  std::vector<T> v = normals<T>(kSize, 3, 1);
  for (std::uint32_t round = 1; round < 100; ++round) {
    optimizer->step(x, normals<T>(kSize, 3, round), gamma);
    const std::vector<T> next = normals<T>(kSize, 3, round + 1);
    for (std::size_t i = 0; i < kSize; ++i) {
      const T moved = static_cast<T>(-gamma) * v[i];
      expected[i] = expected[i] + moved;
      const T kept = static_cast<T>(eta) * v[i];
      v[i] = kept + next[i];
    }
    ASSERT_EQ(x, expected) << "round " << round;
  }
}

}  // namespace
}  // namespace laconic
