// SPDX-License-Identifier: Apache-2.0
// Permuted-order SGD on quadratics f_ij(w) = (w - b_ij)^T A (w - b_ij) / 2 in eight coordinates, A
// diagonal, U[0.5, 1.5], b ~ N(0, I), w_0 = 1, step C / (n T), one unit per worker and step: how
// f - f* after T epochs falls with n, m and T (cd-grab.md 5, check 19). Medians of nine seeds of
// the last iterate; slopes by least squares in log-log.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "laconic/base/card.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/order/example_orders.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

constexpr std::size_t kDimension = 8;
constexpr std::uint64_t kSeeds = 9;

const Catalog& catalog() {
  static const Catalog cards = [] {
    Catalog out;
    add_order_cards(out);
    return out;
  }();
  return cards;
}

struct Job {
  std::uint32_t m = 4;    // workers
  std::uint32_t n = 256;  // units per worker
  std::uint32_t epochs = 64;
  double c = 16;
};

// f - f* after the last epoch.
double excess(const std::string& order, const Job& job, std::uint64_t seed) {
  rng::Reader random(rng::Stream(seed, {.purpose = rng::Purpose::kTest, .round = job.n}));
  std::vector<double> a(kDimension);
  for (double& value : a) value = 0.5 + random.unit_double();
  std::vector<double> b(job.m * job.n * kDimension);
  std::vector<double> mean(kDimension);
  for (std::size_t i = 0; i < b.size(); ++i) {
    b[i] = random.normal();
    mean[i % kDimension] += b[i] / (job.m * job.n);
  }
  const Spec spec = catalog().canonical(parse_spec(order).value_or_throw(), "order");
  const auto orders = make_example_orders<double>(
      spec, {.units = std::vector<std::uint32_t>(job.m, job.n), .dim = kDimension, .seed = seed});
  const auto comm = make_self_communicator();
  const double step = job.c / (static_cast<double>(job.n) * job.epochs);
  std::vector<double> w(kDimension, 1.0);
  std::vector<double> g(kDimension);
  std::vector<double> sum(kDimension);
  for (std::uint32_t e = 0; e < job.epochs; ++e) {
    orders->begin_epoch(e);
    for (std::uint32_t j = 0; j < job.n; ++j) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::uint32_t i = 0; i < job.m; ++i) {
        const std::uint32_t unit = orders->order(i)[j];
        const double* target = &b[(i * job.n + unit) * kDimension];
        for (std::size_t k = 0; k < kDimension; ++k) {
          g[k] = a[k] * (w[k] - target[k]);
          sum[k] += g[k];
        }
        if (orders->observes()) orders->observe(i, j, UnitGradient<double>::dense(g));
      }
      orders->exchange({.round = j, .phase = 0}, *comm);
      for (std::size_t k = 0; k < kDimension; ++k) w[k] -= step / job.m * sum[k];
    }
    orders->end_epoch({.round = job.n, .phase = 100}, *comm);
  }
  double out = 0;
  for (std::size_t k = 0; k < kDimension; ++k) {
    out += 0.5 * a[k] * (w[k] - mean[k]) * (w[k] - mean[k]);
  }
  return out;
}

double median_excess(const std::string& order, const Job& job) {
  std::vector<double> values;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) values.push_back(excess(order, job, seed));
  std::nth_element(values.begin(), values.begin() + kSeeds / 2, values.end());
  return values[kSeeds / 2];
}

// The slope of log excess over log x, one job per x.
double slope(const std::string& order, const std::vector<std::uint32_t>& xs,
             const std::vector<Job>& jobs) {
  double sx = 0;
  double sy = 0;
  double sxx = 0;
  double sxy = 0;
  const auto count = static_cast<double>(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const double x = std::log(static_cast<double>(xs[i]));
    const double y = std::log(median_excess(order, jobs[i]));
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  const double out = (count * sxy - sx * sy) / (count * sxx - sx * sx);
  std::cout << order << ": slope " << out << '\n';
  return out;
}

// C = 24 where the page has 16: what is left of the start, exp(-2 C a), would be 5e-9 for the
// smallest a of eight, more than the noise of CD-GraB from n = 256 on.
TEST(CdGrabCheck19, RateInTheUnitsOfAWorker) {
  const std::vector<std::uint32_t> ns = {64, 128, 256, 512, 1024, 2048};
  std::vector<Job> jobs;
  for (const std::uint32_t n : ns) jobs.push_back({.m = 4, .n = n, .epochs = 64, .c = 24});
  const double reshuffling = slope("reshuffle", ns, jobs);
  EXPECT_GE(reshuffling, -1.4);
  EXPECT_LE(reshuffling, -0.6);
  EXPECT_LE(slope("cd-grab", ns, jobs), -1.8);
}

TEST(CdGrabCheck19, RateInTheWorkers) {
  const std::vector<std::uint32_t> ms = {1, 2, 4, 8, 16, 32, 64};
  std::vector<Job> jobs;
  for (const std::uint32_t m : ms) jobs.push_back({.m = m, .n = 256, .epochs = 64, .c = 24});
  const double reshuffling = slope("reshuffle", ms, jobs);
  EXPECT_GE(reshuffling, -1.4);
  EXPECT_LE(reshuffling, -0.6);
  EXPECT_LE(slope("cd-grab", ms, jobs), -1.8);
  const double pairs = slope("pair-grab", ms, jobs);
  EXPECT_GE(pairs, -1.4);
  EXPECT_LE(pairs, -0.6);
  EXPECT_GT(slope("grab", ms, jobs), -0.6);
}

TEST(CdGrabCheck19, RateInTheEpochs) {
  const std::vector<std::uint32_t> ts = {16, 32, 64, 128, 256};
  std::vector<Job> jobs;
  for (const std::uint32_t t : ts) jobs.push_back({.m = 4, .n = 256, .epochs = t, .c = 20});
  EXPECT_LE(slope("reshuffle", ts, jobs), -1.8);
  EXPECT_LE(slope("cd-grab", ts, jobs), -1.8);
}

// Read off one point: reshuffling 4e-6, CD-GraB 2e-9. Within a factor of 5, as medians of other
// seeds may be.
TEST(CdGrabCheck19, Level) {
  const Job job = {.m = 4, .n = 256, .epochs = 64, .c = 16};
  const double reshuffling = median_excess("reshuffle", job);
  const double coordinated = median_excess("cd-grab", job);
  std::cout << "reshuffle " << reshuffling << ", cd-grab " << coordinated << '\n';
  EXPECT_GT(reshuffling, 4e-6 / 5);
  EXPECT_LT(reshuffling, 4e-6 * 5);
  EXPECT_LT(coordinated, 2e-9 * 5);
}

}  // namespace
}  // namespace laconic
