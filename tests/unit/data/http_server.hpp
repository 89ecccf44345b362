// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server on 127.0.0.1 for the download tests: one request per connection, answers and
// misbehaviour by path. Runs from construction to destruction on a thread of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace laconic::data::testing {

struct Reply {
  int status = 200;
  std::string body = {};
  bool honours_range = true;                    // else every request gets the whole body
  std::optional<std::size_t> cut_after = {};    // close the connection after so many body bytes
  std::optional<std::size_t> wrong_begin = {};  // claim that a range begins here
  bool silent = false;                          // never answer
  std::string location = {};                    // of a redirect
};

class HttpServer {
 public:
  HttpServer();
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  [[nodiscard]] std::string url(std::string_view path) const;  // path begins with '/'
  void set(const std::string& path, Reply reply);
  // "PATH" or "PATH RANGE" of every request so far.
  [[nodiscard]] std::vector<std::string> requests() const;

 private:
  void serve();
  void answer(int connection);

  int listener_ = -1;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;  // guards replies_ and requests_
  std::map<std::string, Reply> replies_;
  std::vector<std::string> requests_;
  std::jthread thread_;
};

}  // namespace laconic::data::testing
