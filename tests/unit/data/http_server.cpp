// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/data/http_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace laconic::data::testing {
namespace {

// Until the blank line that ends the header, or the end of the connection.
std::string receive_header(int connection) {
  std::string out;
  std::array<char, 1024> buffer{};
  while (out.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = ::recv(connection, buffer.data(), buffer.size(), 0);
    if (count <= 0) break;
    out.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return out;
}

void send_all(int connection, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the client has gone
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string range_of(const std::string& header) {
  constexpr std::string_view kRange = "Range: ";
  const std::size_t begin = header.find(kRange);
  if (begin == std::string::npos) return {};
  return header.substr(begin + kRange.size(), header.find("\r\n", begin) - begin - kRange.size());
}

// The whole answer to a request for the bytes from `begin` on.
std::string response_text(const Reply& reply, std::size_t begin) {
  if (reply.status != 200) {
    const std::string location =
        reply.location.empty() ? "" : fmt::format("Location: {}\r\n", reply.location);
    return fmt::format("HTTP/1.1 {} Other\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}",
                       reply.status, location, reply.body.size(), reply.body);
  }
  const std::size_t size = reply.body.size();
  const bool partial = begin > 0 && reply.honours_range;
  if (partial && begin >= size) {
    return fmt::format(
        "HTTP/1.1 416 Range\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\nConnection: "
        "close\r\n\r\n",
        size);
  }
  const std::string content = reply.body.substr(partial ? begin : 0);
  const std::string range = partial ? fmt::format("Content-Range: bytes {}-{}/{}\r\n",
                                                  reply.wrong_begin.value_or(begin), size - 1, size)
                                    : "";
  return fmt::format("HTTP/1.1 {}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n{}",
                     partial ? "206 Part" : "200 OK", range, content.size(),
                     content.substr(0, reply.cut_after.value_or(content.size())));
}

}  // namespace

HttpServer::HttpServer() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  auto* generic = static_cast<sockaddr*>(static_cast<void*>(&address));
  if (listener_ < 0 || ::bind(listener_, generic, length) != 0 || ::listen(listener_, 16) != 0 ||
      ::getsockname(listener_, generic, &length) != 0) {
    throw std::runtime_error("no server on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this] { serve(); });
}

HttpServer::~HttpServer() {
  ::shutdown(listener_, SHUT_RDWR);  // ends accept
  thread_.join();
  ::close(listener_);
}

std::string HttpServer::url(std::string_view path) const {
  return fmt::format("http://127.0.0.1:{}{}", port_, path);
}

void HttpServer::set(const std::string& path, Reply reply) {
  const std::lock_guard lock(mutex_);
  replies_[path] = std::move(reply);
}

std::vector<std::string> HttpServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void HttpServer::serve() {
  while (true) {
    const int connection = ::accept(listener_, nullptr, nullptr);
    if (connection < 0) return;
    answer(connection);
    ::close(connection);
  }
}

void HttpServer::answer(int connection) {
  const std::string header = receive_header(connection);
  const std::size_t path_begin = header.find(' ') + 1;
  const std::string path = header.substr(path_begin, header.find(' ', path_begin) - path_begin);
  const std::string range = range_of(header);
  Reply reply{.status = 404};
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(range.empty() ? path : path + " " + range);
    if (const auto it = replies_.find(path); it != replies_.end()) reply = it->second;
  }
  if (reply.silent) {
    (void)receive_header(connection);  // until the client gives up
    return;
  }
  std::size_t begin = 0;
  if (range.starts_with("bytes=")) begin = std::stoul(range.substr(6));
  send_all(connection, response_text(reply, begin));
}

}  // namespace laconic::data::testing
