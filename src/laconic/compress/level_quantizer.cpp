// SPDX-License-Identifier: Apache-2.0
#include "laconic/compress/level_quantizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "laconic/base/assert.hpp"
#include "laconic/compress/dither.hpp"
#include "laconic/compress/level_body.hpp"
#include "laconic/compress/support.hpp"
#include "laconic/compress/threshold.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/kernels/sparse_vectors.hpp"

namespace laconic::compress {
namespace {

// How a bucket is sent: the scale, and the magnitude from which on a number that is not rounded at
// random is sent.
template <Real T>
struct Scale {
  T value = 0;
  T threshold = 0;
};

template <Real T>
class LevelQuantizer final : public Compressor<T> {
 public:
  explicit LevelQuantizer(const LevelOptions& options) : options_(options) {}

  [[nodiscard]] Traits traits(Shape shape) const override {
    Traits out = traits_of(options_, static_cast<double>(bucket(shape.size())));
    out.sparse = bucket(shape.size()) == shape.size();
    return out;
  }
  [[nodiscard]] std::size_t max_bytes(Shape shape) const override {
    const std::size_t size = shape.size();
    const std::size_t each = bucket(size);
    return size / each * max_level_bytes<T>(each) +
           (size % each == 0 ? 0 : max_level_bytes<T>(size % each));
  }

  void encode(TensorView<T> x, const CompressContext& context, wire::Message& out) const override {
    wire::make_room(out.bytes, max_bytes(x.shape));
    const std::size_t each = bucket(x.values.size());
    const rng::Stream stream = own_stream(context);
    for (std::size_t begin = 0; begin < x.values.size(); begin += each)
      encode_bucket(x.values.subspan(begin, std::min(each, x.values.size() - begin)), stream, begin,
                    out);
  }

  Status decode_add(wire::WireReader& in, const CompressContext&, T scale,
                    TensorSpan<T> y) const override {
    const std::span<T> values = decode(in, y.values.size());
    if (in.ok()) kernels::axpy<T>(scale, values, y.values);
    return in.status();
  }
  Status decode_add_wide(wire::WireReader& in, const CompressContext&, double scale,
                         TensorSpan<double> y) const override {
    const std::span<T> values = decode(in, y.values.size());
    for (std::size_t i = 0; i < values.size() && in.ok(); ++i)
      y.values[i] += scale * static_cast<double>(values[i]);
    return in.status();
  }

  void encode_sparse(const SparseView<T>& x, const CompressContext& context,
                     wire::Message& out) const override {
    thread_local SparseVector<T> exact;  // these grow to the largest bucket, then stay
    thread_local std::vector<std::uint32_t> places;
    thread_local std::vector<std::uint16_t> codes;
    thread_local std::vector<std::uint16_t> rounded;
    LACONIC_EXPECTS(bucket(x.dim) == x.dim);
    wire::make_room(out.bytes, max_level_bytes<T>(x.dim));
    const T largest = kernels::absmax<T>(x.values);
    SparseBucket<T> bucket = {.size = x.dim, .levels = options_.levels};
    if (largest == 0) return write_shortest_sparse(bucket, out);
    const Scale<T> scale = scale_of(x, largest);
    bucket.scale = std::max(scale.value, std::numeric_limits<T>::denorm_min());
    // How many numbers there are varies; memory shall not.
    for (std::vector<std::uint16_t>* of : {&codes, &rounded}) of->reserve(x.dim);
    places.reserve(x.dim);
    if (options_.exact) exact.reserve(x.dim);
    rounded.resize(x.values.size());
    if (options_.at_random) {
      kernels::round_to_codes<T>({.scale = bucket.scale, .levels = options_.levels}, x,
                                 own_stream(context), rounded);
    } else {
      for (std::size_t j = 0; j < rounded.size(); ++j) {
        const bool kept = std::abs(x.values[j]) >= scale.threshold;
        rounded[j] = static_cast<std::uint16_t>(!kept ? 0 : x.values[j] < 0 ? 3 : 1);
      }
    }
    exact.clear();
    places.clear();
    codes.clear();
    for (std::size_t j = 0; j < rounded.size(); ++j) {
      if (options_.exact && std::abs(x.values[j]) > bucket.scale) {
        exact.push(x.indices[j], x.values[j]);
      } else if (rounded[j] != 0) {
        places.push_back(x.indices[j]);
        codes.push_back(rounded[j]);
      }
    }
    bucket.places = places;
    bucket.codes = codes;
    bucket.exact = exact.view(x.dim);
    write_shortest_sparse(bucket, out);
  }
  Status decode_sparse(wire::WireReader& in, const CompressContext&, std::size_t dim,
                       SparseVector<T>& y) const override {
    LACONIC_EXPECTS(bucket(dim) == dim);
    read_levels<T>({.levels = options_.levels, .exact = options_.exact}, in, dim, y);
    return in.status();
  }

