// SPDX-License-Identifier: Apache-2.0
// The scalar truth: every kernel as the plainest loop that has the promised order of operations.
// The SIMD versions are tested against these bit for bit; nothing else should call them where speed
// counts.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/kernels/simd_tables.hpp"

namespace laconic::kernels {
namespace detail {

template <Real T>
T rounding_shift(const RandomRounding<T>& rounding) {
  const T factor = static_cast<T>(rounding.levels) / rounding.scale;
  const T power = sizeof(T) == 4 ? static_cast<T>(0x1p64) : static_cast<T>(0x1p512);
  if (!std::isfinite(factor)) return power;
  return factor < std::numeric_limits<T>::min() ? 1 / power : T{1};
}
template float rounding_shift(const RandomRounding<float>&);
template double rounding_shift(const RandomRounding<double>&);

template <Real T>
std::uint32_t random_level(const RandomRounding<T>& rounding, T x, const rng::Stream& stream,
                           std::uint64_t coordinate) {
  const T shift = rounding_shift(rounding);
  const T scale = rounding.scale * shift;
  const auto levels = static_cast<T>(rounding.levels);
  const T a = std::abs(x * shift);
  const T factor = levels / scale;
  const T y = a >= scale ? levels : std::min(a * factor, levels);
  const T level = std::floor(y);
  const auto p = static_cast<double>(y - level);
  const auto bar = static_cast<std::uint64_t>(std::floor(std::ldexp(p, 48)));
  const std::uint32_t word = stream.word(16 * (coordinate / 32) + coordinate % 16);
  const std::uint64_t upper = coordinate % 32 < 16 ? word & 0xffffU : word >> 16;
  const std::uint64_t lower = stream.word((std::uint64_t{1} << 33) + coordinate);
  return static_cast<std::uint32_t>(level) + ((upper << 32 | lower) < bar ? 1U : 0U);
}
template std::uint32_t random_level(const RandomRounding<float>&, float, const rng::Stream&,
                                    std::uint64_t);
template std::uint32_t random_level(const RandomRounding<double>&, double, const rng::Stream&,
                                    std::uint64_t);

}  // namespace detail

namespace reference {
namespace {

constexpr std::size_t kLanes = 16;

double combine(std::array<double, kLanes> lanes) {
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

template <class Term>
double reduce(std::size_t size, Term term) {
  std::array<double, kLanes> lanes{};
  for (std::size_t i = 0; i < size; ++i) lanes[i % kLanes] += term(i);
  return combine(lanes);
}

bool bit_of(const std::uint64_t* plane, std::size_t i) {
  return ((plane[i / 64] >> (i % 64)) & 1) != 0;
}

void set_bit(std::span<std::uint64_t> plane, std::size_t i, bool bit) {
  const std::uint64_t one = std::uint64_t{1} << (i % 64);
  plane[i / 64] = bit ? plane[i / 64] | one : plane[i / 64] & ~one;
}

void clear(std::span<std::uint64_t> plane) {
  for (std::uint64_t& word : plane) word = 0;
}

}  // namespace

template <Real T>
void axpy(T a, std::span<const T> x, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T product = a * x[i];
    y[i] = y[i] + product;
  }
}

template <Real T>
void scale(T a, std::span<T> x) {
  for (T& value : x) value = a * value;
}

template <Real T>
void add(std::span<const T> x, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = y[i] + x[i];
}

template <Real T>
void axpby(T a, std::span<const T> x, T b, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const T kept = b * y[i];
    const T added = a * x[i];
    y[i] = kept + added;
  }
}

template <Real T>
double sum(std::span<const T> x) {
  return reduce(x.size(), [&](std::size_t i) { return static_cast<double>(x[i]); });
}

template <Real T>
double dot(std::span<const T> x, std::span<const T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  return reduce(x.size(), [&](std::size_t i) {
    return static_cast<double>(x[i]) * static_cast<double>(y[i]);
  });
}

template <Real T>
double squared_norm(std::span<const T> x) {
  return dot(x, x);
}

template <Real T>
double squared_distance(std::span<const T> x, std::span<const T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  return reduce(x.size(), [&](std::size_t i) {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
    return difference * difference;
  });
}

template <Real T>
double residual(std::span<const T> x, std::span<const double> h, std::span<T> out) {
  LACONIC_EXPECTS(x.size() == h.size() && x.size() == out.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    out[i] = static_cast<T>(static_cast<double>(x[i]) - h[i]);
  }
  return squared_norm(std::span<const T>(out));
}

template <Real T>
double l1_norm(std::span<const T> x) {
  return reduce(x.size(), [&](std::size_t i) { return std::abs(static_cast<double>(x[i])); });
}

template <Real T>
void subtract(std::span<const T> a, std::span<const T> b, std::span<T> v) {
  LACONIC_EXPECTS(a.size() == v.size() && b.size() == v.size());
  for (std::size_t i = 0; i < v.size(); ++i) v[i] = a[i] - b[i];
}

template <Real T>
double wide_dot(std::span<const T> v, std::span<const double> h) {
  LACONIC_EXPECTS(v.size() == h.size());
  return reduce(v.size(), [&](std::size_t i) { return static_cast<double>(v[i]) * h[i]; });
}

template <Real T>
void add_signed(bool negative, std::span<const T> v, std::span<double> h) {
  LACONIC_EXPECTS(v.size() == h.size());
  for (std::size_t i = 0; i < v.size(); ++i) {
    const auto value = static_cast<double>(v[i]);
    h[i] = negative ? h[i] - value : h[i] + value;
  }
}

template <Real T>
double difference_dot(std::span<const T> a, std::span<const T> b, std::span<const double> h,
                      std::span<T> v) {
  subtract(a, b, v);
  return wide_dot(std::span<const T>(v), h);
}

template <Real T>
double add_signed_difference_dot(bool negative, std::span<const T> previous, std::span<const T> a,
                                 std::span<const T> b, std::span<double> h, std::span<T> v) {
  add_signed(negative, previous, h);
  return difference_dot(a, b, std::span<const double>(h), v);
}

template <Real T>
double centred_dot(std::span<const T> g, std::span<const double> mean, std::span<const double> h) {
  LACONIC_EXPECTS(g.size() == mean.size() && g.size() == h.size());
  return reduce(g.size(), [&](std::size_t i) {
    const double centred = static_cast<double>(g[i]) - mean[i];
    return centred * h[i];
  });
}

template <Real T>
void centred_update(bool negative, std::span<const T> g, std::span<const double> mean,
                    std::span<double> h, std::span<double> sum) {
  LACONIC_EXPECTS(g.size() == mean.size() && g.size() == h.size() && g.size() == sum.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    const auto value = static_cast<double>(g[i]);
    const double centred = value - mean[i];
    h[i] = negative ? h[i] - centred : h[i] + centred;
    sum[i] = sum[i] + value;
  }
}

template <Real T>
void add_centred(bool negative, std::span<const T> g, std::span<const double> mean,
                 std::span<double> h) {
  LACONIC_EXPECTS(g.size() == mean.size() && g.size() == h.size());
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double centred = static_cast<double>(g[i]) - mean[i];
    h[i] = negative ? h[i] - centred : h[i] + centred;
  }
}

