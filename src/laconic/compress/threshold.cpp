// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/threshold.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <type_traits>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::compress {
namespace {

// What is known of the whole vector, or of a sample of it.
struct Totals {
  double l1 = 0;
  double nonzeros = 0;
};
// The magnitudes above some value: how many, and their sum.
struct Above {
  double count = 0;
  double sum = 0;
};

// The threshold is the root of a monotone function of tau, whose pieces change at the magnitudes.
class Crossing {
 public:
  Crossing(const ThresholdRule& rule, const Totals& totals) : rule_(rule), totals_(totals) {
    const double s = static_cast<double>(rule.levels);
    share_ = 1 / (6 * s * s);
  }
  // The root is not below tau, just above which `above` holds.
  [[nodiscard]] bool reaches(double tau, const Above& above) const {
    if (rule_.budget > 0) return totals_.l1 - above.sum >= (rule_.budget - above.count) * tau;
    if (rule_.levels == 1) return 2 * above.count * tau + totals_.l1 <= 3 * above.sum;
    return above.count * tau + (totals_.nonzeros - above.count) * share_ * tau <= above.sum;
  }
  // The root of the piece on which `above` holds.
  [[nodiscard]] double root(const Above& above) const {
    if (rule_.budget > 0) return (totals_.l1 - above.sum) / (rule_.budget - above.count);
    if (rule_.levels == 1)  // Written so that of equal numbers it is exactly theirs.
      return (above.sum - (totals_.l1 - above.sum) / 2) / above.count;
    return above.sum / (above.count + (totals_.nonzeros - above.count) * share_);
  }

