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
#include "laconic/kernels/sparse_vectors.hpp"
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
std::span<const T> times(T power, std::span<const T> x, Scratch<T>& memory) {
  const std::span<T> out = memory.take(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = power * x[i];
  return out;
}

// A vector with its zeros.
template <Real T>
class Dense {
 public:
  explicit Dense(std::span<const T> x) : x_(x) {}
  [[nodiscard]] std::size_t size() const { return x_.size(); }
  [[nodiscard]] std::span<const T> values() const { return x_; }
  [[nodiscard]] Dense times(T power, Scratch<T>& memory) const {
    return Dense(compress::times<T>(power, x_, memory));
  }
  kernels::MagnitudeSums bracket(T low, T high, std::vector<T>& found) const {
    return kernels::bracket_magnitudes<T>(low, high, x_, found);
  }
  // Looks up coordinates, which increase.
  class Cursor {
   public:
    explicit Cursor(const Dense& numbers) : x_(numbers.x_) {}
    [[nodiscard]] T at(std::size_t i) const { return x_[i]; }

   private:
    std::span<const T> x_;
  };

 private:
  std::span<const T> x_;
};

// The same of one without them.
template <Real T>
class Sparse {
 public:
  explicit Sparse(const SparseView<T>& x) : x_(x) {}
  [[nodiscard]] std::size_t size() const { return x_.dim; }
  [[nodiscard]] std::span<const T> values() const { return x_.values; }
  [[nodiscard]] Sparse times(T power, Scratch<T>& memory) const {
    return Sparse({x_.dim, x_.indices, compress::times<T>(power, x_.values, memory)});
  }
  kernels::MagnitudeSums bracket(T low, T high, std::vector<T>& found) const {
    return kernels::bracket_magnitudes<T>(low, high, x_, found);
  }
  class Cursor {
   public:
    explicit Cursor(const Sparse& numbers) : x_(numbers.x_) {}
    [[nodiscard]] T at(std::size_t i) {
      while (next_ < x_.indices.size() && x_.indices[next_] < i) ++next_;
      return next_ < x_.indices.size() && x_.indices[next_] == i ? x_.values[next_] : T{0};
    }

   private:
    SparseView<T> x_;
    std::size_t next_ = 0;
  };

 private:
  SparseView<T> x_;
};

template <Real T>
T middle_of_three(std::span<const T> values) {
  const T a = values.front();
  const T b = values[values.size() / 2];
  const T c = values.back();
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

// Moves the numbers that pass the test to the front and returns how many there are. The order is
// ours alone, so that sums over it do not depend on a library.
template <Real T, class Test>
std::size_t move_to_front(std::span<T> values, Test test) {
  std::size_t count = 0;
  for (T& slot : values) {
    const T value = slot;
    slot = values[count];
    values[count] = value;
    count += test(value) ? 1U : 0U;
  }
  return count;
}

// The magnitudes around the root, those above all of them, and a bound of the root.
template <Real T>
struct Search {
  std::span<T> values = {};
  Above above = {};
  double limit = std::numeric_limits<double>::infinity();
};

// Cuts the search down to one side of the pivot. Reorders its values.
template <Real T>
void cut(const Crossing& crossing, T pivot, Search<T>& search) {
  const std::size_t count = move_to_front(search.values, [&](T value) { return value > pivot; });
  const std::span<T> greater = search.values.first(count);
  const Above with = {search.above.count + static_cast<double>(count),
                      search.above.sum + kernels::sum<T>(greater)};
  if (crossing.reaches(static_cast<double>(pivot), with)) {
    search.values = greater;
    return;
  }
  // Those that are equal go, too.
  search.limit = static_cast<double>(pivot);
  search.values = search.values.subspan(count);
  const std::size_t less = move_to_front(search.values, [&](T value) { return value < pivot; });
  const double equal = static_cast<double>(search.values.size() - less);
  search.above = {with.count + equal, with.sum + equal * search.limit};
  search.values = search.values.first(less);
}

// As quickselect: the part in which the root lies is cut down by a pivot again and again.
template <Real T>
double find_root(const Crossing& crossing, Search<T> search) {
  while (!search.values.empty()) cut(crossing, middle_of_three<T>(search.values), search);
  return std::min(crossing.root(search.above), search.limit);
}

constexpr std::size_t kSampled = std::size_t{1} << 17;  // from here on a sample gives the bracket
constexpr std::size_t kSample = std::size_t{1} << 14;

// Where the root lies, and where it probably lies.
template <Real T>
struct Interval {
  T low = 0;
  T high = std::numeric_limits<T>::max();
  T inner_low = 0;
  T inner_high = std::numeric_limits<T>::max();
};

// Around the root of a sample, `spread` ranks of the sample to both sides.
template <Real T, class Numbers>
Interval<T> probable(const ThresholdRule& rule, const Numbers& x, std::size_t spread) {
  thread_local std::vector<T> sample(kSample);
  thread_local std::vector<T> order(kSample);
  const std::size_t stride = x.size() / kSample;
  std::uint32_t scatter = 0;
  typename Numbers::Cursor cursor(x);
  for (T& magnitude : sample) {
    scatter += 0x9E3779B9U;  // no period of the data meets that of the sample
    const auto at = static_cast<std::size_t>(&magnitude - sample.data()) * stride;
    magnitude = std::abs(cursor.at(at + ((std::uint64_t{scatter} * stride) >> 32)));
  }
  const auto zeros = std::count(sample.begin(), sample.end(), T{0});
  const Totals totals = {kernels::sum<T>(sample),
                         static_cast<double>(sample.size()) - static_cast<double>(zeros)};
  ThresholdRule scaled = rule;
  scaled.budget *= static_cast<double>(kSample) / static_cast<double>(x.size());
  if (totals.nonzeros == 0 || (rule.budget > 0 && scaled.budget >= totals.nonzeros)) return {};
  order = sample;
  const double root = find_root<T>(Crossing(scaled, totals), {.values = order});
  const auto rank = static_cast<std::size_t>(std::count_if(
      sample.begin(), sample.end(), [&](T a) { return static_cast<double>(a) > root; }));
  Interval<T> out;
  // By rank, from the smallest number on: each search is within what the last one left.
  auto end = sample.end();
  const auto at = [&](std::size_t k) {
    const auto place = sample.begin() + static_cast<std::ptrdiff_t>(k);
    std::nth_element(sample.begin(), place, end, std::greater<T>());
    end = place + 1;
    return *place;
  };
  const std::size_t near = spread / 6;
  if (rank + spread < kSample) out.low = at(rank + spread);
  if (rank + near < kSample) out.inner_low = at(rank + near);
  if (rank > near) out.inner_high = at(rank - near);
  if (rank > spread) out.high = at(rank - spread);
  return out;
}

template <Real T, class Numbers>
T threshold_of(const ThresholdRule& rule, const Numbers& x) {
  thread_local std::vector<T> candidates;  // these grow to the largest tensor's, then stay
  thread_local Scratch<T> scaled;
  if constexpr (sizeof(T) == 8) {
    const T largest = kernels::absmax<T>(x.values());
    if (const T power = moderate<T>(largest); power != 1 && largest > 0)
      return threshold_of<T>(rule, x.times(power, scaled)) / power;
  }
  std::size_t spread = kSample / 72;
  while (true) {
    const bool whole = x.size() < kSampled || spread >= kSample / 2;
    const Interval<T> interval = whole ? Interval<T>{} : probable<T>(rule, x, spread);
    spread *= 5;
    candidates.clear();
    const kernels::MagnitudeSums sums = x.bracket(interval.low, interval.high, candidates);
    const Totals totals = {sums.l1, static_cast<double>(sums.nonzeros)};
    if (sums.nonzeros == 0 || (rule.budget > 0 && rule.budget >= totals.nonzeros)) return 0;
    const Crossing crossing(rule, totals);
    Search<T> search = {.values = candidates,
                        .above = {static_cast<double>(sums.above), sums.l1_above}};
    if (!whole && crossing.reaches(static_cast<double>(interval.high), search.above)) continue;
    if (!whole) {
      search.limit = static_cast<double>(interval.high);
      cut(crossing, interval.inner_high, search);
      cut(crossing, interval.inner_low, search);
    }
    const double root = find_root<T>(crossing, search);
    // Below the interval: not all that is above the root was looked at.
    if (root < static_cast<double>(interval.low)) continue;
    return static_cast<T>(std::min(root, static_cast<double>(std::numeric_limits<T>::max())));
  }
}

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

// The best k has P_k/k >= A/n, because these are the largest, and a_(k) >= P_k/(2k), because it
// would be worse with the last one left out: nothing below A/(2n) matters. What is above falls into
// cells of similar magnitudes, of which number and sum are counted.
template <Real T, class Numbers>
DeadZone<T> dead_zone_of(const Numbers& x) {
  thread_local std::vector<Above> cells;  // these grow to what the largest tensor needs, then stay
  thread_local std::vector<T> found;
  thread_local Scratch<T> scaled;
  const T largest = kernels::absmax<T>(x.values());
  if (largest == 0) return {};
  if (const T power = moderate<T>(largest); power != 1) {
    DeadZone<T> out = dead_zone_of<T>(x.times(power, scaled));
    out.threshold /= power;
    out.magnitude /= power;
    return out;
  }
  found.clear();
  const bool sorted = x.size() <= kSortedMax;
  const kernels::MagnitudeSums sums = x.bracket(sorted ? T{0} : largest, largest, found);
  CellRange range;
  if (!sorted) {
    const double lowest = sums.l1 / static_cast<double>(sums.nonzeros) / 2 * (1 - 1e-9);
    const std::size_t first = cell_of<T>(static_cast<T>(lowest));
    cells.assign(cell_of<T>(largest) - first + 1, {});
    for (const T value : x.values()) {
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
    static_cast<void>(x.bracket(low == 0 ? T{0} : std::nextafter(low, T{0}), end, found));
  }
  std::sort(found.begin(), found.end(), std::greater<T>());
  return best_prefix<T>(found, range.above);
}
}  // namespace

template <Real T>
T choose_threshold(const ThresholdRule& rule, std::span<const T> x) {
  return threshold_of<T>(rule, Dense<T>(x));
}
template <Real T>
T choose_threshold(const ThresholdRule& rule, const SparseView<T>& x) {
  return threshold_of<T>(rule, Sparse<T>(x));
}
template <Real T>
DeadZone<T> choose_dead_zone(std::span<const T> x) {
  return dead_zone_of<T>(Dense<T>(x));
}
template <Real T>
DeadZone<T> choose_dead_zone(const SparseView<T>& x) {
  return dead_zone_of<T>(Sparse<T>(x));
}
#define LACONIC_INSTANTIATE(T)                                             \
  template T choose_threshold(const ThresholdRule&, std::span<const T>);   \
  template T choose_threshold(const ThresholdRule&, const SparseView<T>&); \
  template DeadZone<T> choose_dead_zone(std::span<const T>);               \
  template DeadZone<T> choose_dead_zone(const SparseView<T>&)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace laconic::compress