template <Real T>
T absmax(std::span<const T> x) {
  T largest = 0;
  for (const T value : x) largest = std::abs(value) > largest ? std::abs(value) : largest;
  return largest;
}

template <Real T>
bool all_finite(std::span<const T> x) {
  for (const T value : x) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

template <Real T>
void mean_rows(std::span<const T* const> rows, double scale, std::span<T> y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    double total = 0;
    for (const T* row : rows) total += static_cast<double>(row[i]);
    y[i] = static_cast<T>(total * scale);
  }
}

template <Real T>
void tridiagonal(double a, double c, std::span<const T> x, std::span<T> y) {
  LACONIC_EXPECTS(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double left = i > 0 ? static_cast<double>(x[i - 1]) : 0.0;
    const double right = i + 1 < x.size() ? static_cast<double>(x[i + 1]) : 0.0;
    const double middle = static_cast<double>(x[i]);
    y[i] = static_cast<T>(a * (2 * middle - left - right) + c * middle);
  }
}

template <Real T>
void pack_signs(std::span<const T> x, std::span<std::uint64_t> signs) {
  LACONIC_EXPECTS(signs.size() == words_for(x.size()));
  clear(signs);
  for (std::size_t i = 0; i < x.size(); ++i) set_bit(signs, i, x[i] < 0);
}

