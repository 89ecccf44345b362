// SPDX-License-Identifier: Apache-2.0
// Speed of the kernels beside that of the memory. Every kernel is compared with the reference
// before it is timed, on the data that is timed. Each iteration times the kernel and then a plain
// read of the same buffers, so that both see the same noise; the counter of_read is the median over
// the iterations of (bytes per second of the kernel) / (bytes per second of the plain read). Where
// a kernel writes as much as it reads, of_update compares with y += x on the same buffers in the
// same way.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/bandwidth.hpp"
#include "bench/timing.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::bench {
namespace {

using kernels::words_for;
using Floats = AlignedVector<float>;
using Words = AlignedVector<std::uint64_t>;

constexpr std::int64_t kMebi = 1 << 20;

double seconds_of(const std::function<void()>& work) {
  const double start = thread_seconds();
  work();
  return thread_seconds() - start;
}

// The words of a vector of floats, as the yardsticks see them. Precondition: an even number.
std::span<const std::uint64_t> words_of(const Floats& values) {
  return {reinterpret_cast<const std::uint64_t*>(values.data()), values.size() / 2};
}
std::span<std::uint64_t> words_of(Floats& values) {
  return {reinterpret_cast<std::uint64_t*>(values.data()), values.size() / 2};
}

struct Measurement {
  double bytes = 0;  // read and written by one call of the kernel
  std::function<void()> kernel = {};
  std::vector<std::span<const std::uint64_t>> buffers = {};  // what the plain read reads
  std::function<void()> update = {};                         // y += x, if there is such a yardstick
  double update_bytes = 0;
};

void measure(benchmark::State& state, const Measurement& what) {
  double read_bytes = 0;
  for (const auto& buffer : what.buffers) read_bytes += static_cast<double>(buffer.size_bytes());
  const auto read_all = [&] {
    for (const auto& buffer : what.buffers) benchmark::DoNotOptimize(plain_read(buffer));
  };
  std::vector<double> of_read;
  std::vector<double> of_update;
  for ([[maybe_unused]] const auto step : state) {
    const double kernel_seconds = seconds_of(what.kernel);
    const double read_seconds = seconds_of(read_all);
    state.SetIterationTime(kernel_seconds);
    of_read.push_back(what.bytes / kernel_seconds * read_seconds / read_bytes);
    if (!what.update) continue;
    const double update_seconds = seconds_of(what.update);
    of_update.push_back(what.bytes / kernel_seconds * update_seconds / what.update_bytes);
  }
  state.counters["of_read"] = median(of_read);
  if (what.update) state.counters["of_update"] = median(of_update);
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<double>(state.iterations()) * what.bytes));
}

rng::Stream stream(std::uint32_t tensor) {
  return rng::Stream(7, {.purpose = rng::Purpose::kTest, .tensor = tensor});
}

// Cheap, not independent: a period of 2^16 is long enough for a timing.
Floats values(std::size_t size, std::uint32_t tensor) {
  constexpr std::size_t kPeriod = std::size_t{1} << 16;
  std::vector<float> period(kPeriod);
  rng::fill_normal(stream(tensor), {}, std::span<float>(period));
  Floats all(size);
  for (std::size_t i = 0; i < size; ++i) all[i] = period[(i ^ (i >> 16)) % kPeriod];
  return all;
}

std::size_t floats_in(const benchmark::State& state) {
  return static_cast<std::size_t>(state.range(0) * kMebi) / sizeof(float);
}

double bytes_of(std::size_t floats) { return static_cast<double>(floats * sizeof(float)); }

template <class Vector>
bool equal(const Vector& a, const Vector& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(a[0])) == 0;
}

void read_yardstick(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  std::uint64_t expected = 0;
  for (const std::uint64_t word : words_of(x)) expected += word;
  if (plain_read(words_of(x)) != expected) return state.SkipWithError("wrong sum");
  measure(state, {.bytes = bytes_of(x.size()),
                  .kernel = [&] { benchmark::DoNotOptimize(plain_read(words_of(x))); },
                  .buffers = {words_of(x)}});
}

void memcpy_yardstick(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  Floats y(x.size());
  measure(state, {.bytes = 2 * bytes_of(x.size()),
                  .kernel = [&] { std::memcpy(y.data(), x.data(), x.size() * sizeof(float)); },
                  .buffers = {words_of(x)}});
}

