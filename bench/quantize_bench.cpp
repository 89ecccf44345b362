// SPDX-License-Identifier: Apache-2.0
// Speed of quantizers on 16 MiB and 256 MiB of floats: rounding at random alone, whole messages,
// and the choice of thresholds, beside a plain read of the same numbers. Every result is verified
// before it is timed. Each iteration times the work and then the yardstick, so that both see the
// same noise; reported are medians.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "bench/bandwidth.hpp"
#include "bench/timing.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/compress/threshold.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"
#include "tests/oracle/qadagrad_oracle.hpp"

namespace laconic::bench {
namespace {

constexpr std::size_t kCached = std::size_t{1} << 22;  // 16 MiB of floats
constexpr std::size_t kLarge = std::size_t{1} << 26;

double seconds_of(const std::function<void()>& work) {
  const double start = thread_seconds();
  work();
  return thread_seconds() - start;
}
AlignedVector<float> numbers(std::size_t size) {
  constexpr std::size_t kPeriod = std::size_t{1} << 16;
  std::vector<float> period(kPeriod);
  rng::fill_normal(rng::Stream(7, {.purpose = rng::Purpose::kTest}), {}, std::span<float>(period));
  AlignedVector<float> all(size);
  for (std::size_t i = 0; i < size; ++i) all[i] = period[(i ^ (i >> 16)) % kPeriod];
  return all;
}

double read_seconds(const AlignedVector<float>& x) {
  const std::span words(reinterpret_cast<const std::uint64_t*>(x.data()), x.size() / 2);
  return seconds_of([&] { benchmark::DoNotOptimize(plain_read(words)); });
}

// GB/s of input as a counter, and how many plain reads the work takes.
void measure(benchmark::State& state, const AlignedVector<float>& x,
             const std::function<void()>& work) {
  std::vector<double> seconds;
  std::vector<double> reads;
  for ([[maybe_unused]] const auto step : state) {
    seconds.push_back(seconds_of(work));
    reads.push_back(seconds.back() / read_seconds(x));
    state.SetIterationTime(seconds.back());
  }
  state.counters["GB/s"] = static_cast<double>(x.size() * sizeof(float)) * 1e-9 / median(seconds);
  state.counters["reads"] = median(reads);
}

void round_planes(benchmark::State& state) {
  const AlignedVector<float> x = numbers(static_cast<std::size_t>(state.range(0)));
  const kernels::RandomRounding<float> rounding = {.scale = kernels::absmax<float>(x)};
  const rng::Stream stream(1, {.purpose = rng::Purpose::kTest});
  const std::size_t words = kernels::words_for(x.size());
  std::vector<std::uint64_t> signs(words), mask(words), signs2(words), mask2(words);
  const auto work = [&] { kernels::round_to_planes<float>(rounding, x, stream, 0, signs, mask); };
  work();
  kernels::reference::round_to_planes<float>(rounding, x, stream, 0, signs2, mask2);
  if (signs != signs2 || mask != mask2) return state.SkipWithError("differs from the reference");
  measure(state, x, work);
}

void round_codes(benchmark::State& state) {
  const AlignedVector<float> x = numbers(static_cast<std::size_t>(state.range(0)));
  const kernels::RandomRounding<float> rounding = {.scale = kernels::absmax<float>(x), .levels = 7};
  const rng::Stream stream(1, {.purpose = rng::Purpose::kTest});
  std::vector<std::uint16_t> codes(x.size()), codes2(x.size());
  const auto work = [&] { kernels::round_to_codes<float>(rounding, x, stream, 0, codes); };
  work();
  kernels::reference::round_to_codes<float>(rounding, x, stream, 0, codes2);
  if (codes != codes2) return state.SkipWithError("differs from the reference");
  measure(state, x, work);
}

std::vector<double> wide(const AlignedVector<float>& x) { return {x.begin(), x.end()}; }

void clip_threshold(benchmark::State& state) {
  const AlignedVector<float> x = numbers(static_cast<std::size_t>(state.range(0)));
  float tau = 0;
  const auto work = [&] { tau = compress::choose_threshold<float>({}, x); };
  work();
  const double expected = oracle::optimal_clip(wide(x));
  if (std::abs(static_cast<double>(tau) - expected) > 1e-6 * expected)
    return state.SkipWithError("differs from the sorting oracle");
  measure(state, x, work);
}

void dead_zone(benchmark::State& state) {
  const AlignedVector<float> x = numbers(static_cast<std::size_t>(state.range(0)));
  compress::DeadZone<float> zone;
  const auto work = [&] { zone = compress::choose_dead_zone<float>(x); };
  work();
  const double expected = oracle::dead_zone(wide(x)).alpha;
  if (std::abs(static_cast<double>(zone.magnitude) - expected) > 1e-3 * expected)
    return state.SkipWithError("differs from the sorting oracle");
  measure(state, x, work);
}

void encode(benchmark::State& state, const char* spec) {
  Catalog catalog;
  add_compressor_cards(catalog);
  const auto quantizer = compressors<float>().make(
      catalog.canonical(parse_spec(spec).value_or_throw(), "compressor"), {});
  const AlignedVector<float> x = numbers(kCached);
  const Shape shape = {static_cast<std::uint32_t>(x.size()), 1};
  AlignedVector<float> y(x.size(), 0.0F);
  wire::Message message;
  const auto work = [&] {
    message.clear();
    quantizer->encode({x, shape}, {}, message);
  };
  const auto decode = [&] {
    wire::WireReader reader(message.bytes);
    if (!quantizer->decode_add(reader, {}, 1.0F, {y, shape})) state.SkipWithError("refused");
  };
  work();
  decode();
  if (kernels::dot<float>(x, y) < 0.3 * kernels::squared_norm<float>(x))
    return state.SkipWithError("decoded something else");
  measure(state, x, work);
  state.counters["bits"] =
      8 * static_cast<double>(message.bytes.size()) / static_cast<double>(x.size());
  state.counters["decode GB/s"] =
      static_cast<double>(x.size() * sizeof(float)) * 1e-9 / seconds_of(decode);
}

BENCHMARK(round_planes)->Arg(kCached)->Arg(kLarge)->UseManualTime()->Iterations(15);
BENCHMARK(round_codes)->Arg(kCached)->Arg(kLarge)->UseManualTime()->Iterations(15);
BENCHMARK(clip_threshold)->Arg(kCached)->Arg(kLarge)->UseManualTime()->Iterations(15);
BENCHMARK(dead_zone)->Arg(kCached)->UseManualTime()->Iterations(10);
BENCHMARK_CAPTURE(encode, van2_7, "van2:levels=7")->UseManualTime()->Iterations(10);
BENCHMARK_CAPTURE(encode, vaninf, "vaninf")->UseManualTime()->Iterations(10);
BENCHMARK_CAPTURE(encode, vaninf_7, "vaninf:levels=7")->UseManualTime()->Iterations(10);
BENCHMARK_CAPTURE(encode, thr_clip, "thr-clip")->UseManualTime()->Iterations(10);
BENCHMARK_CAPTURE(encode, thr_unb, "thr-unb")->UseManualTime()->Iterations(10);
BENCHMARK_CAPTURE(encode, thr_hard, "thr-hard")->UseManualTime()->Iterations(10);
BENCHMARK_CAPTURE(encode, two_bit, "two-bit")->UseManualTime()->Iterations(10);

}  // namespace
}  // namespace laconic::bench

BENCHMARK_MAIN();