template <Real T>
void pack_signs_and_mask(std::span<const T> x, std::span<std::uint64_t> signs,
                         std::span<std::uint64_t> mask) {
  LACONIC_EXPECTS(mask.size() == words_for(x.size()));
  pack_signs(x, signs);
  clear(mask);
  for (std::size_t i = 0; i < x.size(); ++i) set_bit(mask, i, x[i] != 0);
}

template <Real T>
void unpack_signs(std::span<const std::uint64_t> signs, T magnitude, std::span<T> y) {
  LACONIC_EXPECTS(signs.size() == words_for(y.size()));
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] = bit_of(signs.data(), i) ? -magnitude : magnitude;
}

template <Real T>
void unpack_masked_signs(std::span<const std::uint64_t> signs, std::span<const std::uint64_t> mask,
                         T magnitude, std::span<T> y) {
  LACONIC_EXPECTS(signs.size() == words_for(y.size()));
  LACONIC_EXPECTS(mask.size() == words_for(y.size()));
  for (std::size_t i = 0; i < y.size(); ++i) {
    const T value = bit_of(signs.data(), i) ? -magnitude : magnitude;
    y[i] = bit_of(mask.data(), i) ? value : T{0};
  }
}

template <Real T>
void add_signs(std::span<const std::uint64_t> signs, T magnitude, std::span<T> y) {
  LACONIC_EXPECTS(signs.size() == words_for(y.size()));
  for (std::size_t i = 0; i < y.size(); ++i) {
    y[i] = y[i] + (bit_of(signs.data(), i) ? -magnitude : magnitude);
  }
}

template <Real T>
void momentum_pack_signs(double beta, std::span<const T> g, std::span<T> v,
                         std::span<std::uint64_t> signs) {
  axpby(static_cast<T>(1 - beta), g, static_cast<T>(beta), v);
  pack_signs(std::span<const T>(v), signs);
}

template <Real T>
float error_feedback_pack_signs(std::span<const T> g, T r, std::span<T> e,
                                std::span<std::uint64_t> signs) {
  axpby(T{1}, g, r, e);  // 1 g is g exactly
  const std::span<const T> p = e;
  pack_signs(p, signs);
  if (e.empty()) return 0;
  const auto scale = static_cast<float>(l1_norm(p) / static_cast<double>(e.size()));
  for (T& value : e) value = value - (value < 0 ? -static_cast<T>(scale) : static_cast<T>(scale));
  return scale;
}

template <Real T>
void select_top_k(std::span<const T> x, std::span<std::uint32_t> indices) {
  LACONIC_EXPECTS(indices.size() <= x.size());
  std::vector<std::uint32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(), [x](std::uint32_t a, std::uint32_t b) {
    return std::abs(x[a]) > std::abs(x[b]);
  });
  std::copy_n(order.begin(), indices.size(), indices.begin());
  std::sort(indices.begin(), indices.end());
}

void random_words(const rng::Stream& stream, std::uint64_t first, std::span<std::uint32_t> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = stream.word(first + i);
}

void majority(std::span<const std::uint64_t* const> voters, std::size_t bits, VotePlanes out) {
  LACONIC_EXPECTS(!voters.empty());
  LACONIC_EXPECTS(out.negative.size() == words_for(bits));
  LACONIC_EXPECTS(out.tie.size() == words_for(bits));
  clear(out.negative);
  clear(out.tie);
  for (std::size_t i = 0; i < bits; ++i) {
    std::size_t negative = 0;
    for (const std::uint64_t* plane : voters) negative += bit_of(plane, i) ? 1U : 0U;
    set_bit(out.negative, i, 2 * negative > voters.size());
    set_bit(out.tie, i, 2 * negative == voters.size());
  }
}

