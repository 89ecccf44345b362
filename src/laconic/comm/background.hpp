// SPDX-License-Identifier: Apache-2.0
// One thread that makes collective calls on a second communicator while the rank's own thread goes
// on. One piece of work at a time, in the order in which it was given, so that all ranks give the
// same work in the same order.
//
// Thread rule: all members are called by one thread, the owner's.
#pragma once

#include <functional>
#include <memory>

#include "laconic/comm/communicator.hpp"

namespace laconic {

class Background {
 public:
  // Takes a communicator of open_second.
  explicit Background(std::unique_ptr<Communicator> comm);
  // Waits for the work that was given; what it throws is lost.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Waits for the work before, throws what that threw, and then lets `work` run. What `work` uses
  // belongs to it until wait or the next start.
  void start(std::function<void(Communicator&)> work);
  // Returns when nothing is running; throws what the work threw, once.
  void wait();
  // Returns when nothing is running; what the work threw is kept for the next wait or start.
  void rest();

 private:
  class Worker;
  std::unique_ptr<Worker> worker_;
};

}  // namespace laconic
