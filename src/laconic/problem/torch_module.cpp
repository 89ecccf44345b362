// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/torch_module.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <bit>
#include <cstdlib>
#include <string>
#include <type_traits>

#include "laconic/base/error.hpp"

namespace laconic::problem {
namespace {

constexpr const char* kFile = "liblaconic_torch.so";

// OpenBLAS 0.3.21 takes newer Xeons for processors of 2004 and is then five times slower; it reads
// these when it is loaded. Results depend on the threads inside an operation, so there is one.
void prepare_environment() {
  constexpr int kKeep = 0;
  constexpr int kReplace = 1;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    setenv("OPENBLAS_CORETYPE", "SkylakeX", kKeep);
  } else if (__builtin_cpu_supports("avx2")) {
    setenv("OPENBLAS_CORETYPE", "Haswell", kKeep);
  }
#else
  static_cast<void>(kKeep);
#endif
  setenv("OPENBLAS_NUM_THREADS", "1", kReplace);
  setenv("OMP_NUM_THREADS", "1", kReplace);
}

// Never unloaded: libtorch does not survive that.
const TorchModule& load_module() {
  prepare_environment();
  void* const handle = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const why = dlerror();
    throw ConfigError(
        fmt::format("networks need {}, which this machine has not or cannot load ({}); install "
                    "libtorch-dev (Debian) and build laconic again, with -DLACONIC_TORCH=ON",
                    kFile, why == nullptr ? "no reason given" : why));
  }
  // A function comes as a pointer to data; POSIX has them convert.
  static_assert(sizeof(void*) == sizeof(TorchModuleFunction));
  void* const symbol = dlsym(handle, kTorchModuleSymbol);
  const TorchModule* module = nullptr;
  if (symbol != nullptr) module = std::bit_cast<TorchModuleFunction>(symbol)();
  if (module == nullptr || std::string(module->version) != LACONIC_VERSION) {
    throw ConfigError(
        fmt::format("{} belongs to laconic {}, this is {}; install both from one build", kFile,
                    module == nullptr ? "of another kind" : module->version, LACONIC_VERSION));
  }
  return *module;
}

// Loaded once; a failure is tried again.
const TorchModule& loaded() {
  static const TorchModule& module = load_module();
  return module;
}

}  // namespace

template <Real T>
std::unique_ptr<Problem<T>> make_network(const Args& args, const ProblemSetup& setup) {
  if constexpr (std::is_same_v<T, float>) {
    return loaded().make_float(args, setup);
  } else {
    return loaded().make_double(args, setup);
  }
}
template std::unique_ptr<Problem<float>> make_network<float>(const Args&, const ProblemSetup&);
template std::unique_ptr<Problem<double>> make_network<double>(const Args&, const ProblemSetup&);

}  // namespace laconic::problem