void update_yardstick(benchmark::State& state) {
  Floats x = values(floats_in(state), 1);
  Floats y = values(floats_in(state), 2);
  measure(state, {.bytes = 3 * bytes_of(x.size()),
                  .kernel = [&] { plain_update(words_of(std::as_const(x)), words_of(y)); },
                  .buffers = {words_of(std::as_const(x)), words_of(std::as_const(y))}});
}

void pack_signs(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  Words signs(words_for(x.size()));
  Words expected(signs.size());
  const std::span<const float> in(x);
  kernels::pack_signs(in, std::span<std::uint64_t>(signs));
  kernels::reference::pack_signs(in, std::span<std::uint64_t>(expected));
  if (!equal(signs, expected)) return state.SkipWithError("differs from the reference");
  measure(state, {.bytes = bytes_of(x.size()) + static_cast<double>(8 * signs.size()),
                  .kernel = [&] { kernels::pack_signs(in, std::span<std::uint64_t>(signs)); },
                  .buffers = {words_of(x)}});
}

void pack_signs_and_mask(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  Words signs(words_for(x.size()));
  Words mask(signs.size());
  Words expected(signs.size());
  Words expected_mask(signs.size());
  const std::span<const float> in(x);
  const auto pack = [&] {
    kernels::pack_signs_and_mask(in, std::span<std::uint64_t>(signs),
                                 std::span<std::uint64_t>(mask));
  };
  pack();
  kernels::reference::pack_signs_and_mask(in, std::span<std::uint64_t>(expected),
                                          std::span<std::uint64_t>(expected_mask));
  if (!equal(signs, expected) || !equal(mask, expected_mask)) {
    return state.SkipWithError("differs from the reference");
  }
  measure(state, {.bytes = bytes_of(x.size()) + static_cast<double>(16 * signs.size()),
                  .kernel = pack,
                  .buffers = {words_of(x)}});
}

void unpack_signs(benchmark::State& state) {
  Floats y(floats_in(state));
  Floats expected(y.size());
  Words signs(words_for(y.size()));
  kernels::pack_signs(std::span<const float>(values(y.size(), 1)), std::span<std::uint64_t>(signs));
  const std::span<const std::uint64_t> in(signs);
  kernels::unpack_signs(in, 0.5F, std::span<float>(y));
  kernels::reference::unpack_signs(in, 0.5F, std::span<float>(expected));
  if (!equal(y, expected)) return state.SkipWithError("differs from the reference");
  measure(state, {.bytes = bytes_of(y.size()) + static_cast<double>(8 * signs.size()),
                  .kernel = [&] { kernels::unpack_signs(in, 0.5F, std::span<float>(y)); },
                  .buffers = {words_of(std::as_const(y))}});
}

void add_signs(benchmark::State& state) {
  Floats y = values(floats_in(state), 1);
  Floats expected = y;
  Words signs(words_for(y.size()));
  kernels::pack_signs(std::span<const float>(y), std::span<std::uint64_t>(signs));
  const std::span<const std::uint64_t> in(signs);
  kernels::add_signs(in, 0.5F, std::span<float>(y));
  kernels::reference::add_signs(in, 0.5F, std::span<float>(expected));
  if (!equal(y, expected)) return state.SkipWithError("differs from the reference");
  measure(state, {.bytes = 2 * bytes_of(y.size()) + static_cast<double>(8 * signs.size()),
                  .kernel = [&] { kernels::add_signs(in, 0.5F, std::span<float>(y)); },
                  .buffers = {words_of(std::as_const(y))}});
}

void momentum_pack_signs(benchmark::State& state) {
  const Floats g = values(floats_in(state), 1);
  Floats v = values(g.size(), 2);
  Floats expected = v;
  Words signs(words_for(g.size()));
  Words expected_signs(signs.size());
  const std::span<const float> in(g);
  const auto step = [&] {
    kernels::momentum_pack_signs(0.9, in, std::span<float>(v), std::span<std::uint64_t>(signs));
  };
  step();
  kernels::reference::momentum_pack_signs(0.9, in, std::span<float>(expected),
                                          std::span<std::uint64_t>(expected_signs));
  if (!equal(v, expected) || !equal(signs, expected_signs)) {
    return state.SkipWithError("differs from the reference");
  }
  measure(state, {.bytes = 3 * bytes_of(g.size()) + static_cast<double>(8 * signs.size()),
                  .kernel = step,
                  .buffers = {words_of(g), words_of(std::as_const(v))},
                  .update = [&] { plain_update(words_of(g), words_of(expected)); },
                  .update_bytes = 3 * bytes_of(g.size())});
}

