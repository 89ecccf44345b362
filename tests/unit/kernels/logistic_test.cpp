// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "laconic/base/exact_math.hpp"
#include "tests/unit/kernels/support.hpp"

namespace laconic::kernels::test {
namespace {

// Scores of every size up to where the exponential vanishes, both signs, and every place where the
// scalar functions branch.
std::vector<double> scores() {
  std::vector<double> all = {0.0,    -0.0,   1e-300, -1e-300, 5e-324, 37.0,    -37.0,  708.3,
                             -708.3, 708.4,  -708.4, 745.1,   -745.1, 745.133, 745.14, 745.2,
                             -745.2, 745.21, 746.0,  -746.0,  1e6,    -1e6,    1e300,  -1e300,
                             0.34,   0.35,   -0.88,  -0.8814, 36.7,   36.8,    36.74,  -36.74};
  all.push_back(std::numeric_limits<double>::infinity());
  all.push_back(-std::numeric_limits<double>::infinity());
  rng::Reader random = reader(1);
  for (int k = 0; k < 20000; ++k) {
    const double magnitude = exact::exp(14.0 * random.unit_double() - 7.0);  // 0.001 to 1100
    all.push_back(random.below(2) == 0 ? magnitude : -magnitude);
  }
  return all;
}

std::vector<double> random_signs(std::size_t size) {
  rng::Reader random = reader(2);
  std::vector<double> out(size);
  for (double& sign : out) sign = random.below(2) == 0 ? 1.0 : -1.0;
  return out;
}

template <class Kernel, class Expected>
void expect_same(Kernel kernel, Expected expected_kernel) {
  on_each_target([&] {
    const std::vector<double> all = scores();
    for (const std::size_t size : {all.size(), std::size_t{1}, std::size_t{7}, std::size_t{34}}) {
      std::vector<double> x(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size));
      std::vector<double> expected = x;
      const std::vector<double> signs = random_signs(size);
      kernel(signs, x);
      expected_kernel(signs, expected);
      ASSERT_TRUE(same_bits(x, expected));
    }
  });
}

TEST(LogisticKernels, SlopesHaveTheBitsOfTheExactFunction) {
  expect_same([](const auto& signs, auto& x) { logistic_slopes(signs, x); },
              [](const auto& signs, auto& x) { reference::logistic_slopes(signs, x); });
}

TEST(LogisticKernels, LossesHaveTheBitsOfTheExactFunction) {
  expect_same([](const auto& signs, auto& x) { logistic_losses(signs, x); },
              [](const auto& signs, auto& x) { reference::logistic_losses(signs, x); });
}

TEST(LogisticKernels, NaNStaysNaN) {
  on_each_target([] {
    const std::vector<double> signs(19, -1.0);
    std::vector<double> x(19, std::numeric_limits<double>::quiet_NaN());
    logistic_slopes(signs, x);
    for (const double value : x) EXPECT_TRUE(std::isnan(value));
    logistic_losses(signs, x);
    for (const double value : x) EXPECT_TRUE(std::isnan(value));
  });
}

TEST(LogisticKernels, RefuseSizesThatDiffer) {
  std::vector<double> x(3);
  EXPECT_THROW(logistic_slopes(std::vector<double>(2, 1.0), x), std::logic_error);
  EXPECT_THROW(logistic_losses(std::vector<double>(4, 1.0), x), std::logic_error);
}

}  // namespace
}  // namespace laconic::kernels::test