void masked_majority(const MaskedVote& vote, std::size_t bits, VotePlanes out) {
  LACONIC_EXPECTS(!vote.signs.empty());
  LACONIC_EXPECTS(vote.signs.size() == vote.masks.size());
  LACONIC_EXPECTS(out.negative.size() == words_for(bits));
  LACONIC_EXPECTS(out.tie.size() == words_for(bits));
  clear(out.negative);
  clear(out.tie);
  for (std::size_t i = 0; i < bits; ++i) {
    std::int64_t sum = 0;
    for (std::size_t w = 0; w < vote.signs.size(); ++w) {
      if (bit_of(vote.masks[w], i)) sum += bit_of(vote.signs[w], i) ? -1 : 1;
    }
    const bool tie = sum == 0 || std::abs(sum) < static_cast<std::int64_t>(vote.quorum);
    set_bit(out.negative, i, sum < 0 && !tie);
    set_bit(out.tie, i, tie);
  }
}

void count_votes(std::span<const std::uint64_t* const> voters, std::size_t bits,
                 std::span<std::uint64_t> planes) {
  const std::size_t words = words_for(bits);
  const std::uint32_t plane_count = count_planes_for(static_cast<std::uint32_t>(voters.size()));
  LACONIC_EXPECTS(planes.size() == plane_count * words);
  clear(planes);
  for (std::size_t i = 0; i < bits; ++i) {
    std::uint32_t negative = 0;
    for (const std::uint64_t* plane : voters) negative += bit_of(plane, i) ? 1U : 0U;
    for (std::uint32_t j = 0; j < plane_count; ++j) {
      set_bit(planes.subspan(j * words, words), i, ((negative >> j) & 1) != 0);
    }
  }
}

void add_count_planes(std::span<const std::uint64_t> other, std::uint32_t other_count,
                      std::size_t bits, CountPlanes sum) {
  const std::size_t words = words_for(bits);
  LACONIC_EXPECTS(other_count <= sum.count);
  LACONIC_EXPECTS(other.size() == other_count * words);
  LACONIC_EXPECTS(sum.planes.size() == sum.count * words);
  for (std::size_t i = 0; i < bits; ++i) {
    std::uint64_t total = 0;
    for (std::uint32_t j = 0; j < other_count; ++j) {
      total += std::uint64_t{bit_of(other.data() + j * words, i)} << j;
    }
    for (std::uint32_t j = 0; j < sum.count; ++j) {
      total += std::uint64_t{bit_of(sum.planes.data() + j * words, i)} << j;
    }
    for (std::uint32_t j = 0; j < sum.count; ++j) {
      set_bit(sum.planes.subspan(j * words, words), i, ((total >> j) & 1) != 0);
    }
  }
}

namespace {

// -ln(w 2^-32) for w in [1/2, 2^32], all in float: w = 2^e m with m in [1/sqrt 2, sqrt 2), ln m = 2
// atanh(s) with s = (m - 1) / (m + 1).
float negative_log(float w) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(w);
  bits += 0x3f800000U - 0x3f3504f3U;  // the exponent goes up where the mantissa is above 1/sqrt 2
  const auto exponent = static_cast<float>(static_cast<std::int32_t>(bits >> 23) - 159);
  const float m = std::bit_cast<float>((bits & 0x007fffffU) + 0x3f3504f3U);
  const float f = m - 1.0F;
  const float s = f / (m + 1.0F);
  const float z = s * s;
  float p = 2.0F / 9.0F;
  p = p * z + 2.0F / 7.0F;
  p = p * z + 2.0F / 5.0F;
  p = p * z + 2.0F / 3.0F;
  p = p * z;
  const float log_m = s * p + 2.0F * s;
  return -(exponent * 0.693147180559945F + log_m);
}

