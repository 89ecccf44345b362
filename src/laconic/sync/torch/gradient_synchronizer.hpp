// SPDX-License-Identifier: Apache-2.0
// The gradient exchange of a libtorch training loop, on top of laconic::Synchronizer:
//
//   laconic::torch::GradientSynchronizer sync(model->parameters(), "vote", communicator);
//   for each batch:  optimizer.zero_grad();  loss.backward();
//                    sync.synchronize();     // gradients became the common direction
//                    optimizer.step();
//
// Gradients are taken while the backward pass is still running, by hooks behind their
// accumulation, so that the last layers travel while the first ones are computed. A tensor of two
// or more dimensions is a matrix of size(0) rows; one of fewer is a vector, which travels
// uncompressed unless options.buckets.exempt_vectors is false. Only the parameters that are given
// are touched, and of these only what requires a gradient.
//
// Thread rule: that of laconic::Synchronizer; hooks may run on threads of libtorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/comm/communicator.hpp"
#include "laconic/sync/buckets.hpp"
#include "laconic/sync/synchronizer.hpp"

namespace laconic::torch {

struct Options {
  std::uint64_t seed = 1;  // of random compressors; the same on all ranks
  BucketRules buckets = {};
  double clip_norm = 0;  // > 0: longer directions are scaled down to this Euclidean norm
  bool overlap = true;   // exchange behind the backward pass, where the transport can
  // False: gradients are taken in synchronize, so that they may be changed before.
  bool hooks = true;
  // Refuse a step in which a parameter has no gradient; else it counts as 0.
  bool every_gradient = false;
  // Of the parameters, for messages: model->named_parameters().keys(). None: "parameter 0", ...
  std::vector<std::string> names = {};
  std::ostream* plan_to = nullptr;  // rank 0 writes the plan there, once
};

class GradientSynchronizer {
 public:
  // Collective. `aggregator` is a spec as in configurations, "dense", or "noop". Throws ConfigError
  // as laconic::Synchronizer does, and when a parameter is not a leaf, is given twice, or the
  // parameters are not all of them float or all double.
  GradientSynchronizer(std::vector<at::Tensor> parameters, std::string_view aggregator,
                       Communicator& comm, const Options& options = {});
  ~GradientSynchronizer();  // takes the hooks away
  GradientSynchronizer(const GradientSynchronizer&) = delete;
  GradientSynchronizer& operator=(const GradientSynchronizer&) = delete;

  // Collective, before the first step: the parameters become those of rank 0, because replicas must
  // start alike.
  void start_alike();

  // Collective, once per step, after the last backward pass: the gradient of every parameter
  // becomes the common direction. Undefined gradients count as 0 and are defined afterwards.
  // Throws ConfigError when no parameter has a gradient, DivergedError, with the parameter's name,
  // on every rank when a gradient is not finite.
  void synchronize();

  // While it lives, backward passes only add up gradients. With hooks, all backward passes of a
  // step but the last must lie within such a scope.
  class NoSync {
   public:
    ~NoSync() { --*depth_; }
    NoSync(const NoSync&) = delete;
    NoSync& operator=(const NoSync&) = delete;

   private:
    friend class GradientSynchronizer;
    explicit NoSync(int* depth) : depth_(depth) { ++*depth_; }
    int* depth_;
  };
  [[nodiscard]] NoSync no_sync();

  // Collective with the others' synchronize, for a rank that has no more batches: true when other
  // ranks had gradients; this rank's became their direction, and its optimizer must step, too:
  //   for (each batch) { ...; sync.synchronize(); optimizer.step(); }
  //   while (sync.join()) optimizer.step();
  [[nodiscard]] bool join();

  // As Synchronizer::save_file and load_file: collective, between steps. What the model and the
  // optimizer of libtorch hold is not in it.
  void save_file(const std::string& path) const;
  void load_file(const std::string& path);

  [[nodiscard]] std::string plan() const;
  [[nodiscard]] const SynchronizerReport& report() const;

 private:
  class State;
  template <Real T>
  class Engine;
  std::unique_ptr<State> state_;
};

}  // namespace laconic::torch
