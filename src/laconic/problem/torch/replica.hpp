// SPDX-License-Identifier: Apache-2.0
// What one thread needs to run a network: parameters and gradients as views into flat vectors,
// never copies, and memory for a block of examples. Private to this folder.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "laconic/problem/torch/network.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic::problem {

template <Real T>
class Replica {
 public:
  explicit Replica(const Network& network);

  // From now on the parameters are x. They are views: x must outlive their use. With `gradient`
  // they are leaves whose gradients are added there.
  void bind(std::span<const T> x, std::span<T> gradient = {});
  [[nodiscard]] std::span<const at::Tensor> parameters() const { return parameters_; }

  // Memory for the rows of a block and their labels, which tensors then view.
  Scratch<T> rows = {};
  std::vector<std::int64_t> labels = {};
  Scratch<T> block_gradient = {};
  Scratch<T> unit_gradient = {};

 private:
  const Network& network_;
  std::vector<at::Tensor> parameters_ = {};
};

// Replicas that are not in use. A call borrows one; there are never more than threads in calls.
template <Real T>
class ReplicaPool {
 public:
  explicit ReplicaPool(const Network& network) : network_(network) {}

  class Loan {
   public:
    Loan(ReplicaPool& pool, std::unique_ptr<Replica<T>> replica)
        : pool_(pool), replica_(std::move(replica)) {}
    ~Loan() { pool_.give_back(std::move(replica_)); }
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    [[nodiscard]] Replica<T>& operator*() const { return *replica_; }
    [[nodiscard]] Replica<T>* operator->() const { return replica_.get(); }

   private:
    ReplicaPool& pool_;
    std::unique_ptr<Replica<T>> replica_;
  };

  // Also makes the calling thread one that runs libtorch's operators alone.
  [[nodiscard]] Loan borrow();

 private:
  void give_back(std::unique_ptr<Replica<T>> replica);

  const Network& network_;
  std::mutex mutex_ = {};  // guards idle_
  std::vector<std::unique_ptr<Replica<T>>> idle_ = {};
};

}  // namespace laconic::problem
