# SPDX-License-Identifier: Apache-2.0
# Every third-party library, in one place. The Debian packages that hold them: tools/packages.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(ZLIB REQUIRED)
find_package(CURL REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(hwy REQUIRED)
find_package(tomlplusplus REQUIRED)

set(LACONIC_HAVE_MPI FALSE)
set(MPI_CXX_SKIP_MPICXX ON)  # the C interface is all that is used
if(NOT LACONIC_MPI STREQUAL "OFF")
  if(LACONIC_MPI STREQUAL "ON")
    find_package(MPI REQUIRED COMPONENTS CXX)
  else()
    find_package(MPI COMPONENTS CXX QUIET)
  endif()

  if(MPI_CXX_FOUND)
    set(LACONIC_HAVE_MPI TRUE)
  endif()
endif()
message(STATUS "laconic: MPI ${LACONIC_HAVE_MPI}")

# Only folders named torch use it: a process that loads it needs half a second and 170 MB.
set(LACONIC_HAVE_TORCH FALSE)
if(NOT LACONIC_TORCH STREQUAL "OFF")
  if(LACONIC_TORCH STREQUAL "ON")
    find_package(Torch REQUIRED)
  else()
    find_package(Torch QUIET)
  endif()
  if(Torch_FOUND)
    set(LACONIC_HAVE_TORCH TRUE)
  endif()
endif()
message(STATUS "laconic: torch ${LACONIC_HAVE_TORCH}")
# For tests that load libtorch: a rank is one thread, and its BLAS has a pool of its own.
set(LACONIC_TORCH_ENVIRONMENT OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1)

if(LACONIC_BUILD_TESTS)
  find_package(GTest REQUIRED)
endif()
if(LACONIC_BUILD_BENCH)
  find_package(benchmark QUIET)
  find_package(OpenBLAS CONFIG QUIET)  # a yardstick of one benchmark
endif()
