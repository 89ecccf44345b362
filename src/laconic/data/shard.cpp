// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/shard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "laconic/base/assert.hpp"
#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::data {
namespace {

using Shards = std::vector<std::vector<std::uint32_t>>;

constexpr double kMinAlpha = 1e-6;
constexpr double kMaxAlpha = 1e6;
// Values of StreamId::tensor: what the numbers of a class are for.
constexpr std::uint32_t kPermutation = 0;
constexpr std::uint32_t kProportions = 1;
constexpr std::uint32_t kCommonPart = 2;

rng::Stream stream_of(const ShardOptions& options, std::uint32_t label, std::uint32_t use) {
  return {options.seed,
          {.purpose = rng::Purpose::kShard, .worker = 0, .round = label, .tensor = use}};
}

Shards cut(std::span<const std::uint32_t> order, const ShardOptions& options) {
  std::size_t kept = order.size();
  if (options.multiple > 0) kept -= kept % options.multiple;
  if (kept < options.workers) {
    throw ConfigError(
        fmt::format("sharding: {} of {} rows are a multiple of {}, too few for {} workers; use a "
                    "smaller multiple",
                    kept, order.size(), options.multiple, options.workers));
  }
  if (options.drop_remainder) kept -= kept % options.workers;
  const Blocks blocks{.rows = kept, .workers = options.workers};
  Shards shards(options.workers);
  for (std::uint32_t w = 0; w < options.workers; ++w) {
    const auto block = order.subspan(blocks.begin(w), blocks.begin(w + 1) - blocks.begin(w));
    shards[w].assign(block.begin(), block.end());
  }
  return shards;
}

// log of a Gamma(alpha) number, after Marsaglia and Tsang (2000). For alpha < 1, Gamma(alpha) is
// Gamma(alpha + 1) * U^(1 / alpha); the logarithm keeps it from vanishing when alpha is small.
double log_gamma_variate(rng::Reader& reader, double alpha) {
  const double boost = alpha < 1 ? exact::log(1.0 - reader.unit_double()) / alpha : 0.0;
  const double d = (alpha < 1 ? alpha + 1 : alpha) - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = reader.normal();
    const double root = 1.0 + c * x;
    const double u = 1.0 - reader.unit_double();
    if (root <= 0) continue;
    const double v = root * root * root;
    const double log_v = exact::log(v);
    if (exact::log(u) < 0.5 * x * x + d - d * v + d * log_v) return exact::log(d) + log_v + boost;
  }
}

// Element w: the share of workers 0..w together; the last one is 1.
std::vector<double> cumulated_shares(const rng::Stream& stream, const ShardOptions& options) {
  rng::Reader reader(stream);
  std::vector<double> shares(options.workers);
  for (double& share : shares) share = log_gamma_variate(reader, options.alpha);
  const double largest = *std::max_element(shares.begin(), shares.end());
  double sum = 0;
  for (double& share : shares) {
    sum += exact::exp(share - largest);
    share = sum;
  }
  for (double& share : shares) share /= sum;
  return shares;
}

Shards dirichlet(std::span<const std::uint32_t> labels, const ShardOptions& options) {
  std::vector<std::vector<std::uint32_t>> rows_of;
  for (std::uint32_t row = 0; row < labels.size(); ++row) {
    if (labels[row] >= rows_of.size()) rows_of.resize(std::size_t{labels[row]} + 1);
    rows_of[labels[row]].push_back(row);
  }
  Shards shards(options.workers);
  for (std::uint32_t label = 0; label < rows_of.size(); ++label) {
    std::vector<std::uint32_t>& rows = rows_of[label];
    if (rows.empty()) continue;
    rng::permute(stream_of(options, label, kPermutation), rows);
    const std::vector<double> shares =
        cumulated_shares(stream_of(options, label, kProportions), options);
    std::size_t begin = 0;
    for (std::uint32_t w = 0; w < options.workers; ++w) {
      // Rounded down; the last share is exactly 1, so that every row is given away.
      const auto end = static_cast<std::size_t>(shares[w] * static_cast<double>(rows.size()));
      shards[w].insert(shards[w].end(), rows.begin() + static_cast<std::ptrdiff_t>(begin),
                       rows.begin() + static_cast<std::ptrdiff_t>(end));
      begin = end;
    }
  }
  for (std::uint32_t w = 0; w < options.workers; ++w) {
    if (shards[w].empty()) {
      throw ConfigError(fmt::format(
          "sharding: worker {} of {} gets no row with dirichlet alpha={} and seed {}; raise "
          "alpha, take fewer workers or another seed",
          w, options.workers, shortest(options.alpha), options.seed));
    }
    std::sort(shards[w].begin(), shards[w].end());
  }
  return shards;
}

