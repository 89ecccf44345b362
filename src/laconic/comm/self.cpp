// SPDX-License-Identifier: Apache-2.0
// One rank alone: every collective call is a copy.
#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include "laconic/comm/transports.hpp"

namespace laconic {
namespace {

class SelfCommunicator final : public Communicator {
 public:
  [[nodiscard]] std::uint32_t rank() const override { return 0; }
  [[nodiscard]] std::uint32_t size() const override { return 1; }
  [[nodiscard]] std::string_view transport() const override { return "self"; }

  void abort(std::string_view why) noexcept override {
    const std::scoped_lock lock(mutex_);
    if (ended_) return;
    ended_ = true;
    try {
      reason_ = why;
    } catch (...) {
      // Without memory for the reason the calls throw with an empty one.
    }
  }

 private:
  void do_all_gather(const CallInfo& info, std::span<const std::byte> mine,
                     Gathered& out) override {
    open(info);
    const std::array<std::uint64_t, 1> sizes = {mine.size()};
    std::ranges::copy(mine, out.reset(sizes).begin());
  }
  void do_all_to_all(const CallInfo& info, std::span<const std::span<const std::byte>> parts,
                     Gathered& out) override {
    do_all_gather(info, parts[0], out);
  }
  void do_broadcast(const CallInfo& info, std::uint32_t /*root*/,
                    std::vector<std::byte>& /*bytes*/) override {
    open(info);
  }
  void do_barrier(const CallInfo& info) override { open(info); }
  void do_fast_sum(const CallInfo& info, std::span<float> /*values*/) override { open(info); }
  void do_fast_sum(const CallInfo& info, std::span<double> /*values*/) override { open(info); }

  std::unique_ptr<Communicator> do_open_second() override { return make_self_communicator(); }

  void open(const CallInfo& info) {
    {
      const std::scoped_lock lock(mutex_);
      if (ended_) throw CommError(reason_);
    }
    agree(std::span(&info, std::size_t{1}));
  }

  std::mutex mutex_;  // guards the two below; abort may come from any thread
  bool ended_ = false;
  std::string reason_;
};

}  // namespace

std::unique_ptr<Communicator> make_self_communicator() {
  return std::make_unique<SelfCommunicator>();
}

}  // namespace laconic
