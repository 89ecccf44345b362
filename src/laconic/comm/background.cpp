// SPDX-License-Identifier: Apache-2.0
#include "laconic/comm/background.hpp"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "laconic/base/assert.hpp"

namespace laconic {

class Background::Worker {
 public:
  explicit Worker(std::unique_ptr<Communicator> comm) : comm_(std::move(comm)) {
    LACONIC_EXPECTS(comm_ != nullptr);
    thread_ = std::jthread([this] { run(); });
  }
  ~Worker() {
    {
      const std::scoped_lock lock(mutex_);
      is_leaving_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start(std::function<void(Communicator&)> work) {
    wait();
    {
      const std::scoped_lock lock(mutex_);
      work_ = std::move(work);
      is_busy_ = true;
    }
    changed_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !is_busy_; });
    if (failure_ != nullptr) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  void rest() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !is_busy_; });
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [this] { return is_busy_ || is_leaving_; });
      if (!is_busy_) return;
      lock.unlock();
      std::exception_ptr failure;
      try {
        work_(*comm_);
      } catch (...) {
        failure = std::current_exception();
      }
      lock.lock();
      failure_ = failure;
      is_busy_ = false;
      changed_.notify_all();
    }
  }

  std::unique_ptr<Communicator> comm_;  // the thread's alone
  std::mutex mutex_;  // guards all below but the thread; work_ is the thread's while is_busy_
  std::condition_variable changed_;  // is_busy_ or is_leaving_ changed
  std::function<void(Communicator&)> work_ = {};
  bool is_busy_ = false;
  bool is_leaving_ = false;
  std::exception_ptr failure_ = {};
  std::jthread thread_ = {};
};

Background::Background(std::unique_ptr<Communicator> comm)
    : worker_(std::make_unique<Worker>(std::move(comm))) {}
Background::~Background() = default;

void Background::start(std::function<void(Communicator&)> work) { worker_->start(std::move(work)); }
void Background::wait() { worker_->wait(); }
void Background::rest() { worker_->rest(); }

}  // namespace laconic
