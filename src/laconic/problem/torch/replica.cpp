// SPDX-License-Identifier: Apache-2.0
#include "laconic/problem/torch/replica.hpp"

#include <ATen/Parallel.h>

#include "laconic/base/assert.hpp"

namespace laconic::problem {
namespace {

// The number of threads inside operators belongs to the calling thread; more than one would change
// bits, and ranks are threads already.
void run_alone() {
  thread_local const bool done = [] {
    at::init_num_threads();
    at::set_num_threads(1);
    return true;
  }();
  static_cast<void>(done);
}

}  // namespace

template <Real T>
Replica<T>::Replica(const Network& network) : network_(network) {
  parameters_.resize(network.parameters().size());
}

template <Real T>
void Replica<T>::bind(std::span<const T> x, std::span<T> gradient) {
  const at::TensorOptions options(c10::CppTypeToScalarType<T>::value);
  std::size_t offset = 0;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const at::IntArrayRef sizes = network_.parameters()[i].sizes;
    // Networks do not write to their parameters.
    parameters_[i] = at::from_blob(const_cast<T*>(x.data() + offset), sizes, options);
    if (!gradient.empty()) {
      parameters_[i].set_requires_grad(true);
      parameters_[i].mutable_grad() = at::from_blob(gradient.data() + offset, sizes, options);
    }
    offset += static_cast<std::size_t>(parameters_[i].numel());
  }
  LACONIC_EXPECTS(offset == x.size());
}

template <Real T>
typename ReplicaPool<T>::Loan ReplicaPool<T>::borrow() {
  run_alone();
  std::unique_ptr<Replica<T>> replica;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      replica = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!replica) replica = std::make_unique<Replica<T>>(network_);
  return Loan(*this, std::move(replica));
}

template <Real T>
void ReplicaPool<T>::give_back(std::unique_ptr<Replica<T>> replica) {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(replica));
}

template class Replica<float>;
template class Replica<double>;
template class ReplicaPool<float>;
template class ReplicaPool<double>;

}  // namespace laconic::problem