// Two passes: both read g and e, the second writes e.
void error_feedback_pack_signs(benchmark::State& state) {
  const Floats g = values(floats_in(state), 1);
  Floats e = values(g.size(), 2);
  Floats expected = e;
  Words signs(words_for(g.size()));
  Words expected_signs(signs.size());
  const std::span<const float> in(g);
  const auto step = [&] {
    return kernels::error_feedback_pack_signs(in, 1.0F, std::span<float>(e),
                                              std::span<std::uint64_t>(signs));
  };
  const float scale = step();
  const float expected_scale = kernels::reference::error_feedback_pack_signs(
      in, 1.0F, std::span<float>(expected), std::span<std::uint64_t>(expected_signs));
  if (scale != expected_scale || !equal(e, expected) || !equal(signs, expected_signs)) {
    return state.SkipWithError("differs from the reference");
  }
  measure(state, {.bytes = 5 * bytes_of(g.size()) + static_cast<double>(8 * signs.size()),
                  .kernel = [&] { benchmark::DoNotOptimize(step()); },
                  .buffers = {words_of(g), words_of(std::as_const(e))},
                  .update = [&] { plain_update(words_of(g), words_of(expected)); },
                  .update_bytes = 3 * bytes_of(g.size())});
}

template <double (*kKernel)(std::span<const float>), double (*kReference)(std::span<const float>)>
void reduce(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  const std::span<const float> in(x);
  if (std::bit_cast<std::uint64_t>(kKernel(in)) != std::bit_cast<std::uint64_t>(kReference(in))) {
    return state.SkipWithError("differs from the reference");
  }
  measure(state, {.bytes = bytes_of(x.size()),
                  .kernel = [&] { benchmark::DoNotOptimize(kKernel(in)); },
                  .buffers = {words_of(x)}});
}

void dot(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  const Floats y = values(x.size(), 2);
  const std::span<const float> left(x);
  const std::span<const float> right(y);
  if (kernels::dot(left, right) != kernels::reference::dot(left, right)) {
    return state.SkipWithError("differs from the reference");
  }
  measure(state, {.bytes = 2 * bytes_of(x.size()),
                  .kernel = [&] { benchmark::DoNotOptimize(kernels::dot(left, right)); },
                  .buffers = {words_of(x), words_of(y)}});
}

void absmax(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  const std::span<const float> in(x);
  if (kernels::absmax(in) != kernels::reference::absmax(in)) {
    return state.SkipWithError("differs from the reference");
  }
  measure(state, {.bytes = bytes_of(x.size()),
                  .kernel = [&] { benchmark::DoNotOptimize(kernels::absmax(in)); },
                  .buffers = {words_of(x)}});
}

void all_finite(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  const std::span<const float> in(x);
  if (!kernels::all_finite(in)) return state.SkipWithError("differs from the reference");
  measure(state, {.bytes = bytes_of(x.size()),
                  .kernel = [&] { benchmark::DoNotOptimize(kernels::all_finite(in)); },
                  .buffers = {words_of(x)}});
}

void axpy(benchmark::State& state) {
  const Floats x = values(floats_in(state), 1);
  Floats y = values(x.size(), 2);
  Floats expected = y;
  const std::span<const float> in(x);
  kernels::axpy(0.3F, in, std::span<float>(y));
  kernels::reference::axpy(0.3F, in, std::span<float>(expected));
  if (!equal(y, expected)) return state.SkipWithError("differs from the reference");
  measure(state, {.bytes = 3 * bytes_of(x.size()),
                  .kernel = [&] { kernels::axpy(0.3F, in, std::span<float>(y)); },
                  .buffers = {words_of(x), words_of(std::as_const(y))},
                  .update = [&] { plain_update(words_of(x), words_of(expected)); },
                  .update_bytes = 3 * bytes_of(x.size())});
}

