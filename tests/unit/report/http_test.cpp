// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/http.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace laconic::report {
namespace {

TEST(Http, ReadsWhatARequestAsksFor) {
  const auto request = parse_request(
      "GET /data.json HTTP/1.1\r\nhOsT:  127.0.0.1:8080 \r\nAccept: */*\r\nIf-None-Match: \"a\"");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->method, "GET");
  EXPECT_EQ(request->target, "/data.json");
  EXPECT_EQ(request->host, "127.0.0.1:8080");
  EXPECT_EQ(request->if_none_match, "\"a\"");
}

TEST(Http, RefusesWhatIsNoRequest) {
  const std::vector<std::string> cases = {
      "",
      "GET",
      "GET /",
      "GET  HTTP/1.1",
      "GET / SPDY/3",
      "GET / a HTTP/1.1",
      "GET http://elsewhere/ HTTP/1.1",
      "GET / HTTP/1.1\r\nno colon",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b",
      std::string("\0\0\0", 3),
  };
  for (const std::string& head : cases) EXPECT_FALSE(parse_request(head)) << head;
}

TEST(Http, KnowsTheNamesOfThisMachine) {
  EXPECT_TRUE(names_this_machine("127.0.0.1:8080", 8080));
  EXPECT_TRUE(names_this_machine("localhost:8080", 8080));
  EXPECT_TRUE(names_this_machine("localhost", 80));
  EXPECT_FALSE(names_this_machine("localhost", 8080));
  EXPECT_FALSE(names_this_machine("localhost:8081", 8080));
  EXPECT_FALSE(names_this_machine("evil.example:8080", 8080));
  EXPECT_FALSE(names_this_machine("", 8080));
}

TEST(Http, AnswersWithLengthAndWithoutABodyWhereNoneBelongs) {
  const HttpResponse response = {.status = 200, .type = "text/html", .tag = "\"t\"", .body = "abc"};
  const std::string get = response_bytes(response, "GET");
  EXPECT_TRUE(get.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(get.find("Content-Length: 3\r\n"), std::string::npos);
  EXPECT_NE(get.find("ETag: \"t\"\r\n"), std::string::npos);
  EXPECT_TRUE(get.ends_with("\r\n\r\nabc"));
  EXPECT_TRUE(response_bytes(response, "HEAD").ends_with("\r\n\r\n"));
  const std::string unchanged = response_bytes({.status = 304, .tag = "\"t\""}, "GET");
  EXPECT_EQ(unchanged.find("Content-Length"), std::string::npos);
}

}  // namespace
}  // namespace laconic::report
