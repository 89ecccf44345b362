// SPDX-License-Identifier: Apache-2.0
#include <cblas.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "bench/blas.hpp"

namespace laconic::bench {
namespace {

blasint size_of(std::size_t value) { return static_cast<blasint>(value); }

}  // namespace

void start_openblas(char** arguments) {
  if (std::getenv("OPENBLAS_CORETYPE") == nullptr) {
    const char* const core = __builtin_cpu_supports("avx512f") != 0 ? "SkylakeX"
                             : __builtin_cpu_supports("avx2") != 0  ? "Haswell"
                                                                    : nullptr;
    if (core != nullptr && setenv("OPENBLAS_CORETYPE", core, 1) == 0) {
      execv("/proc/self/exe", arguments);  // returns only if it cannot; then the default is used
    }
  }
  openblas_set_num_threads(1);
}

std::string openblas_name() {
  // "OpenBLAS 0.3.21 DYNAMIC_ARCH NO_AFFINITY ..."
  std::istringstream words(openblas_get_config());
  std::string name;
  std::string version;
  words >> name >> version;
  return name + ' ' + version + ", " + openblas_get_corename();
}

// Factors lie component after component: rows of an r x m and an r x n matrix.
void openblas_nn(kernels::SkinnyShape shape, std::span<const float> a, std::span<const float> q,
                 std::span<float> p) {
  const blasint m = size_of(shape.m);
  const blasint n = size_of(shape.n);
  if (shape.r == 1) {
    cblas_sgemv(CblasRowMajor, CblasNoTrans, m, n, 1, a.data(), n, q.data(), 1, 0, p.data(), 1);
  } else {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, size_of(shape.r), m, n, 1, q.data(), n,
                a.data(), n, 0, p.data(), m);
  }
}

void openblas_tn(kernels::SkinnyShape shape, std::span<const float> a, std::span<const float> p,
                 std::span<float> q) {
  const blasint m = size_of(shape.m);
  const blasint n = size_of(shape.n);
  if (shape.r == 1) {
    cblas_sgemv(CblasRowMajor, CblasTrans, m, n, 1, a.data(), n, p.data(), 1, 0, q.data(), 1);
  } else {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, size_of(shape.r), n, m, 1, p.data(), m,
                a.data(), n, 0, q.data(), n);
  }
}

}  // namespace laconic::bench