Shards homogeneous(std::size_t rows, const ShardOptions& options) {
  const std::size_t part_rows = rows / (std::size_t{options.workers} + 1);
  Shards shards(options.workers);
  for (std::uint32_t w = 0; w < options.workers; ++w) {
    rng::Reader reader(rng::Stream(
        options.seed, {.purpose = rng::Purpose::kShard, .worker = w, .tensor = kCommonPart}));
    const bool common = reader.unit_double() < options.level;
    shards[w].resize(part_rows);
    const std::size_t first = common ? 0 : (std::size_t{w} + 1) * part_rows;
    std::iota(shards[w].begin(), shards[w].end(), static_cast<std::uint32_t>(first));
  }
  return shards;
}

void check(std::size_t rows, const ShardOptions& options) {
  if (rows > std::numeric_limits<std::uint32_t>::max()) {
    throw ConfigError(fmt::format("sharding: {} rows are too many; the limit is 2^32 - 1", rows));
  }
  if (options.workers == 0) throw ConfigError("sharding: workers=0; there must be at least one");
  if (options.workers > rows) {
    throw ConfigError(
        fmt::format("sharding: {} workers for {} rows; each needs at least one, take fewer workers",
                    options.workers, rows));
  }
  if (options.sharding == Sharding::kDirichlet &&
      !(options.alpha >= kMinAlpha && options.alpha <= kMaxAlpha)) {
    throw ConfigError(fmt::format("sharding: dirichlet alpha={} is not in [{}, {}]",
                                  shortest(options.alpha), shortest(kMinAlpha),
                                  shortest(kMaxAlpha)));
  }
  if (options.sharding != Sharding::kHomogeneous) return;
  if (!(options.level >= 0 && options.level <= 1)) {
    throw ConfigError(
        fmt::format("sharding: homogeneous level={} is not in [0, 1]", shortest(options.level)));
  }
  if (options.workers == rows) {
    throw ConfigError(fmt::format(
        "sharding: homogeneous cuts {} rows into {} parts, one more than there are workers; each "
        "needs at least one row, take fewer workers",
        rows, rows + 1));
  }
}

}  // namespace

std::size_t Blocks::begin(std::uint32_t worker) const {
  LACONIC_EXPECTS(workers > 0);
  LACONIC_EXPECTS(worker <= workers);
  return std::size_t{worker} * (rows / workers) + std::min<std::size_t>(worker, rows % workers);
}

std::vector<std::vector<std::uint32_t>> shard_rows(std::span<const std::uint32_t> labels,
                                                   const ShardOptions& options) {
  if (options.rows > 0) labels = labels.first(std::min<std::size_t>(options.rows, labels.size()));
  check(labels.size(), options);
  if (options.sharding == Sharding::kDirichlet) return dirichlet(labels, options);
  if (options.sharding == Sharding::kHomogeneous) return homogeneous(labels.size(), options);
  std::vector<std::uint32_t> order(labels.size());
  std::iota(order.begin(), order.end(), 0U);
  if (options.sharding == Sharding::kShuffled)
    rng::permute(stream_of(options, 0, kPermutation), order);
  if (options.sharding == Sharding::kByLabel) {
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return labels[a] < labels[b]; });
  }
  return cut(order, options);
}

}  // namespace laconic::data