// range(0): MB in all rows together; eight rows.
void mean_rows(benchmark::State& state) {
  constexpr std::size_t kRows = 8;
  const std::size_t columns = floats_in(state) / kRows;
  std::vector<Floats> rows;
  std::vector<const float*> pointers;
  std::vector<std::span<const std::uint64_t>> buffers;
  for (std::uint32_t w = 0; w < kRows; ++w) rows.push_back(values(columns, w));
  for (const Floats& row : rows) pointers.push_back(row.data());
  for (const Floats& row : rows) buffers.push_back(words_of(row));
  Floats y(columns);
  Floats expected(columns);
  const std::span<const float* const> in(pointers);
  kernels::mean_rows(in, 1.0 / kRows, std::span<float>(y));
  kernels::reference::mean_rows(in, 1.0 / kRows, std::span<float>(expected));
  if (!equal(y, expected)) return state.SkipWithError("differs from the reference");
  measure(state, {.bytes = bytes_of((kRows + 1) * columns),
                  .kernel = [&] { kernels::mean_rows(in, 1.0 / kRows, std::span<float>(y)); },
                  .buffers = buffers});
}

struct Ballot {
  std::vector<Words> planes = {};
  std::vector<const std::uint64_t*> pointers = {};
  std::vector<std::span<const std::uint64_t>> buffers = {};
};

Ballot ballot(std::size_t voters, std::size_t words, std::uint32_t first_tensor) {
  Ballot all;
  for (std::size_t w = 0; w < voters; ++w) {
    const auto bits = stream(first_tensor + static_cast<std::uint32_t>(w));
    Words plane(words);
    for (std::size_t i = 0; i < words; ++i) {
      const auto block = bits.block(static_cast<std::uint32_t>(i));
      plane[i] = block[0] | std::uint64_t{block[1]} << 32;
    }
    all.planes.push_back(std::move(plane));
  }
  for (const Words& plane : all.planes) all.pointers.push_back(plane.data());
  for (const Words& plane : all.planes) all.buffers.emplace_back(plane);
  return all;
}

// range(0): voters; range(1): log2 of the coordinates.
void majority(benchmark::State& state) {
  const auto voters = static_cast<std::size_t>(state.range(0));
  const std::size_t bits = std::size_t{1} << state.range(1);
  const Ballot votes = ballot(voters, words_for(bits), 100);
  Words negative(words_for(bits));
  Words tie(negative.size());
  Words expected_negative(negative.size());
  Words expected_tie(negative.size());
  kernels::majority(votes.pointers, bits, {.negative = negative, .tie = tie});
  kernels::reference::majority(votes.pointers, bits,
                               {.negative = expected_negative, .tie = expected_tie});
  if (!equal(negative, expected_negative) || !equal(tie, expected_tie)) {
    return state.SkipWithError("differs from the reference");
  }
  measure(state,
          {.bytes = static_cast<double>((voters + 2) * 8 * words_for(bits)),
           .kernel =
               [&] { kernels::majority(votes.pointers, bits, {.negative = negative, .tie = tie}); },
           .buffers = votes.buffers});
}

void masked_majority(benchmark::State& state) {
  const auto voters = static_cast<std::size_t>(state.range(0));
  const std::size_t bits = std::size_t{1} << state.range(1);
  const Ballot votes = ballot(voters, words_for(bits), 100);
  const Ballot masks = ballot(voters, words_for(bits), 1000);
  Words negative(words_for(bits));
  Words tie(negative.size());
  Words expected_negative(negative.size());
  Words expected_tie(negative.size());
  const kernels::MaskedVote vote{.signs = votes.pointers, .masks = masks.pointers, .quorum = 0};
  kernels::masked_majority(vote, bits, {.negative = negative, .tie = tie});
  kernels::reference::masked_majority(vote, bits,
                                      {.negative = expected_negative, .tie = expected_tie});
  if (!equal(negative, expected_negative) || !equal(tie, expected_tie)) {
    return state.SkipWithError("differs from the reference");
  }
  auto buffers = votes.buffers;
  buffers.insert(buffers.end(), masks.buffers.begin(), masks.buffers.end());
  measure(
      state,
      {.bytes = static_cast<double>((2 * voters + 2) * 8 * words_for(bits)),
       .kernel = [&] { kernels::masked_majority(vote, bits, {.negative = negative, .tie = tie}); },
       .buffers = buffers});
}

using Gemm = void (*)(kernels::GemmShape, std::span<const float>, std::span<const float>,
                      std::span<float>);

