// SPDX-License-Identifier: Apache-2.0
// Speed of selecting the largest magnitudes, beside std::nth_element, a heap and a plain read of
// the same numbers; and of compressors that round at random, beside the plain read. Every result is
// verified before it is timed. Each iteration times the work and then the yardsticks, so that all
// see the same noise; reported are medians of ratios.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <vector>

#include "bench/bandwidth.hpp"
#include "bench/timing.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::bench {
namespace {

// Seconds per call, of as many calls as make the clock's steps negligible.
double seconds_of(const std::function<void()>& work, std::size_t calls) {
  const double start = thread_seconds();
  for (std::size_t i = 0; i < calls; ++i) work();
  return (thread_seconds() - start) / static_cast<double>(calls);
}

template <Real T>
AlignedVector<T> numbers(std::size_t size) {
  constexpr std::size_t kPeriod = std::size_t{1} << 16;
  std::vector<T> period(std::min(size, kPeriod));
  rng::fill_normal(rng::Stream(7, {.purpose = rng::Purpose::kTest}), {}, std::span<T>(period));
  AlignedVector<T> all(size);
  for (std::size_t i = 0; i < size; ++i) all[i] = period[(i ^ (i >> 16)) % period.size()];
  return all;
}

template <Real T>
std::span<const std::uint64_t> words_of(const AlignedVector<T>& x) {
  return {reinterpret_cast<const std::uint64_t*>(x.data()), x.size() * sizeof(T) / 8};
}

// Larger magnitude first, then the lower index.
template <Real T>
auto before(const AlignedVector<T>& x) {
  return [&x](std::uint32_t a, std::uint32_t b) {
    const T left = std::abs(x[a]);
    const T right = std::abs(x[b]);
    return left > right || (left == right && a < b);
  };
}

template <Real T>
void by_nth_element(const AlignedVector<T>& x, std::vector<std::uint32_t>& order, std::size_t k) {
  std::iota(order.begin(), order.end(), 0U);
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k - 1), order.end(),
                   before(x));
}

template <Real T>
void by_heap(const AlignedVector<T>& x, std::vector<std::uint32_t>& heap, std::size_t k) {
  heap.clear();
  for (std::uint32_t i = 0; i < x.size(); ++i) {
    if (heap.size() < k) {
      heap.push_back(i);
      std::push_heap(heap.begin(), heap.end(), before(x));
    } else if (before(x)(i, heap.front())) {
      std::pop_heap(heap.begin(), heap.end(), before(x));
      heap.back() = i;
      std::push_heap(heap.begin(), heap.end(), before(x));
    }
  }
}

template <Real T>
void select(benchmark::State& state) {
  const auto size = static_cast<std::size_t>(state.range(0));
  const auto k = static_cast<std::size_t>(state.range(1));
  const AlignedVector<T> x = numbers<T>(size);
  std::vector<std::uint32_t> chosen(k);
  std::vector<std::uint32_t> order(size);
  std::vector<std::uint32_t> heap;
  kernels::select_top_k<T>(x, chosen);
  by_nth_element(x, order, k);
  std::sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k));
  by_heap(x, heap, k);
  std::sort(heap.begin(), heap.end());
  if (!std::equal(chosen.begin(), chosen.end(), order.begin()) || chosen != heap)
    return state.SkipWithError("differs from nth_element or the heap");
  const std::size_t calls = std::max<std::size_t>(1, 2'000'000 / size);
  const std::size_t slow_calls = std::max<std::size_t>(1, calls / 20);
  std::vector<double> of_read;
  std::vector<double> nth;
  std::vector<double> heaps;
  for ([[maybe_unused]] const auto step : state) {
    const double seconds = seconds_of([&] { kernels::select_top_k<T>(x, chosen); }, calls);
    const double read =
        seconds_of([&] { benchmark::DoNotOptimize(plain_read(words_of<T>(x))); }, calls);
    state.SetIterationTime(seconds);
    of_read.push_back(read / seconds);
    nth.push_back(seconds_of([&] { by_nth_element(x, order, k); }, slow_calls) / seconds);
    heaps.push_back(seconds_of([&] { by_heap(x, heap, k); }, slow_calls) / seconds);
  }
  state.counters["of_read"] = median(of_read);
  state.counters["nth_element"] = median(nth);
  state.counters["heap"] = median(heaps);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size * sizeof(T)));
}

std::unique_ptr<Compressor<float>> compressor(const char* spec) {
  Catalog catalog;
  add_compressor_cards(catalog);
  return compressors<float>().make(
      catalog.canonical(parse_spec(spec).value_or_throw(), "compressor"), {});
}

// Encoding of 16 MiB of floats; the counter decode is the time of decoding over that of encoding.
void compress(benchmark::State& state, const char* spec) {
  constexpr Shape kShape = {1U << 22, 1};
  const auto method = compressor(spec);
  const AlignedVector<float> x = numbers<float>(kShape.size());
  AlignedVector<float> y(x.size(), 0.0F);
  wire::Message message;
  const auto encode = [&] {
    message.clear();
    method->encode({x, kShape}, {}, message);
  };
  const auto decode = [&] {
    wire::WireReader reader(message.bytes);
    if (!method->decode_add(reader, {}, 1.0F, {y, kShape})) state.SkipWithError("refused");
  };
  encode();
  decode();
  // Bytes that decode to something as large as what was sent.
  const double sent = kernels::squared_norm<float>(x);
  if (kernels::dot<float>(x, y) < 0.3 * sent) return state.SkipWithError("decoded something else");
  std::vector<double> of_read;
  std::vector<double> decoding;
  for ([[maybe_unused]] const auto step : state) {
    const double seconds = seconds_of(encode, 1);
    const double read =
        seconds_of([&] { benchmark::DoNotOptimize(plain_read(words_of<float>(x))); }, 1);
    state.SetIterationTime(seconds);
    of_read.push_back(read / seconds);
    decoding.push_back(seconds_of(decode, 1) / seconds);
  }
  state.counters["of_read"] = median(of_read);
  state.counters["decode"] = median(decoding);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(x.size() * sizeof(float)));
}

// Fixed numbers of iterations: the yardsticks take longer than what is measured.
BENCHMARK(select<float>)
    ->Args({16'800'000, 168'000})
    ->Args({16'800'000, 1'680'000})
    ->Args({16'800'000, 10})
    ->UseManualTime()
    ->Iterations(5);
BENCHMARK(select<float>)->Args({25'088, 251})->UseManualTime()->Iterations(20);
BENCHMARK(select<double>)->Args({1000, 10})->Args({123, 12})->Args({123, 1})->UseManualTime();
BENCHMARK_CAPTURE(compress, natural, "natural")->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(compress, terngrad, "terngrad")->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(compress, dithering, "dithering:p=inf,s=7")->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(compress, natdithering, "natdithering:p=inf,s=7")->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(compress, qsgd, "qsgd:s=7")->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(compress, uniform, "uniform:bits=4")->UseManualTime()->Iterations(5);
BENCHMARK_CAPTURE(compress, topk, "topk:k=0.1")->UseManualTime()->Iterations(5);

}  // namespace
}  // namespace laconic::bench

BENCHMARK_MAIN();