// Numbers 2j and 2j + 1 from words 2j and 2j + 1.
std::array<float, 2> box_muller(std::uint32_t radius_word, std::uint32_t angle_word) {
  const float high = static_cast<float>(radius_word >> 16) * 65536.0F;
  const float low = static_cast<float>(radius_word & 0xffffU) + 0.5F;
  const float radius = std::sqrt(2.0F * negative_log(high + low));
  // The angle is the quarter turn nearest to it plus t of modulus pi/4 at most.
  const std::uint32_t quarter = (angle_word + 0x20000000U) >> 30;
  const auto rest = static_cast<std::int32_t>(angle_word - (quarter << 30));
  const float t = static_cast<float>(rest) * 0x1.921fb6p-30F;
  const float z = t * t;
  float s = 2.7557319e-6F;
  s = s * z + -1.9841270e-4F;
  s = s * z + 8.3333333e-3F;
  s = s * z + -1.6666667e-1F;
  const float sine = t + t * (z * s);
  float c = 2.4801587e-5F;
  c = c * z + -1.3888889e-3F;
  c = c * z + 4.1666667e-2F;
  c = c * z + -0.5F;
  const float cosine = 1.0F + z * c;
  const bool swapped = (quarter & 1) != 0;
  const float x = swapped ? sine : cosine;
  const float y = swapped ? cosine : sine;
  const bool x_negative = ((quarter + 1) & 2) != 0;
  const bool y_negative = (quarter & 2) != 0;
  return {radius * (x_negative ? -x : x), radius * (y_negative ? -y : y)};
}

}  // namespace

void random_normals(const rng::Stream& stream, std::uint64_t first, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t even = (first + i) / 2 * 2;
    out[i] = box_muller(stream.word(even), stream.word(even + 1))[(first + i) % 2];
  }
}

void majority_of_counts(std::span<const std::uint64_t> planes, std::uint32_t voters,
                        std::size_t bits, VotePlanes out) {
  const std::size_t words = words_for(bits);
  const std::uint32_t plane_count = count_planes_for(voters);
  LACONIC_EXPECTS(planes.size() == plane_count * words);
  LACONIC_EXPECTS(out.negative.size() == words);
  LACONIC_EXPECTS(out.tie.size() == words);
  clear(out.negative);
  clear(out.tie);
  for (std::size_t i = 0; i < bits; ++i) {
    std::uint64_t negative = 0;
    for (std::uint32_t j = 0; j < plane_count; ++j) {
      negative += std::uint64_t{bit_of(planes.data() + j * words, i)} << j;
    }
    set_bit(out.negative, i, 2 * negative > voters);
    set_bit(out.tie, i, 2 * negative == voters);
  }
}

bool counts_at_most(std::span<const std::uint64_t> planes, std::uint32_t voters, std::size_t bits) {
  const std::size_t words = words_for(bits);
  const std::uint32_t plane_count = count_planes_for(voters);
  LACONIC_EXPECTS(planes.size() == plane_count * words);
  for (std::size_t i = 0; i < bits; ++i) {
    std::uint64_t negative = 0;
    for (std::uint32_t j = 0; j < plane_count; ++j) {
      negative += std::uint64_t{bit_of(planes.data() + j * words, i)} << j;
    }
    if (negative > voters) return false;
  }
  return true;
}

template <Real T>
void gemm_nn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c) {
  LACONIC_EXPECTS(a.size() == shape.m * shape.k);
  LACONIC_EXPECTS(b.size() == shape.k * shape.n);
  LACONIC_EXPECTS(c.size() == shape.m * shape.n);
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t j = 0; j < shape.n; ++j) {
      T total = c[i * shape.n + j];
      for (std::size_t p = 0; p < shape.k; ++p) {
        const T product = a[i * shape.k + p] * b[p * shape.n + j];
        total = total + product;
      }
      c[i * shape.n + j] = total;
    }
  }
}

template <Real T>
void gemm_tn(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c) {
  LACONIC_EXPECTS(a.size() == shape.m * shape.k);
  LACONIC_EXPECTS(b.size() == shape.k * shape.n);
  LACONIC_EXPECTS(c.size() == shape.m * shape.n);
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t j = 0; j < shape.n; ++j) {
      T total = c[i * shape.n + j];
      for (std::size_t p = 0; p < shape.k; ++p) {
        const T product = a[p * shape.m + i] * b[p * shape.n + j];
        total = total + product;
      }
      c[i * shape.n + j] = total;
    }
  }
}

