// SPDX-License-Identifier: Apache-2.0
// Workers that lie (signsgd.md 2.11): an adversary replaces the gradient of the first `count`
// workers before it is aggregated. Because momentum is linear, a worker that negates every gradient
// also votes against its own momentum.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/registry.hpp"
#include "laconic/comm/communicator.hpp"

namespace laconic {

template <Real T>
struct AdversaryInput {
  Round round = {};
  std::uint32_t worker = 0;
  std::span<const T> true_gradient = {};  // grad f(x); empty unless needs_true_gradient()
};

template <Real T>
class Adversary {
 public:
  virtual ~Adversary() = default;
  Adversary() = default;
  Adversary(const Adversary&) = delete;
  Adversary& operator=(const Adversary&) = delete;

  [[nodiscard]] virtual bool corrupts(std::uint32_t worker) const = 0;
  [[nodiscard]] virtual bool needs_true_gradient() const { return false; }
  // Replaces the gradient of one hosted worker. Precondition: corrupts(input.worker); called once
  // per round and worker, in order of rounds.
  virtual void corrupt(const AdversaryInput<T>& input, std::span<T> gradient) = 0;
};

struct AdversarySetup {
  std::size_t dim = 0;
  std::uint32_t workers = 1;
  WorkerBlock mine = {0, 1};
  std::uint64_t seed = 0;
};
template <Real T>
using AdversaryRegistry = Registry<Adversary<T>, AdversarySetup>;
template <Real T>
[[nodiscard]] const AdversaryRegistry<T>& adversaries();
void add_adversary_cards(Catalog& catalog);

}  // namespace laconic
