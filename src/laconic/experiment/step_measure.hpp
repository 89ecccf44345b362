// SPDX-License-Identifier: Apache-2.0
// Measurements behind step_plan.hpp: what a step of a method costs one worker on this machine, what
// the network between ranks reaches, and how long real steps take.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "laconic/comm/communicator.hpp"
#include "laconic/experiment/experiment.hpp"
#include "laconic/experiment/step_plan.hpp"

namespace laconic::experiment {

struct StepMeasurement {
  std::string aggregator = "dense";  // spec
  std::uint32_t workers = 1;
  std::uint64_t seed = 1;
  double seconds = 0.5;  // roughly how long to measure after two steps to warm up
};
// Steps of a Synchronizer on synthetic gradients (normal, new in every step), all workers on
// threads of this process. Times are processor times of a worker's own thread, so they do not
// contain the work of the others, nor waiting. Takes the memory of all workers. Throws ConfigError
// when the method does not suit the tensors.
template <Real T>
[[nodiscard]] StepLoad measure_step(std::span<const Tensor> tensors,
                                    const StepMeasurement& measurement);

// Seconds that worker 0 takes for the gradient of the plan's first method, at the starting point.
template <Real T>
[[nodiscard]] double measure_gradient(const Experiment& experiment);

// Collective. From messages between all ranks, in about a second: the latency from the smallest
// ones, the bandwidth of a rank's link from large ones that it sends to all others while it
// receives theirs. The same on all ranks. Precondition: two ranks or more.
[[nodiscard]] Network measure_network(Communicator& comm);

// Collective. How much longer than alone computing takes when all ranks compute at once: wall clock
// over processor time, the mean of all ranks. About 1 where every rank has a core, 2 where four
// share two. Takes a quarter of a second of every rank's processor time.
[[nodiscard]] double measure_slowdown(Communicator& comm);

struct TimedSteps {
  double median_seconds = 0;
  double fastest_seconds = 0;
  double slowest_seconds = 0;
  StepLoad load = {};  // as counted in these steps; codec_seconds and memory_bytes are not known
};
// Collective. Real steps between ranks: every one of them sleeps for gradient_seconds, in place of
// a machine of its own that computes, then synchronizes. Two steps to warm up come first. The same
// ConfigError on all ranks as above. Precondition: steps > 0.
struct TimedStepsOptions {
  std::string aggregator = "dense";
  std::uint64_t seed = 1;
  std::uint32_t steps = 20;
  double gradient_seconds = 0;
};
template <Real T>
[[nodiscard]] TimedSteps time_steps(std::span<const Tensor> tensors,
                                    const TimedStepsOptions& options, Communicator& comm);

}  // namespace laconic::experiment