// range: m, n, k. The rate is that of multiplications and additions.
template <Gemm kKernel, Gemm kReference>
void gemm(benchmark::State& state) {
  const kernels::GemmShape shape{.m = static_cast<std::size_t>(state.range(0)),
                                 .n = static_cast<std::size_t>(state.range(1)),
                                 .k = static_cast<std::size_t>(state.range(2))};
  const Floats a = values(shape.m * shape.k, 1);
  const Floats b = values(shape.k * shape.n, 2);
  Floats c(shape.m * shape.n);
  Floats expected(c.size());
  kKernel(shape, a, b, c);
  kReference(shape, a, b, expected);
  if (!equal(c, expected)) return state.SkipWithError("differs from the reference");
  for ([[maybe_unused]] const auto step : state) {
    kKernel(shape, a, b, c);
    benchmark::DoNotOptimize(c.data());
  }
  state.counters["flop/s"] =
      benchmark::Counter(static_cast<double>(2 * shape.m * shape.n * shape.k),
                         benchmark::Counter::kIsIterationInvariantRate);
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgName("MB")->Arg(16)->Arg(64)->Arg(256)->UseManualTime()->Unit(benchmark::kMillisecond);
}

void votes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"voters", "log2d"})
      ->UseManualTime()

      ->Unit(benchmark::kMillisecond);
  for (const std::int64_t log2d : {24, 26}) {
    for (const std::int64_t voters : {4, 8, 16, 32}) bench->Args({voters, log2d});
  }
}

void masked_votes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"voters", "log2d"})
      ->UseManualTime()

      ->Unit(benchmark::kMillisecond);
  for (const std::int64_t voters : {4, 8, 16, 32}) bench->Args({voters, 24});
}

// The products of a perceptron 784 - 256 - 10 with batches of 32 and 128.
void layers(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"m", "n", "k"})->Unit(benchmark::kMicrosecond);
}

BENCHMARK(read_yardstick)->Apply(sizes);
BENCHMARK(memcpy_yardstick)->Apply(sizes);
BENCHMARK(update_yardstick)->Apply(sizes);
BENCHMARK(pack_signs)->Apply(sizes);
BENCHMARK(pack_signs_and_mask)->Apply(sizes);
BENCHMARK(unpack_signs)->Apply(sizes);
BENCHMARK(add_signs)->Apply(sizes);
BENCHMARK(momentum_pack_signs)->Apply(sizes);
BENCHMARK(error_feedback_pack_signs)->Apply(sizes);
BENCHMARK(reduce<kernels::sum<float>, kernels::reference::sum<float>>)->Name("sum")->Apply(sizes);
BENCHMARK(reduce<kernels::squared_norm<float>, kernels::reference::squared_norm<float>>)
    ->Name("squared_norm")
    ->Apply(sizes);
BENCHMARK(reduce<kernels::l1_norm<float>, kernels::reference::l1_norm<float>>)
    ->Name("l1_norm")
    ->Apply(sizes);
BENCHMARK(dot)->Apply(sizes);
BENCHMARK(absmax)->Apply(sizes);
BENCHMARK(all_finite)->Apply(sizes);
BENCHMARK(axpy)->Apply(sizes);
BENCHMARK(mean_rows)->Apply(sizes);
BENCHMARK(majority)->Apply(votes);
BENCHMARK(masked_majority)->Apply(masked_votes);
BENCHMARK(gemm<kernels::gemm_nn<float>, kernels::reference::gemm_nn<float>>)
    ->Name("gemm_nn")
    ->Apply(layers)
    ->Args({32, 256, 784})
    ->Args({128, 256, 784})
    ->Args({32, 10, 256})
    ->Args({512, 512, 512});
BENCHMARK(gemm<kernels::gemm_tn<float>, kernels::reference::gemm_tn<float>>)
    ->Name("gemm_tn")
    ->Apply(layers)
    ->Args({784, 256, 32})
    ->Args({784, 256, 128})
    ->Args({512, 512, 512});
BENCHMARK(gemm<kernels::gemm_nt<float>, kernels::reference::gemm_nt<float>>)
    ->Name("gemm_nt")
    ->Apply(layers)
    ->Args({32, 256, 784})
    ->Args({128, 256, 784})
    ->Args({512, 512, 512});

}  // namespace
}  // namespace laconic::bench

BENCHMARK_MAIN();