 private:
  [[nodiscard]] std::size_t bucket(std::size_t size) const {
    return options_.bucket == 0 ? size : std::min(options_.bucket, size);
  }

  static Traits traits_of(const LevelOptions& options, double d) {
    const auto s = static_cast<double>(options.levels);
    switch (options.rule) {
      case ScaleRule::kTwoNorm:
        return unbiased_traits(std::min(d / (4 * s * s), std::sqrt(d) / s), options.workers);
      case ScaleRule::kMaxNorm:
        return unbiased_traits(options.levels == 1 ? (std::sqrt(d) - 1) / 2
                                                   : std::min(d / (4 * s * s), std::sqrt(d) / s),
                               options.workers);
      case ScaleRule::kOptimal:
        if (options.exact) return unbiased_traits(1 - 8 / (9 * d), options.workers);
        return {.alpha = options.levels == 1 ? 8 / (9 * d) : 1 / (2 * d), .randomized = true};
      case ScaleRule::kBudget: {
        const double count =
            static_cast<double>(Count(options.tau).of(static_cast<std::size_t>(d)));
        return unbiased_traits(d / count - 1, options.workers);
      }
      case ScaleRule::kDeadZone:
        return {.alpha = 1 / d};
      case ScaleRule::kRms:
        return {.randomized = true};
      case ScaleRule::kFixed:
        return {.randomized = options.at_random, .accumulates = !options.at_random};
    }
    return {};
  }

  static std::size_t size_of(std::span<const T> x) { return x.size(); }
  static std::size_t size_of(const SparseView<T>& x) { return x.dim; }
  static T two_norm_of(std::span<const T> x) { return norm_of_bucket<T>(Norm::kTwo, x); }
  static T two_norm_of(const SparseView<T>& x) { return two_norm<T>(x); }
  static std::size_t nonzeros_of(std::span<const T> x) {
    return x.size() - static_cast<std::size_t>(std::count(x.begin(), x.end(), T{0}));
  }
  static std::size_t nonzeros_of(const SparseView<T>& x) { return nonzeros_of(x.values); }

  // `largest` is the largest magnitude of x, which is a vector with or without its zeros.
  template <class Numbers>
  [[nodiscard]] Scale<T> scale_of(const Numbers& x, T largest) const {
    constexpr T kSmallest = std::numeric_limits<T>::denorm_min();
    constexpr T kLargest = std::numeric_limits<T>::max();
    const auto fixed = static_cast<T>(
        std::clamp(options_.tau, static_cast<double>(kSmallest), static_cast<double>(kLargest)));
    switch (options_.rule) {
      case ScaleRule::kTwoNorm:
        return {two_norm_of(x)};
      case ScaleRule::kMaxNorm:
        return {largest};
      case ScaleRule::kOptimal:
        return {choose_threshold<T>({.levels = options_.levels}, x)};
      case ScaleRule::kBudget: {
        const auto budget = static_cast<double>(Count(options_.tau).of(size_of(x)));
        return {choose_threshold<T>({.budget = budget}, x)};
      }
      case ScaleRule::kRms:
        return {std::min(largest, times_rms(x))};
      case ScaleRule::kFixed:
        return {fixed, fixed};
      case ScaleRule::kDeadZone: {
        const DeadZone<T> zone = choose_dead_zone<T>(x);
        return {zone.magnitude, zone.threshold};
      }
    }
    return {};
  }

  template <class Numbers>
  [[nodiscard]] T times_rms(const Numbers& x) const {
    const auto count = static_cast<double>(nonzeros_of(x));
    const auto norm = static_cast<double>(two_norm_of(x));
    return static_cast<T>(std::min(options_.tau * norm / std::sqrt(count),
                                   static_cast<double>(std::numeric_limits<T>::max())));
  }

