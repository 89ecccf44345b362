// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/http.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace laconic::report {
namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 431:
      return "Request Header Fields Too Large";
    default:
      return "Internal Server Error";
  }
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The text up to the next line end, which is taken off.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  return line;
}

}  // namespace

Result<HttpRequest> parse_request(std::string_view head) {
  HttpRequest request;
  const std::string_view first = next_line(head);
  const std::size_t target = first.find(' ');
  const std::size_t version = first.rfind(' ');
  if (target == std::string_view::npos || version <= target + 1 ||
      !first.substr(version + 1).starts_with("HTTP/1.")) {
    return Failure{"the first line is no request of HTTP/1"};
  }
  request.method = first.substr(0, target);
  request.target = first.substr(target + 1, version - target - 1);
  if (request.target.find_first_of(" \t") != std::string::npos || request.target.front() != '/')
    return Failure{"the target of the request is no path"};
  while (!head.empty()) {
    const std::string_view line = next_line(head);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return Failure{"a header line has no colon"};
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (same_name(line.substr(0, colon), "host")) {
      if (!request.host.empty()) return Failure{"there are two Host headers"};
      request.host = value;
    } else if (same_name(line.substr(0, colon), "if-none-match")) {
      request.if_none_match = value;
    }
  }
  return request;
}

bool names_this_machine(std::string_view host, std::uint16_t port) {
  for (const std::string_view name : {"127.0.0.1", "localhost"}) {
    if (host == fmt::format("{}:{}", name, port) || (port == 80 && host == name)) return true;
  }
  return false;
}

std::string response_bytes(const HttpResponse& response, std::string_view method) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
  out += "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";
  if (!response.tag.empty()) out += fmt::format("ETag: {}\r\n", response.tag);
  if (response.status == 405) out += "Allow: GET, HEAD\r\n";
  if (response.status == 304) return out + "\r\n";
  out += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n\r\n", response.type,
                     response.body.size());
  if (method != "HEAD") out += response.body;
  return out;
}

}  // namespace laconic::report