template <Real T>
void gemm_nt(GemmShape shape, std::span<const T> a, std::span<const T> b, std::span<T> c) {
  LACONIC_EXPECTS(a.size() == shape.m * shape.k);
  LACONIC_EXPECTS(b.size() == shape.k * shape.n);
  LACONIC_EXPECTS(c.size() == shape.m * shape.n);
  for (std::size_t i = 0; i < shape.m; ++i) {
    for (std::size_t j = 0; j < shape.n; ++j) {
      T total = c[i * shape.n + j];
      for (std::size_t p = 0; p < shape.k; ++p) {
        const T product = a[i * shape.k + p] * b[j * shape.k + p];
        total = total + product;
      }
      c[i * shape.n + j] = total;
    }
  }
}

template <Real T>
void skinny_nn(SkinnyShape shape, std::span<const T> a, std::span<const T> q, std::span<T> p) {
  LACONIC_EXPECTS(a.size() == shape.m * shape.n);
  LACONIC_EXPECTS(q.size() == shape.r * shape.n);
  LACONIC_EXPECTS(p.size() == shape.r * shape.m);
  for (std::size_t j = 0; j < shape.r; ++j) {
    for (std::size_t i = 0; i < shape.m; ++i) {
      std::array<T, kLanes> lanes{};
      for (std::size_t k = 0; k < shape.n; ++k) {
        const T product = a[i * shape.n + k] * q[j * shape.n + k];
        lanes[k % kLanes] = lanes[k % kLanes] + product;
      }
      for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
        for (std::size_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
      }
      p[j * shape.m + i] = lanes[0];
    }
  }
}

template <Real T>
void skinny_tn(SkinnyShape shape, std::span<const T> a, std::span<const T> p, std::span<T> q) {
  LACONIC_EXPECTS(a.size() == shape.m * shape.n);
  LACONIC_EXPECTS(p.size() == shape.r * shape.m);
  LACONIC_EXPECTS(q.size() == shape.r * shape.n);
  for (std::size_t j = 0; j < shape.r; ++j) {
    for (std::size_t k = 0; k < shape.n; ++k) {
      T total = 0;
      for (std::size_t i = 0; i < shape.m; ++i) {
        const T product = a[i * shape.n + k] * p[j * shape.m + i];
        total = total + product;
      }
      q[j * shape.n + k] = total;
    }
  }
}

template <Real T>
void add_low_rank(T factor, SkinnyShape shape, std::span<const T> p, std::span<const T> q,
                  std::span<T> a) {
  LACONIC_EXPECTS(a.size() == shape.m * shape.n);
  LACONIC_EXPECTS(p.size() == shape.r * shape.m);
  LACONIC_EXPECTS(q.size() == shape.r * shape.n);
  for (std::size_t j = 0; j < shape.r; ++j) {
    for (std::size_t i = 0; i < shape.m; ++i) {
      const T left = factor * p[j * shape.m + i];
      for (std::size_t k = 0; k < shape.n; ++k) {
        const T product = left * q[j * shape.n + k];
        a[i * shape.n + k] = a[i * shape.n + k] + product;
      }
    }
  }
}

