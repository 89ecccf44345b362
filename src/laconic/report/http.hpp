// SPDX-License-Identifier: Apache-2.0
// As much of HTTP/1.1 as `laconic watch` speaks: one GET or HEAD per connection. Private to this
// layer. Requests come from anybody on this machine, and from pages of strangers in a browser here:
// everything is checked, and a Host that is not this machine's own name is refused, which such
// pages cannot forge.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "laconic/base/error.hpp"

namespace laconic::report {

struct HttpRequest {
  std::string method = {};
  std::string target = {};         // "/data.json"
  std::string host = {};           // "127.0.0.1:8080"
  std::string if_none_match = {};  // an ETag, or empty
};

// `head` is everything in front of the empty line. A failure is a text for the client.
[[nodiscard]] Result<HttpRequest> parse_request(std::string_view head);
[[nodiscard]] bool names_this_machine(std::string_view host, std::uint16_t port);

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string tag = {};  // ETag, with its quotes; empty: none
  std::string body = {};
};

// Without the body for a HEAD request or where the status has none.
[[nodiscard]] std::string response_bytes(const HttpResponse& response, std::string_view method);

}  // namespace laconic::report
