// SPDX-License-Identifier: Apache-2.0
// Speed of low-rank steps beside a plain read of the same matrices, and of normal numbers. Results
// are compared with the reference before they are timed (shapes that the reference can do in a
// moment; large ones share their code). Each iteration times the work and then the read, so that
// both see the same noise; of_read is the median of (bytes that the algorithm must read per second)
// / (bytes per second of the plain read), blas_takes the median of (time of the same step with
// OpenBLAS products) / (time), where OpenBLAS is installed. Steps work on the layers of a model one
// after the other, as an aggregator does.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/bandwidth.hpp"
#include "bench/blas.hpp"
#include "bench/timing.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::bench {
namespace {

using kernels::SkinnyShape;
using Floats = AlignedVector<float>;

double seconds_of(const std::function<void()>& work) {
  const double start = thread_seconds();
  work();
  return thread_seconds() - start;
}

rng::Stream stream(std::uint32_t tensor) {
  return rng::Stream(11, {.purpose = rng::Purpose::kTest, .tensor = tensor});
}

struct Layer {
  SkinnyShape shape = {};
  Floats a = {};
  Floats p = {};
  Floats q = {};
};

std::vector<Layer> make_layers(std::vector<SkinnyShape> shapes, std::size_t r) {
  std::vector<Layer> layers;
  for (SkinnyShape shape : shapes) {
    shape.r = std::min({r, shape.m, shape.n});
    Layer layer{.shape = shape,
                .a = Floats(shape.m * shape.n),
                .p = Floats(shape.m * shape.r),
                .q = Floats(shape.n * shape.r)};
    const auto id = static_cast<std::uint32_t>(layers.size());
    kernels::random_normals(stream(3 * id), 0, layer.a);
    kernels::random_normals(stream(3 * id + 1), 0, layer.p);
    kernels::random_normals(stream(3 * id + 2), 0, layer.q);
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<SkinnyShape> repeat(std::size_t count, SkinnyShape shape) {
  return std::vector<SkinnyShape>(count, shape);
}

// The matrices of laser.md 5.5, transformers and residual networks as rows x rest.
std::vector<SkinnyShape> resnet18() {
  std::vector<SkinnyShape> all = {{.m = 64, .n = 27}};
  const auto add = [&all](std::size_t count, SkinnyShape shape) {
    for (const SkinnyShape& one : repeat(count, shape)) all.push_back(one);
  };
  add(4, {.m = 64, .n = 576});
  add(1, {.m = 128, .n = 576});
  add(3, {.m = 128, .n = 1152});
  add(1, {.m = 128, .n = 64});
  add(1, {.m = 256, .n = 1152});
  add(3, {.m = 256, .n = 2304});
  add(1, {.m = 256, .n = 128});
  add(1, {.m = 512, .n = 2304});
  add(3, {.m = 512, .n = 4608});
  add(1, {.m = 512, .n = 256});
  add(1, {.m = 10, .n = 512});
  return all;
}
// One of the 12 blocks and the position table; the token table (50304 x 768) is alike.
std::vector<SkinnyShape> gpt2_block() {
  return {{.m = 2304, .n = 768},
          {.m = 768, .n = 768},
          {.m = 3072, .n = 768},
          {.m = 768, .n = 3072},
          {.m = 512, .n = 768}};
}

std::vector<SkinnyShape> model(std::int64_t which) {
  if (which == 0) return {{.m = 4096, .n = 1024}};
  return which == 1 ? resnet18() : gpt2_block();
}
const char* name_of(std::int64_t which) {
  return which == 0 ? "4096x1024" : which == 1 ? "resnet18" : "gpt2-block";
}

// Who makes the products of a step.
struct Products {
  void (*nn)(SkinnyShape, std::span<const float>, std::span<const float>, std::span<float>);
  void (*tn)(SkinnyShape, std::span<const float>, std::span<const float>, std::span<float>);
};
constexpr Products kOwn = {&kernels::skinny_nn<float>, &kernels::skinny_tn<float>};
constexpr Products kBlas = {&openblas_nn, &openblas_tn};

void half_step(const Products& products, std::vector<Layer>& layers) {  // q = a^T orth(p)
  for (Layer& layer : layers) {
    kernels::orthonormalise<float>(layer.shape.m, stream(0), layer.p);
    products.tn(layer.shape, layer.a, layer.p, layer.q);
  }
}

// p = orth(a orth(q)), q = a^T p
void two_factor_step(const Products& products, std::vector<Layer>& layers) {
  for (Layer& layer : layers) {
    kernels::orthonormalise<float>(layer.shape.n, stream(0), layer.q);
    products.nn(layer.shape, layer.a, layer.q, layer.p);
    kernels::orthonormalise<float>(layer.shape.m, stream(1), layer.p);
    products.tn(layer.shape, layer.a, layer.p, layer.q);
  }
}

void residual(const Products&, std::vector<Layer>& layers) {  // a -= p q^T
  for (Layer& layer : layers) {
    kernels::add_low_rank<float>(-1.0F, layer.shape, layer.p, layer.q, layer.a);
  }
}

// The products of a sum of `terms` numbers differ by at most 2 terms u of what their sizes add up
// to.
bool near(std::span<const float> own, std::span<const float> other, std::span<const float> sizes,
          std::size_t terms) {
  for (std::size_t i = 0; i < own.size(); ++i) {
    const double bound = 2 * (static_cast<double>(terms) + 2) * 0x1p-24;
    if (!(std::fabs(static_cast<double>(own[i]) - static_cast<double>(other[i])) <=
          bound * static_cast<double>(sizes[i]))) {
      return false;
    }
  }
  return true;
}

Floats absolute(const Floats& values) {
  Floats out(values.size());
  std::transform(values.begin(), values.end(), out.begin(), [](float v) { return std::fabs(v); });
  return out;
}

bool verify_blas(std::size_t r) {
  for (const SkinnyShape small :
       {SkinnyShape{.m = 64, .n = 576}, SkinnyShape{.m = 37, .n = 1100}}) {
    auto layers = make_layers({small}, r);
    const Layer& layer = layers.front();
    Floats own(layer.p.size());
    Floats other(layer.p.size());
    Floats sizes(layer.p.size());
    kOwn.nn(layer.shape, layer.a, layer.q, own);
    kBlas.nn(layer.shape, layer.a, layer.q, other);
    kOwn.nn(layer.shape, absolute(layer.a), absolute(layer.q), sizes);
    if (!near(own, other, sizes, layer.shape.n)) return false;
    own.resize(layer.q.size());
    other.resize(layer.q.size());
    sizes.resize(layer.q.size());
    kOwn.tn(layer.shape, layer.a, layer.p, own);
    kBlas.tn(layer.shape, layer.a, layer.p, other);
    kOwn.tn(layer.shape, absolute(layer.a), absolute(layer.p), sizes);
    if (!near(own, other, sizes, layer.shape.m)) return false;
  }
  return true;
}

bool verify(std::size_t r) {
  for (const SkinnyShape small :
       {SkinnyShape{.m = 64, .n = 576}, SkinnyShape{.m = 37, .n = 1100}}) {
    auto layers = make_layers({small}, r);
    Layer& layer = layers.front();
    Floats p = layer.p;
    Floats q = layer.q;
    kernels::skinny_nn<float>(layer.shape, layer.a, layer.q, layer.p);
    kernels::reference::skinny_nn<float>(layer.shape, layer.a, q, p);
    if (std::memcmp(p.data(), layer.p.data(), p.size() * sizeof(float)) != 0) return false;
    kernels::skinny_tn<float>(layer.shape, layer.a, layer.p, layer.q);
    kernels::reference::skinny_tn<float>(layer.shape, layer.a, p, q);
    if (std::memcmp(q.data(), layer.q.data(), q.size() * sizeof(float)) != 0) return false;
    Floats a = layer.a;
    kernels::add_low_rank<float>(-1.0F, layer.shape, layer.p, layer.q, layer.a);
    kernels::reference::add_low_rank<float>(-1.0F, layer.shape, p, q, a);
    if (std::memcmp(a.data(), layer.a.data(), a.size() * sizeof(float)) != 0) return false;
  }
  return true;
}

using Step = void (*)(const Products&, std::vector<Layer>&);
struct Work {
  Step step;
  double reads;   // how often the algorithm must read (or write) the matrices
  bool products;  // its time is that of products that OpenBLAS makes, too
};

void step_benchmark(benchmark::State& state, const Work& work) {
  const auto r = static_cast<std::size_t>(state.range(1));
  const bool with_blas = work.products && !openblas_name().empty();
  auto layers = make_layers(model(state.range(0)), r);
  if (!verify(r) || (with_blas && !verify_blas(r))) {
    state.SkipWithError("differs from the reference");
    return;
  }
  double bytes = 0;
  for (const Layer& layer : layers) bytes += static_cast<double>(layer.a.size() * sizeof(float));
  work.step(kOwn, layers);
  if (with_blas) work.step(kBlas, layers);
  std::vector<double> of_read;
  std::vector<double> blas_takes;
  for ([[maybe_unused]] const auto iteration : state) {
    const double step_seconds = seconds_of([&] { work.step(kOwn, layers); });
    const double read_seconds = seconds_of([&] {
      for (const Layer& layer : layers) {
        benchmark::DoNotOptimize(plain_read(
            {reinterpret_cast<const std::uint64_t*>(layer.a.data()), layer.a.size() / 2}));
      }
    });
    state.SetIterationTime(step_seconds);
    of_read.push_back(work.reads * read_seconds / step_seconds);
    if (!with_blas) continue;
    blas_takes.push_back(seconds_of([&] { work.step(kBlas, layers); }) / step_seconds);
  }
  state.counters["of_read"] = median(of_read);
  if (with_blas) state.counters["blas_takes"] = median(blas_takes);
  state.SetLabel(name_of(state.range(0)));
  state.SetBytesProcessed(
      static_cast<std::int64_t>(static_cast<double>(state.iterations()) * work.reads * bytes));
}

void normals_benchmark(benchmark::State& state) {
  Floats out(static_cast<std::size_t>(state.range(0)));
  Floats expected(std::min<std::size_t>(out.size(), 1000));
  kernels::random_normals(stream(0), 0, out);
  kernels::reference::random_normals(stream(0), 0, expected);
  if (std::memcmp(out.data(), expected.data(), expected.size() * sizeof(float)) != 0) {
    state.SkipWithError("differs from the reference");
    return;
  }
  for ([[maybe_unused]] const auto iteration : state) {
    state.SetIterationTime(seconds_of([&] { kernels::random_normals(stream(0), 0, out); }));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) *
                          static_cast<std::int64_t>(sizeof(float)));
}

void all_models(benchmark::internal::Benchmark* benchmark) {
  for (const std::int64_t which : {0, 1, 2}) {
    for (const std::int64_t r : {1, 4, 8}) benchmark->Args({which, r});
  }
  benchmark->UseManualTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK_CAPTURE(step_benchmark, half_step, Work{half_step, 1, true})->Apply(all_models);
BENCHMARK_CAPTURE(step_benchmark, two_factor_step, Work{two_factor_step, 2, true})
    ->Apply(all_models);
BENCHMARK_CAPTURE(step_benchmark, residual, Work{residual, 2, false})->Apply(all_models);
BENCHMARK(normals_benchmark)->Arg(1 << 12)->Arg(1 << 22)->UseManualTime();

}  // namespace
}  // namespace laconic::bench

int main(int count, char** arguments) {
  laconic::bench::start_openblas(arguments);
  const std::string blas = laconic::bench::openblas_name();
  benchmark::AddCustomContext("blas", blas.empty() ? "none" : blas);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
