// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/watch.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/report/live_page.hpp"

namespace laconic::report {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kLongestHead = 8192;
constexpr std::size_t kMostConnections = 64;
constexpr int kTickMilliseconds = 100;
constexpr std::chrono::seconds kPatience{10};  // with a client that neither asks nor listens
constexpr std::chrono::seconds kFarewell{3};   // for pages to fetch the end

std::string reason(int code) { return std::error_code(code, std::generic_category()).message(); }

// The socket interface takes every family of address by one type.
sockaddr* any_address(sockaddr_in& address) {
  return static_cast<sockaddr*>(static_cast<void*>(&address));
}

void set_flags(int socket) {
  static_cast<void>(::fcntl(socket, F_SETFL, O_NONBLOCK));
  static_cast<void>(::fcntl(socket, F_SETFD, FD_CLOEXEC));
}

// One request and its answer.
class Connection {
 public:
  explicit Connection(int socket) : socket_(socket), deadline_(Clock::now() + kPatience) {
    set_flags(socket_);
  }
  ~Connection() {
    if (socket_ >= 0) ::close(socket_);
  }
  Connection(Connection&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        deadline_(other.deadline_),
        head_(std::move(other.head_)),
        answer_(std::move(other.answer_)),
        sent_(other.sent_) {}
  Connection& operator=(Connection&& other) noexcept {
    std::swap(socket_, other.socket_);
    std::swap(deadline_, other.deadline_);
    std::swap(head_, other.head_);
    std::swap(answer_, other.answer_);
    std::swap(sent_, other.sent_);
    return *this;
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] pollfd wish() const {
    return {.fd = socket_,
            .events = static_cast<short>(answer_.empty() ? POLLIN : POLLOUT),
            .revents = 0};
  }
  // False when the connection is over.
  [[nodiscard]] bool go_on(bool ready, LivePage& page, std::uint16_t port) {
    if (Clock::now() > deadline_) return false;
    if (!ready) return true;
    return answer_.empty() ? receive(page, port) : send();
  }

 private:
  bool receive(LivePage& page, std::uint16_t port) {
    std::array<char, 2048> bytes = {};
    const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    if (count == 0) return false;
    head_.append(bytes.data(), static_cast<std::size_t>(count));
    const std::size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos && head_.size() < kLongestHead) return true;
    deadline_ = Clock::now() + kPatience;
    if (end == std::string::npos) {
      answer_ = response_bytes({.status = 431, .body = "The request is too long.\n"}, "GET");
      return true;
    }
    const auto request = parse_request(std::string_view(head_).substr(0, end));
    if (!request) {
      answer_ = response_bytes({.status = 400, .body = request.error() + "\n"}, "GET");
      return true;
    }
    answer_ = response_bytes(page.answer(*request, port), request->method);
    return true;
  }

  bool send() {
    const ssize_t count =
        ::send(socket_, answer_.data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    sent_ += static_cast<std::size_t>(count);
    if (count > 0) deadline_ = Clock::now() + kPatience;
    return sent_ < answer_.size();
  }

  int socket_;
  Clock::time_point deadline_;
  std::string head_ = {};
  std::string answer_ = {};
  std::size_t sent_ = 0;
};

}  // namespace

WatchServer::WatchServer(std::uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const int yes = 1;
  listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  const bool bound =
      listener_ >= 0 && ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0 &&
      ::bind(listener_, any_address(address), size) == 0 && ::listen(listener_, 16) == 0 &&
      ::getsockname(listener_, any_address(address), &size) == 0;
  if (!bound) {
    const std::string why = reason(errno);
    if (listener_ >= 0) ::close(listener_);
    throw ConfigError(
        fmt::format("port {} of 127.0.0.1 cannot be had: {}; choose another --port, "
                    "or 0 for any",
                    port, why));
  }
  set_flags(listener_);
  port_ = ntohs(address.sin_port);
}

WatchServer::~WatchServer() { ::close(listener_); }

void WatchServer::serve(const std::filesystem::path& folder, const std::atomic<bool>& stop) {
  LivePage page(folder);
  std::vector<Connection> connections;
  std::vector<pollfd> wishes;
  Clock::time_point end = Clock::time_point::max();
  while (!stop.load()) {
    if (end == Clock::time_point::max() && page.run_has_ended()) end = Clock::now() + kFarewell;
    if (Clock::now() > end) return;
    wishes.assign(1, {.fd = listener_, .events = POLLIN, .revents = 0});
    for (const Connection& one : connections) wishes.push_back(one.wish());
    // Interrupted by a signal or not: what is not ready waits for the next time.
    if (::poll(wishes.data(), wishes.size(), kTickMilliseconds) < 0) continue;
    std::vector<Connection> going_on;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      const bool ready = wishes[i + 1].revents != 0;
      if (connections[i].go_on(ready, page, port_)) {
        going_on.push_back(std::move(connections[i]));
      }
    }
    connections = std::move(going_on);
    if ((wishes[0].revents & POLLIN) == 0) continue;
    const int socket = ::accept(listener_, nullptr, nullptr);
    if (socket < 0) continue;
    if (connections.size() < kMostConnections) {
      connections.emplace_back(socket);
    } else {
      ::close(socket);
    }
  }
}

}  // namespace laconic::report
