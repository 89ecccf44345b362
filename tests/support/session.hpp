// SPDX-License-Identifier: Apache-2.0
// One aggregator on one rank, fed by hand: for checks that look at every round.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/aggregate_loop.hpp"

namespace laconic::test {

template <Real T>
class Session {
 public:
  Session(const std::string& spec, Layout layout, std::uint32_t workers, std::uint64_t seed = 1)
      : layout_(std::move(layout)),
        comm_(make_self_communicator()),
        aggregator_(aggregators<T>().make(
            canonical_aggregator(spec),
            {.layout = &layout_, .workers = workers, .mine = {0, workers}, .seed = seed})),
        direction_(layout_.size()) {}

  const RoundReport& round(std::uint32_t index, const std::vector<std::vector<T>>& gradients) {
    views_.clear();
    for (std::uint32_t w = 0; w < gradients.size(); ++w) {
      views_.push_back({.worker = w, .values = gradients[w]});
    }
    return aggregator_->aggregate({.index = index, .step_size = 0.1, .previous_step_size = 0.1},
                                  views_, direction_, *comm_);
  }
  [[nodiscard]] const std::vector<T>& direction() const { return direction_; }
  template <class Kind>
  [[nodiscard]] const Kind& as() const {
    return dynamic_cast<const Kind&>(*aggregator_);
  }

 private:
  Layout layout_;
  std::unique_ptr<Communicator> comm_;
  std::unique_ptr<Aggregator<T>> aggregator_;
  std::vector<T> direction_;
  std::vector<WorkerGradient<T>> views_ = {};
};

}  // namespace laconic::test