 private:
  ThresholdRule rule_;
  Totals totals_;
  double share_ = 0;
};

// The power of two that brings numbers up to `largest` to where neither they nor their sums
// overflow or vanish: 1 nearly always. Sums of floats are doubles.
template <Real T>
T moderate(T largest) {
  if constexpr (sizeof(T) == 8) {
    if (largest > 0x1p900) return 0x1p-300;
    if (largest < 0x1p-700) return 0x1p300;
  }
  return 1;
}
template <Real T>
std::span<const T> times(T power, std::span<const T> x, std::span<T> out) {
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = power * x[i];
  return out;
}

template <Real T>
T middle_of_three(std::span<const T> values) {
  const T a = values.front();
  const T b = values[values.size() / 2];
  const T c = values.back();
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

// Moves the numbers above the pivot to the front, in an order that is ours alone.
template <Real T>
Above split(std::span<T> values, T pivot) {
  std::size_t count = 0;
  double sum = 0;
  for (T& slot : values) {
    const T value = slot;
    slot = values[count];
    values[count] = value;
    const bool greater = value > pivot;
    count += greater ? 1U : 0U;
    sum += greater ? static_cast<double>(value) : 0.0;
  }
  return {static_cast<double>(count), sum};
}

// The root, given the magnitudes around it and what is above all of them. Reorders `values`. As
// quickselect: the part in which the root lies is cut down by a pivot again and again.
template <Real T>
double find_root(const Crossing& crossing, std::span<T> values, Above above, double limit) {
  while (!values.empty()) {
    const T pivot = middle_of_three<T>(values);
    const Above more = split(values, pivot);
    const auto count = static_cast<std::size_t>(more.count);
    if (crossing.reaches(static_cast<double>(pivot),
                         {above.count + more.count, above.sum + more.sum})) {
      values = values.first(count);
      continue;
    }
    limit = static_cast<double>(pivot);
    values = values.subspan(count);
    // Those that are equal go, too.
    std::size_t less = 0;
    for (T& slot : values) {
      const T value = slot;
      slot = values[less];
      values[less] = value;
      less += value < pivot ? 1U : 0U;
    }
    const double equal = static_cast<double>(values.size() - less);
    above.count += more.count + equal;
    above.sum += more.sum + equal * limit;
    values = values.first(less);
  }
  return std::min(crossing.root(above), limit);
}

constexpr std::size_t kSampled = std::size_t{1} << 17;  // from here on a sample gives the bracket
constexpr std::size_t kSample = std::size_t{1} << 14;

template <Real T>
struct Interval {
  T low = 0;
  T high = std::numeric_limits<T>::max();
};

// Where the root probably lies: around that of a sample, `spread` ranks of the sample to both
// sides.
template <Real T>
Interval<T> probable(const ThresholdRule& rule, std::span<const T> x, std::size_t spread) {
  thread_local std::vector<T> sample(kSample);
  thread_local std::vector<T> order(kSample);
  const std::size_t stride = x.size() / kSample;
  std::uint32_t scatter = 0;
  Totals totals;
  for (std::size_t i = 0; i < kSample; ++i) {
    scatter += 0x9E3779B9U;  // no period of the data meets that of the sample
    sample[i] = std::abs(x[i * stride + ((std::uint64_t{scatter} * stride) >> 32)]);
    totals.l1 += static_cast<double>(sample[i]);
    totals.nonzeros += sample[i] > 0 ? 1 : 0;
  }
  ThresholdRule scaled = rule;
  scaled.budget *= static_cast<double>(kSample) / static_cast<double>(x.size());
  if (totals.nonzeros == 0 || (rule.budget > 0 && scaled.budget >= totals.nonzeros)) return {};
  order = sample;
  const double root =
      find_root<T>(Crossing(scaled, totals), order, {}, std::numeric_limits<double>::infinity());
  const auto rank = static_cast<std::size_t>(std::count_if(
      sample.begin(), sample.end(), [&](T a) { return static_cast<double>(a) > root; }));
  Interval<T> out;
  const auto at = [&](std::size_t k) {
    const auto place = sample.begin() + static_cast<std::ptrdiff_t>(k);
    std::nth_element(sample.begin(), place, sample.end(), std::greater<T>());
    return *place;
  };
  if (rank > spread) out.high = at(rank - spread);
  if (rank + spread < kSample) out.low = std::min(at(rank + spread), out.high);
  return out;
}

}  // namespace

template <Real T>
T choose_threshold(const ThresholdRule& rule, std::span<const T> x) {
  thread_local std::vector<T> candidates;  // these grow to the largest tensor's, then stay
  thread_local Scratch<T> scaled;
  if constexpr (sizeof(T) == 8) {
    const T largest = kernels::absmax<T>(x);
    if (const T power = moderate<T>(largest); power != 1 && largest > 0)
      return choose_threshold<T>(rule, times<T>(power, x, scaled.take(x.size()))) / power;
  }
  std::size_t spread = kSample / 50;
  while (true) {
    const bool whole = x.size() < kSampled || spread >= kSample / 2;
    const Interval<T> interval = whole ? Interval<T>{} : probable<T>(rule, x, spread);
    candidates.clear();
    const kernels::MagnitudeSums sums =
        kernels::bracket_magnitudes<T>(interval.low, interval.high, x, candidates);
    const Totals totals = {sums.l1, static_cast<double>(sums.nonzeros)};
    if (sums.nonzeros == 0 || (rule.budget > 0 && rule.budget >= totals.nonzeros)) return 0;
    const Crossing crossing(rule, totals);
    const Above above = {static_cast<double>(sums.above), sums.l1_above};
    Above at_low = above;
    at_low.count += static_cast<double>(candidates.size());
    for (const T a : candidates) at_low.sum += static_cast<double>(a);
    const bool inside =
        whole ||
        (!crossing.reaches(static_cast<double>(interval.high), above) &&
         (interval.low == 0 || crossing.reaches(static_cast<double>(interval.low), at_low)));
    if (inside) {
      const double limit =
          whole ? std::numeric_limits<double>::infinity() : static_cast<double>(interval.high);
      return static_cast<T>(std::min(find_root<T>(crossing, candidates, above, limit),
                                     static_cast<double>(std::numeric_limits<T>::max())));
    }
    spread *= 5;
  }
}
template float choose_threshold(const ThresholdRule&, std::span<const float>);
template double choose_threshold(const ThresholdRule&, std::span<const double>);

namespace {

template <Real T>
using BitsOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
// Magnitudes with the same exponent and the same eight bits behind it share a cell.
template <Real T>
std::size_t cell_of(T magnitude) {
  constexpr int kShift = std::numeric_limits<T>::digits - 1 - 8;
  return static_cast<std::size_t>(std::bit_cast<BitsOf<T>>(magnitude) >> kShift);
}
template <Real T>
T lower_end(std::size_t cell) {
  constexpr int kShift = std::numeric_limits<T>::digits - 1 - 8;
  return std::bit_cast<T>(static_cast<BitsOf<T>>(cell) << kShift);
}

// The root of P^2/k: no square overflows.
double gain(const Above& above) { return above.sum / std::sqrt(above.count); }

// The best of the prefixes of `sorted` (descending) behind what is above them.
template <Real T>
DeadZone<T> best_prefix(std::span<const T> sorted, Above above) {
  Above best;
  DeadZone<T> out;
  for (const T value : sorted) {
    above.count += 1;
    above.sum += static_cast<double>(value);
    if (best.count > 0 && gain(above) <= gain(best)) continue;
    best = above;
    out.threshold = value;
  }
  LACONIC_EXPECTS(best.count > 0);
  out.magnitude = static_cast<T>(best.sum / best.count);
  out.count = static_cast<std::size_t>(best.count);
  return out;
}

// The cells in which the best prefix may end, and what is above them.
struct CellRange {
  std::size_t low = 0;
  std::size_t high = 0;
  Above above = {};
};

// If a cell begins behind K numbers of sum P, holds numbers of sum s and none above h, then no
// prefix that ends in it gains more than the larger of P^2/K and (P + s)^2/(K + s/h). Cells in
// which that reaches the best gain at an end of a cell remain; they are few, and neighbours.
template <Real T>
CellRange promising(std::span<const Above> cells, std::size_t first, T largest) {
  Above above;
  double best = 0;
  for (std::size_t c = cells.size(); c-- > 0;) {
    above.count += cells[c].count;
    above.sum += cells[c].sum;
    if (above.count > 0) best = std::max(best, gain(above));
  }
  CellRange out;
  bool found = false;
  above = {};
  for (std::size_t c = cells.size(); c-- > 0;) {
    if (cells[c].count == 0) continue;
    const double high = c + 1 == cells.size() ? static_cast<double>(largest)
                                              : static_cast<double>(lower_end<T>(c + first + 1));
    if (gain({above.count + cells[c].sum / high, above.sum + cells[c].sum}) >= best * (1 - 1e-9)) {
      if (!found) out = {.high = c, .above = above};
      found = true;
      out.low = c;
    }
    above.count += cells[c].count;
    above.sum += cells[c].sum;
  }
  LACONIC_EXPECTS(found);
  return out;
}

constexpr std::size_t kSortedMax = 2048;  // up to here sorting everything is faster

}  // namespace

// The best k has P_k/k >= A/n, because these are the largest, and a_(k) >= P_k/(2k), because it
// would be worse with the last one left out: nothing below A/(2n) matters. What is above falls into
// cells of similar magnitudes, of which number and sum are counted.
template <Real T>
DeadZone<T> choose_dead_zone(std::span<const T> x) {
  thread_local std::vector<Above> cells;  // these grow to what the largest tensor needs, then stay
  thread_local std::vector<T> found;
  thread_local Scratch<T> scaled;
  const T largest = kernels::absmax<T>(x);
  if (largest == 0) return {};
  if (const T power = moderate<T>(largest); power != 1) {
    DeadZone<T> out = choose_dead_zone<T>(times<T>(power, x, scaled.take(x.size())));
    out.threshold /= power;
    out.magnitude /= power;
    return out;
  }
  found.clear();
  const bool sorted = x.size() <= kSortedMax;
  const kernels::MagnitudeSums sums =
      kernels::bracket_magnitudes<T>(sorted ? T{0} : largest, largest, x, found);
  CellRange range;
  if (!sorted) {
    const double lowest = sums.l1 / static_cast<double>(sums.nonzeros) / 2 * (1 - 1e-9);
    const std::size_t first = cell_of<T>(static_cast<T>(lowest));
    cells.assign(cell_of<T>(largest) - first + 1, {});
    for (const T value : x) {
      const T a = std::abs(value);
      const std::size_t cell = cell_of<T>(a);
      if (cell < first || a == 0) continue;
      cells[cell - first].count += 1;
      cells[cell - first].sum += static_cast<double>(a);
    }
    range = promising<T>(cells, first, largest);
    const T low = lower_end<T>(range.low + first);
    const T end = range.high + 1 == cells.size()
                      ? largest
                      : std::nextafter(lower_end<T>(range.high + first + 1), T{0});
    static_cast<void>(
        kernels::bracket_magnitudes<T>(low == 0 ? T{0} : std::nextafter(low, T{0}), end, x, found));
  }
  std::sort(found.begin(), found.end(), std::greater<T>());
  return best_prefix<T>(found, range.above);
}
template DeadZone<float> choose_dead_zone(std::span<const float>);
template DeadZone<double> choose_dead_zone(std::span<const double>);

}  // namespace laconic::compress
