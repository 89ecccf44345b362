// SPDX-License-Identifier: Apache-2.0
// The page of a run that goes on, served on this machine alone (127.0.0.1) over HTTP. One thread,
// no connection is kept; the run itself is not touched, only its record files are read.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>

namespace laconic::report {

class WatchServer {
 public:
  // Port 0: any free one. ConfigError if the port cannot be had.
  explicit WatchServer(std::uint16_t port);
  ~WatchServer();
  WatchServer(const WatchServer&) = delete;
  WatchServer& operator=(const WatchServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // Until three seconds after the run in `folder` has written its summary, so that pages can fetch
  // the end, or `stop` is set. A folder that is not there yet is waited for.
  void serve(const std::filesystem::path& folder, const std::atomic<bool>& stop);

 private:
  int listener_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace laconic::report