#define LACONIC_INSTANTIATE(T)                                                                     \
  template void axpy(T, std::span<const T>, std::span<T>);                                         \
  template void scale(T, std::span<T>);                                                            \
  template void add(std::span<const T>, std::span<T>);                                             \
  template void axpby(T, std::span<const T>, T, std::span<T>);                                     \
  template double sum(std::span<const T>);                                                         \
  template double dot(std::span<const T>, std::span<const T>);                                     \
  template double squared_norm(std::span<const T>);                                                \
  template double squared_distance(std::span<const T>, std::span<const T>);                        \
  template double residual(std::span<const T>, std::span<const double>, std::span<T>);             \
  template double l1_norm(std::span<const T>);                                                     \
  template void subtract(std::span<const T>, std::span<const T>, std::span<T>);                    \
  template double wide_dot(std::span<const T>, std::span<const double>);                           \
  template void add_signed(bool, std::span<const T>, std::span<double>);                           \
  template double difference_dot(std::span<const T>, std::span<const T>, std::span<const double>,  \
                                 std::span<T>);                                                    \
  template double add_signed_difference_dot(bool, std::span<const T>, std::span<const T>,          \
                                            std::span<const T>, std::span<double>, std::span<T>);  \
  template double centred_dot(std::span<const T>, std::span<const double>,                         \
                              std::span<const double>);                                            \
  template void centred_update(bool, std::span<const T>, std::span<const double>,                  \
                               std::span<double>, std::span<double>);                              \
  template void add_centred(bool, std::span<const T>, std::span<const double>, std::span<double>); \
  template T absmax(std::span<const T>);                                                           \
  template bool all_finite(std::span<const T>);                                                    \
  template void mean_rows(std::span<const T* const>, double, std::span<T>);                        \
  template void tridiagonal(double, double, std::span<const T>, std::span<T>);                     \
  template void pack_signs(std::span<const T>, std::span<std::uint64_t>);                          \
  template void pack_signs_and_mask(std::span<const T>, std::span<std::uint64_t>,                  \
                                    std::span<std::uint64_t>);                                     \
  template void unpack_signs(std::span<const std::uint64_t>, T, std::span<T>);                     \
  template void unpack_masked_signs(std::span<const std::uint64_t>,                                \
                                    std::span<const std::uint64_t>, T, std::span<T>);              \
  template void add_signs(std::span<const std::uint64_t>, T, std::span<T>);                        \
  template void momentum_pack_signs(double, std::span<const T>, std::span<T>,                      \
                                    std::span<std::uint64_t>);                                     \
  template float error_feedback_pack_signs(std::span<const T>, T, std::span<T>,                    \
                                           std::span<std::uint64_t>);                              \
  template void select_top_k(std::span<const T>, std::span<std::uint32_t>);                        \
  template void gemm_nn(GemmShape, std::span<const T>, std::span<const T>, std::span<T>);          \
  template void gemm_tn(GemmShape, std::span<const T>, std::span<const T>, std::span<T>);          \
  template void gemm_nt(GemmShape, std::span<const T>, std::span<const T>, std::span<T>);          \
  template void skinny_nn(SkinnyShape, std::span<const T>, std::span<const T>, std::span<T>);      \
  template void skinny_tn(SkinnyShape, std::span<const T>, std::span<const T>, std::span<T>);      \
  template void add_low_rank(T, SkinnyShape, std::span<const T>, std::span<const T>, std::span<T>)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

template <class Index>
void sliced_product(const SlicedMatrix<Index>& a, std::span<const double> x, std::span<double> y) {
  LACONIC_EXPECTS(y.size() == (a.steps.size() - 1) * kSliceRows);
  for (std::size_t s = 0; s + 1 < a.steps.size(); ++s) {
    for (std::size_t lane = 0; lane < kSliceRows; ++lane) {
      double sum = 0;
      for (std::size_t step = a.steps[s]; step < a.steps[s + 1]; ++step) {
        const std::size_t entry = step * kSliceRows + lane;
        const double factor = x[a.columns[entry]];
        sum += a.values.empty() ? factor : a.values[entry] * factor;
      }
      y[s * kSliceRows + lane] = sum;
    }
  }
}
template void sliced_product(const SlicedMatrix<std::uint16_t>&, std::span<const double>,
                             std::span<double>);
template void sliced_product(const SlicedMatrix<std::uint32_t>&, std::span<const double>,
                             std::span<double>);

void sparse_nn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c) {
  LACONIC_EXPECTS(c.size() == rows.size() * width);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t j = 0; j < width; ++j) {
      double sum = 0;
      for (std::uint64_t e = a.offsets[rows[r]]; e < a.offsets[rows[r] + 1]; ++e) {
        const double product = a.values[e] * b[a.columns[e] * width + j];
        sum = sum + product;
      }
      c[r * width + j] = sum;
    }
  }
}