  // `begin` is the number of the bucket's first coordinate, for the random draws.
  void encode_bucket(std::span<const T> x, const rng::Stream& stream, std::size_t begin,
                     wire::Message& out) const {
    thread_local Scratch<std::uint64_t>
        plane_memory;  // these grow to the largest bucket, then stay
    thread_local Scratch<std::uint16_t> code_memory;
    LevelBucket<T> bucket = {.levels = options_.levels, .x = x};
    const T largest = kernels::absmax<T>(x);
    if (largest == 0) return write_shortest(bucket, out);
    const Scale<T> scale = scale_of(x, largest);
    // A threshold so low that everything is sent as it is.
    bucket.scale = std::max(scale.value, std::numeric_limits<T>::denorm_min());
    const kernels::RandomRounding<T> rounding = {.scale = bucket.scale, .levels = options_.levels};
    if (options_.levels > 1) {
      const std::span<std::uint16_t> codes = code_memory.take(x.size());
      kernels::round_to_codes<T>(rounding, x, stream, begin, codes);
      bucket.codes = codes;
      return write_shortest(bucket, out);
    }
    const std::size_t words = kernels::words_for(x.size());
    const std::span<std::uint64_t> planes = plane_memory.take(4 * words);
    const auto mask = planes.first(words);
    const auto signs = planes.subspan(words, words);
    if (options_.at_random) {
      kernels::round_to_planes<T>(rounding, x, stream, begin, signs, mask);
    } else {
      kernels::threshold_to_planes<T>(scale.threshold, x, signs, mask);
    }
    bucket.mask = mask;
    bucket.signs = signs;
    if (options_.exact) {
      const auto exact = planes.subspan(2 * words, words);
      // What equals the scale is sent as such.
      kernels::threshold_to_planes<T>(
          std::nextafter(bucket.scale, std::numeric_limits<T>::infinity()), x,
          planes.subspan(3 * words, words), exact);
      const bool some =
          std::any_of(exact.begin(), exact.end(), [](auto word) { return word != 0; });
      if (some) bucket.exact = exact;
    }
    write_shortest(bucket, out);
  }

  // All numbers of the tensor, in memory that the next call uses again.
  std::span<T> decode(wire::WireReader& in, std::size_t size) const {
    thread_local Scratch<T> memory;  // grows to the largest tensor, then stays
    const std::span<T> out = memory.take(size);
    const std::size_t each = bucket(size);
    for (std::size_t begin = 0; begin < size && in.ok(); begin += each) {
      read_levels<T>({.levels = options_.levels, .exact = options_.exact}, in,
                     out.subspan(begin, std::min(each, size - begin)));
    }
    return out;
  }

  LevelOptions options_;
};

}  // namespace

template <Real T>
std::unique_ptr<Compressor<T>> make_level_quantizer(const LevelOptions& options) {
  return std::make_unique<LevelQuantizer<T>>(options);
}
template std::unique_ptr<Compressor<float>> make_level_quantizer(const LevelOptions&);
template std::unique_ptr<Compressor<double>> make_level_quantizer(const LevelOptions&);

ParamCard level_count_param() {
  return {.key = "levels",
          .type = ParamType::kInteger,
          .default_text = "1",
          .help = "the number of levels above 0",
          .min = 1,
          .max = 32767};
}

ParamCard bucket_param() {
  return {.key = "bucket",
          .type = ParamType::kInteger,
          .default_text = "0",
          .help =
              "the number of coordinates that share a scale, rounded up to a multiple of 64; 0 "
              "for one scale per tensor",
          .min = 0,
          .max = 1073741824};
}

std::size_t bucket_of(const Args& args) {
  return (static_cast<std::size_t>(args.integer("bucket")) + 63) / 64 * 64;
}

std::vector<std::string> unused_param(const Args& args, const Card& card,
                                      const Condition& condition) {
  const auto param = std::find_if(card.params.begin(), card.params.end(),
                                  [&](const ParamCard& p) { return p.key == condition.key; });
  if (args.text(condition.choice) == condition.needed ||
      args.text(condition.key) == param->default_text)
    return {};
  return {fmt::format("{}: {}={} has no effect with {}={}; use {}={}, or leave it out", card.name,
                      condition.key, args.text(condition.key), condition.choice,
                      args.text(condition.choice), condition.choice, condition.needed)};
}

}  // namespace laconic::compress
