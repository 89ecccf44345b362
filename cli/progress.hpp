// SPDX-License-Identifier: Apache-2.0
// Shows a run as it goes: a table that is redrawn in place on a terminal, plain lines elsewhere.
#pragma once

#include <memory>

#include "cli/terminal.hpp"
#include "laconic/experiment/observer.hpp"
#include "laconic/experiment/plan.hpp"

namespace laconic::cli {

// Writes to standard output. `plan` must outlive the observer.
[[nodiscard]] std::unique_ptr<experiment::Observer> make_progress(const Terminal& terminal,
                                                                  const experiment::Plan& plan);
// Says nothing.
[[nodiscard]] std::unique_ptr<experiment::Observer> make_silence();

// Tells two observers everything, in order.
class Both final : public experiment::Observer {
 public:
  Both(experiment::Observer& first, experiment::Observer& second)
      : first_(first), second_(second) {}
  void advanced(const experiment::Progress& progress) override;
  void recorded(const experiment::Record& record) override;
  void diverged(const experiment::Divergence& divergence) override;
  void trained(const experiment::TrainedModel& model) override;

 private:
  experiment::Observer& first_;
  experiment::Observer& second_;
};

}  // namespace laconic::cli