void sparse_tn(const CompressedRows& a, std::span<const std::uint32_t> rows, std::size_t width,
               std::span<const double> b, std::span<double> c) {
  LACONIC_EXPECTS(b.size() == rows.size() * width);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::uint64_t e = a.offsets[rows[r]]; e < a.offsets[rows[r] + 1]; ++e) {
      for (std::size_t j = 0; j < width; ++j) {
        const double product = a.values[e] * b[r * width + j];
        c[a.columns[e] * width + j] = c[a.columns[e] * width + j] + product;
      }
    }
  }
}

void logistic_slopes(std::span<const double> signs, std::span<double> x) {
  LACONIC_EXPECTS(signs.size() == x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = -signs[i] * exact::sigmoid(-signs[i] * x[i]);
}

void logistic_losses(std::span<const double> signs, std::span<double> x) {
  LACONIC_EXPECTS(signs.size() == x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = exact::softplus(-signs[i] * x[i]);
}

template <Real T>
void round_to_planes(const RandomRounding<T>& rounding, std::span<const T> x,
                     const rng::Stream& stream, std::uint64_t first, std::span<std::uint64_t> signs,
                     std::span<std::uint64_t> mask) {
  LACONIC_EXPECTS(rounding.levels == 1 && signs.size() == words_for(x.size()));
  LACONIC_EXPECTS(mask.size() == signs.size());
  clear(signs);
  clear(mask);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool kept = detail::random_level(rounding, x[i], stream, first + i) > 0;
    set_bit(mask, i, kept);
    set_bit(signs, i, kept && x[i] < 0);
  }
}

template <Real T>
void round_to_codes(const RandomRounding<T>& rounding, std::span<const T> x,
                    const rng::Stream& stream, std::uint64_t first,
                    std::span<std::uint16_t> codes) {
  LACONIC_EXPECTS(codes.size() == x.size());
  const std::uint32_t negative = std::uint32_t{1} << std::bit_width(rounding.levels);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::uint32_t level = detail::random_level(rounding, x[i], stream, first + i);
    codes[i] = static_cast<std::uint16_t>(level + (x[i] < 0 && level > 0 ? negative : 0));
  }
}

template <Real T>
void threshold_to_planes(T threshold, std::span<const T> x, std::span<std::uint64_t> signs,
                         std::span<std::uint64_t> mask) {
  clear(signs);
  clear(mask);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool kept = std::abs(x[i]) >= threshold && x[i] != 0;
    set_bit(mask, i, kept);
    set_bit(signs, i, kept && x[i] < 0);
  }
}

template <Real T>
MagnitudeSums bracket_magnitudes(T low, T high, std::span<const T> x, std::vector<T>& bracketed) {
  MagnitudeSums out;
  for (const T value : x) {
    const T a = std::abs(value);
    out.nonzeros += a > 0 ? 1U : 0U;
    out.above += a > high ? 1U : 0U;
    if (a > low && a <= high) bracketed.push_back(a);
  }
  out.l1 = l1_norm(x);
  out.l1_above = reduce(x.size(), [&](std::size_t i) {
    const T a = std::abs(x[i]);
    return a > high ? static_cast<double>(a) : 0.0;
  });
  return out;
}

#define LACONIC_INSTANTIATE(T)                                                                    \
  template void round_to_planes(const RandomRounding<T>&, std::span<const T>, const rng::Stream&, \
                                std::uint64_t, std::span<std::uint64_t>,                          \
                                std::span<std::uint64_t>);                                        \
  template void round_to_codes(const RandomRounding<T>&, std::span<const T>, const rng::Stream&,  \
                               std::uint64_t, std::span<std::uint16_t>);                          \
  template void threshold_to_planes(T, std::span<const T>, std::span<std::uint64_t>,              \
                                    std::span<std::uint64_t>);                                    \
  template MagnitudeSums bracket_magnitudes(T, T, std::span<const T>, std::vector<T>&)
LACONIC_INSTANTIATE(float);
LACONIC_INSTANTIATE(double);
#undef LACONIC_INSTANTIATE

}  // namespace reference
}  // namespace laconic::kernels
