// SPDX-License-Identifier: Apache-2.0
// A training loop that knows nothing of laconic but three lines: least squares on noisy data of its
// own, every rank with another share.
//
//   least_squares 4              four ranks on threads
//   mpirun -n 4 least_squares    four MPI processes
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "laconic/rng/stream.hpp"
#include "laconic/sync/synchronizer.hpp"

namespace {

constexpr std::uint32_t kInputs = 40;
constexpr std::uint32_t kOutputs = 30;
constexpr std::size_t kRows = 200;
constexpr int kSteps = 400;
constexpr float kStepSize = 0.05F;

// A rank's examples: inputs, and outputs of a hidden matrix and offset with some noise.
struct Share {
  std::vector<float> inputs = std::vector<float>(kRows * kInputs);
  std::vector<float> outputs = std::vector<float>(kRows * kOutputs);

  explicit Share(std::uint32_t rank) {
    using laconic::rng::fill_normal;
    using laconic::rng::Stream;
    std::vector<float> hidden(kInputs * kOutputs);
    fill_normal(Stream(1, {.tensor = 0}), {}, std::span(hidden));
    fill_normal(Stream(1, {.worker = rank, .tensor = 1}), {}, std::span(inputs));
    fill_normal(Stream(1, {.worker = rank, .tensor = 2}), {}, std::span(outputs));
    for (std::size_t r = 0; r < kRows; ++r) {
      for (std::size_t j = 0; j < kOutputs; ++j) {
        float sum = 0.1F * outputs[r * kOutputs + j] + 0.5F;
        for (std::size_t i = 0; i < kInputs; ++i) {
          sum += inputs[r * kInputs + i] * hidden[i * kOutputs + j];
        }
        outputs[r * kOutputs + j] = sum;
      }
    }
  }
};

struct Model {
  std::vector<float> w = std::vector<float>(kInputs * kOutputs);
  std::vector<float> b = std::vector<float>(kOutputs);
};

// Half the mean squared error, and its gradient.
double gradient(const Share& share, const Model& model, Model& g) {
  g = {};
  double loss = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t j = 0; j < kOutputs; ++j) {
      float error = model.b[j] - share.outputs[r * kOutputs + j];
      for (std::size_t i = 0; i < kInputs; ++i) {
        error += share.inputs[r * kInputs + i] * model.w[i * kOutputs + j];
      }
      loss += 0.5 * static_cast<double>(error) * static_cast<double>(error);
      const float slope = error / static_cast<float>(kRows);
      for (std::size_t i = 0; i < kInputs; ++i) {
        g.w[i * kOutputs + j] += slope * share.inputs[r * kInputs + i];
      }
      g.b[j] += slope;
    }
  }
  return loss / static_cast<double>(kRows);
}

void train(laconic::Communicator& comm, bool& learnt) {
  const Share share(comm.rank());
  Model model;
  Model g;

  laconic::Synchronizer<float> sync(
      {{.name = "w", .shape = {kInputs, kOutputs}},
       {.name = "b", .shape = {kOutputs, 1}, .role = laconic::Role::kBias}},
      {.aggregator = "mirror:ef21:topk:k=0.05"}, comm);
  if (comm.rank() == 0) std::printf("%s", sync.plan().c_str());

  double first = 0;
  double last = 0;
  for (int step = 0; step < kSteps; ++step) {
    last = gradient(share, model, g);
    if (step == 0) first = last;
    const std::span<float> gradients[] = {g.w, g.b};
    sync.synchronize(gradients);
    for (std::size_t i = 0; i < model.w.size(); ++i) model.w[i] -= kStepSize * g.w[i];
    for (std::size_t i = 0; i < model.b.size(); ++i) model.b[i] -= kStepSize * g.b[i];
  }
  if (comm.rank() != 0) return;
  const double dense = static_cast<double>(kSteps) * 4 * (kInputs + 1) * kOutputs;
  std::printf("loss %.4g -> %.4g; sent %.4g times less than uncompressed\n", first, last,
              dense / static_cast<double>(sync.report().uplink.frame_bytes));
  learnt = last < first / 50;
}

}  // namespace

int main(int count, char** arguments) {
  bool learnt = true;
  try {
    const auto body = [&](laconic::Communicator& comm) { train(comm, learnt); };
    if (laconic::started_by_mpi()) {
      laconic::run_on_mpi(body, [](std::string_view why) {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(why.size()), why.data());
      });
    } else {
      laconic::run_on_threads(
          count > 1 ? static_cast<std::uint32_t>(std::max(1, std::atoi(arguments[1]))) : 2, body);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
  return learnt ? 0 : 1;
}
