// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/step_measure.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <numeric>
#include <thread>

#include "laconic/base/assert.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/heap.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/sync/synchronizer.hpp"

namespace laconic::experiment {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kWarmUp = 2;
constexpr std::uint32_t kFewestSteps = 3;
constexpr std::uint32_t kMostSteps = 200;
// Phases of this file's own calls, out of the way of the synchronizer's.
constexpr std::uint32_t kPhase = 1U << 29;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Processor time of the calling thread.
double thread_seconds() {
  std::timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  LACONIC_EXPECTS(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Normal numbers in the shape of the tensors. A step's are those of the step before, one place on:
// new to every coordinate, at the price of a copy.
template <Real T>
class SyntheticGradients {
 public:
  SyntheticGradients(std::span<const Tensor> tensors, std::uint64_t seed, std::uint32_t worker) {
    std::size_t numbers = 0;
    for (const Tensor& tensor : tensors) numbers += tensor.shape.size();
    pool_.resize(numbers + kOffsets);
    rng::fill_normal(rng::Stream(seed, {.purpose = rng::Purpose::kTest, .worker = worker}), {},
                     std::span<T>(pool_));
    current_.resize(numbers);
    std::size_t at = 0;
    for (const Tensor& tensor : tensors) {
      spans_.push_back(std::span<T>(current_).subspan(at, tensor.shape.size()));
      at += tensor.shape.size();
    }
  }
  std::span<const std::span<T>> of(std::uint32_t step) {
    const auto from = pool_.begin() + static_cast<std::ptrdiff_t>(step % kOffsets);
    std::copy(from, from + static_cast<std::ptrdiff_t>(current_.size()), current_.begin());
    return spans_;
  }

 private:
  static constexpr std::size_t kOffsets = 1024;
  AlignedVector<T> pool_ = {};
  AlignedVector<T> current_ = {};
  std::vector<std::span<T>> spans_ = {};
};

SynchronizerOptions options_for(const std::string& aggregator, std::uint64_t seed) {
  // Everything is ready at once here, so that a second thread had nothing to overlap with.
  return {.aggregator = aggregator, .seed = seed, .overlap = false};
}

// What the steps since `before` put on the network, by step.
StepLoad load_between(const SynchronizerReport& before, const SynchronizerReport& after,
                      std::uint64_t calls) {
  const double steps = static_cast<double>(after.steps - before.steps);
  const auto per_step = [&](std::uint64_t first, std::uint64_t last) {
    return static_cast<double>(last - first) / steps;
  };
  return {.uplink_bytes = per_step(before.uplink.frame_bytes, after.uplink.frame_bytes),
          .downlink_bytes = per_step(before.downlink.frame_bytes, after.downlink.frame_bytes),
          .link_bytes = per_step(before.link_bytes, after.link_bytes),
          .latency_steps = per_step(before.latency_steps, after.latency_steps),
          .calls = per_step(0, calls)};
}

// Rank 0's number, on all ranks.
std::uint32_t from_rank_0(std::uint32_t number, Tag tag, Communicator& comm) {
  std::vector<std::byte> bytes;
  for (int shift = 0; shift < 32; shift += 8)
    bytes.push_back(static_cast<std::byte>((number >> shift) & 0xffU));
  comm.broadcast(tag, 0, bytes);
  std::uint32_t out = 0;
  for (int i = 3; i >= 0; --i)
    out = (out << 8U) | std::to_integer<std::uint32_t>(bytes[static_cast<std::size_t>(i)]);
  return out;
}

// What the workers' threads share.
struct Shared {
  std::vector<StepLoad> loads = {};               // by worker
  std::vector<std::vector<double>> seconds = {};  // by worker and step
  std::optional<std::uint64_t> heap_before = {};  // without synchronizers, with gradients
  std::optional<std::uint64_t> heap_after = {};
};

template <Real T>
void measure_worker(std::span<const Tensor> tensors, const StepMeasurement& measurement,
                    Communicator& comm, Shared& shared) {
  const std::uint32_t rank = comm.rank();
  SyntheticGradients<T> gradients(tensors, measurement.seed, rank);
  comm.barrier({0, kPhase});
  if (rank == 0) shared.heap_before = heap_bytes();
  comm.barrier({1, kPhase});
  Synchronizer<T> sync({tensors.begin(), tensors.end()},
                       options_for(measurement.aggregator, measurement.seed), comm);
  const auto step = [&](std::uint32_t number) {
    const auto spans = gradients.of(number);
    const double start = thread_seconds();
    sync.synchronize(spans);
    return thread_seconds() - start;
  };
  double last = 0;
  for (std::uint32_t t = 0; t < kWarmUp; ++t) {
    const auto start = Clock::now();
    step(t);
    last = seconds_since(start);
  }
  const double wanted =
      std::clamp<double>(measurement.seconds / std::max(last, 1e-9), kFewestSteps, kMostSteps);
  const std::uint32_t steps = from_rank_0(static_cast<std::uint32_t>(wanted), {2, kPhase}, comm);
  const SynchronizerReport before = sync.report();
  const std::uint64_t calls = comm.traffic().calls;
  std::vector<double>& seconds = shared.seconds[rank];
  for (std::uint32_t t = 0; t < steps; ++t) seconds.push_back(step(kWarmUp + t));
  shared.loads[rank] = load_between(before, sync.report(), comm.traffic().calls - calls);
  comm.barrier({3, kPhase});
  if (rank == 0) shared.heap_after = heap_bytes();
  comm.barrier({4, kPhase});
}

// The busiest worker's bytes: links are full duplex, and everybody waits for the slowest.
void keep_busiest(StepLoad& load, const StepLoad& other) {
  load.uplink_bytes = std::max(load.uplink_bytes, other.uplink_bytes);
  load.downlink_bytes = std::max(load.downlink_bytes, other.downlink_bytes);
  load.link_bytes = std::max(load.link_bytes, other.link_bytes);
}

// Seconds of the two exchanges of a round, in both of which every rank sends `part` to every other
// one.
double exchange_seconds(std::span<const std::byte> part, std::uint32_t round, Communicator& comm) {
  std::vector<std::span<const std::byte>> parts(comm.size(), part);
  parts[comm.rank()] = {};
  Gathered gathered;
  comm.barrier({round, kPhase});
  const auto start = Clock::now();
  comm.all_to_all({round, kPhase + 1}, parts, gathered);
  comm.all_gather({round, kPhase + 2}, part, gathered);
  return seconds_since(start);
}

// What comes between exchanges in a training. A process that has rested is woken at once, one that
// has polled for long waits its turn where cores are short; so measurements rest, too.
void rest() { std::this_thread::sleep_for(std::chrono::milliseconds(10)); }

// Of one barrier, when all ranks are awake.
double barrier_seconds(Communicator& comm) {
  constexpr std::uint32_t kTimes = 25;
  std::vector<double> out;
  for (std::uint32_t t = 0; t < kTimes; ++t) {
    rest();
    comm.barrier({t, kPhase + 3});
    const auto start = Clock::now();
    comm.barrier({t, kPhase + 4});
    comm.barrier({t, kPhase + 5});
    out.push_back(seconds_since(start) / 2);
  }
  return median(std::move(out));
}

}  // namespace

template <Real T>
StepLoad measure_step(std::span<const Tensor> tensors, const StepMeasurement& measurement) {
  LACONIC_EXPECTS(measurement.workers > 0);
  Shared shared;
  shared.loads.resize(measurement.workers);
  shared.seconds.resize(measurement.workers);
  run_on_threads(measurement.workers, [&](Communicator& comm) {
    measure_worker<T>(tensors, measurement, comm, shared);
  });
  StepLoad out = shared.loads.front();
  for (const StepLoad& load : shared.loads) keep_busiest(out, load);
  std::vector<double> means(shared.seconds.front().size(), 0.0);
  for (const std::vector<double>& one : shared.seconds) {
    for (std::size_t t = 0; t < means.size(); ++t) means[t] += one[t] / measurement.workers;
  }
  out.codec_seconds = median(std::move(means));
  if (shared.heap_before && shared.heap_after && *shared.heap_after > *shared.heap_before) {
    out.memory_bytes = static_cast<double>(*shared.heap_after - *shared.heap_before) /
                       static_cast<double>(measurement.workers);
  }
  return out;
}

template <Real T>
double measure_gradient(const Experiment& experiment) {
  constexpr int kTimes = 5;
  const MethodPlan& method = experiment.plan().methods.front();
  const std::uint64_t seed = experiment.plan().seed;
  const auto problem = experiment.problem<T>(method.workers, seed);
  AlignedVector<T> x(problem->layout().size());
  AlignedVector<T> g(x.size());
  ProblemScratch<T> scratch;
  problem->initial_point(seed, x);
  std::vector<std::uint32_t> units;
  if (method.batch.kind == Batch::Kind::kSize)
    units.resize(std::min(method.batch.size, problem->units(0)));
  std::iota(units.begin(), units.end(), 0U);
  std::vector<double> times;
  for (int t = 0; t <= kTimes; ++t) {  // the first time warms up
    const double start = thread_seconds();
    if (units.empty()) {
      problem->full_gradient(0, x, g, scratch);
    } else {
      problem->batch_gradient(0, units, x, g, scratch);
    }
    if (t > 0) times.push_back(thread_seconds() - start);
  }
  return median(std::move(times));
}

Network measure_network(Communicator& comm) {
  LACONIC_EXPECTS(comm.size() > 1);
  constexpr double kLongEnough = 0.25;  // seconds: many times what the buffers on the way hold
  constexpr std::size_t kLargest = std::size_t{1} << 26;
  const double latency = barrier_seconds(comm);
  std::vector<std::byte> bytes(std::size_t{1} << 14);
  double bandwidth = 0;
  for (std::uint32_t round = 0;; ++round) {
    const double seconds = exchange_seconds(bytes, round, comm);
    // Each exchange compares sizes before data moves.
    const double moving = std::max(seconds - 4 * latency, 1e-9);
    bandwidth = 2 * static_cast<double>(bytes.size()) * (comm.size() - 1) * 8 / moving;
    const bool enough = seconds >= kLongEnough || bytes.size() >= kLargest;
    if (from_rank_0(enough ? 1 : 0, {round, kPhase + 6}, comm) != 0) break;
    bytes.resize(bytes.size() * 2);
  }
  // In microseconds and kbit/s, so that a number of four bytes is enough.
  const auto whole = [](double value) {
    return static_cast<std::uint32_t>(std::clamp(value, 1.0, 4e9));
  };
  return {
      .bandwidth_bits_per_second = 1e3 * from_rank_0(whole(bandwidth / 1e3), {0, kPhase + 7}, comm),
      .latency_seconds = 1e-6 * from_rank_0(whole(latency * 1e6), {1, kPhase + 7}, comm)};
}

double measure_slowdown(Communicator& comm) {
  constexpr std::uint32_t kTimes = 25;
  constexpr double kSeconds = 0.01;  // about what codecs take
  AlignedVector<float> x(std::size_t{1} << 17, 1.0F);
  AlignedVector<float> y(x.size());
  double wall_clock = 0;
  double processor = 0;
  for (std::uint32_t t = 0; t < kTimes; ++t) {
    rest();
    comm.barrier({t, kPhase + 8});
    const auto start = Clock::now();
    const double before = thread_seconds();
    while (thread_seconds() - before < kSeconds) kernels::axpy<float>(1, x, y);
    processor += thread_seconds() - before;
    wall_clock += seconds_since(start);
  }
  const double share = wall_clock / processor / comm.size();
  const double* rows[] = {&share};
  double mean = 0;
  comm.all_reduce_sum<double>({0, kPhase + 9}, Reduction::kCanonical, rows, {&mean, 1});
  return mean;
}

template <Real T>
TimedSteps time_steps(std::span<const Tensor> tensors, const TimedStepsOptions& options,
                      Communicator& comm) {
  LACONIC_EXPECTS(options.steps > 0);
  SyntheticGradients<T> gradients(tensors, options.seed, comm.rank());
  Synchronizer<T> sync({tensors.begin(), tensors.end()},
                       options_for(options.aggregator, options.seed), comm);
  SynchronizerReport before;
  std::uint64_t calls = 0;
  std::vector<double> times;
  for (std::uint32_t t = 0; t < kWarmUp + options.steps; ++t) {
    if (t == kWarmUp) {
      before = sync.report();
      calls = comm.traffic().calls;
    }
    const auto spans = gradients.of(t);
    const auto start = Clock::now();
    if (options.gradient_seconds > 0)
      std::this_thread::sleep_for(std::chrono::duration<double>(options.gradient_seconds));
    sync.synchronize(spans);
    if (t >= kWarmUp) times.push_back(seconds_since(start));
  }
  TimedSteps out;
  out.fastest_seconds = *std::min_element(times.begin(), times.end());
  out.slowest_seconds = *std::max_element(times.begin(), times.end());
  out.load = load_between(before, sync.report(), comm.traffic().calls - calls);
  out.median_seconds = median(std::move(times));
  return out;
}

template StepLoad measure_step<float>(std::span<const Tensor>, const StepMeasurement&);
template StepLoad measure_step<double>(std::span<const Tensor>, const StepMeasurement&);
template double measure_gradient<float>(const Experiment&);
template double measure_gradient<double>(const Experiment&);
template TimedSteps time_steps<float>(std::span<const Tensor>, const TimedStepsOptions&,
                                      Communicator&);
template TimedSteps time_steps<double>(std::span<const Tensor>, const TimedStepsOptions&,
                                       Communicator&);

}  // namespace laconic::experiment
