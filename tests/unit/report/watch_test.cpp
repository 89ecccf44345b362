// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/watch.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>
#include <thread>

#include "laconic/base/error.hpp"
#include "tests/unit/report/record_lines.hpp"

namespace laconic::report {
namespace {

namespace fs = std::filesystem;

// A server in a thread of its own, watching a folder with records of one round.
class WatchTest : public testing::Test {
 protected:
  WatchTest()
      : folder_(fs::path(testing::TempDir()) /
                ("laconic_watch_" +
                 std::string(testing::UnitTest::GetInstance()->current_test_info()->name()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    std::ofstream(folder_ / "records.jsonl") << kHeader << '\n' << record("a", 0) << '\n';
    thread_ = std::jthread([this] { server_.serve(folder_, stop_); });
  }
  ~WatchTest() override {
    stop_.store(true);
    thread_.join();
    fs::remove_all(folder_);
  }

  // Sends the bytes, and reads until the server closes.
  [[nodiscard]] std::string ask(const std::string& request) const {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(server_.port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(
        ::connect(socket, static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof(address)),
        0);
    EXPECT_EQ(::send(socket, request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string answer;
    std::array<char, 4096> bytes = {};
    for (ssize_t count = 0; (count = ::recv(socket, bytes.data(), bytes.size(), 0)) > 0;)
      answer.append(bytes.data(), static_cast<std::size_t>(count));
    ::close(socket);
    return answer;
  }
  [[nodiscard]] std::string get(const std::string& target, const std::string& more = "") const {
    return ask("GET " + target + " HTTP/1.1\r\nHost: localhost:" + std::to_string(server_.port()) +
               "\r\n" + more + "\r\n");
  }

  fs::path folder_;
  WatchServer server_{0};
  std::atomic<bool> stop_{false};
  std::jthread thread_;
};

TEST_F(WatchTest, ServesThePageAndItsData) {
  const std::string page = get("/");
  EXPECT_TRUE(page.starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(page.find("<!DOCTYPE html>"), std::string::npos);
  EXPECT_NE(page.find(R"({"live":true)"), std::string::npos);
  const std::string data = get("/data.json");
  EXPECT_NE(data.find("Content-Type: application/json"), std::string::npos);
  EXPECT_NE(data.find(R"("columns":{"round":0})"), std::string::npos);
}

TEST_F(WatchTest, SendsDataAgainOnlyWhenTheyHaveChanged) {
  const std::string first = get("/data.json");
  const std::size_t start = first.find("ETag: ") + 6;
  const std::string tag = first.substr(start, first.find("\r\n", start) - start);
  const std::string same = "If-None-Match: " + tag + "\r\n";
  EXPECT_TRUE(get("/data.json", same).starts_with("HTTP/1.1 304 "));
  std::ofstream(folder_ / "records.jsonl", std::ios::app) << record("a", 5) << '\n';
  EXPECT_NE(get("/data.json", same).find(R"("round":[0,5])"), std::string::npos);
}

TEST_F(WatchTest, RefusesStrangersAndNonsense) {
  const std::string port = std::to_string(server_.port());
  const auto starts = [](const std::string& answer) { return answer.substr(9, 3); };
  EXPECT_EQ(starts(ask("GET / HTTP/1.1\r\nHost: evil.example:" + port + "\r\n\r\n")), "403");
  EXPECT_EQ(starts(ask("GET / HTTP/1.1\r\n\r\n")), "403");
  EXPECT_EQ(starts(ask("POST / HTTP/1.1\r\nHost: localhost:" + port + "\r\n\r\n")), "405");
  EXPECT_EQ(starts(get("/../records.jsonl")), "404");
  EXPECT_EQ(starts(ask("hello\r\n\r\n")), "400");
  EXPECT_EQ(starts(ask("GET / HTTP/1.1\r\nX: " + std::string(8192 - 19, 'x'))), "431");
}

TEST_F(WatchTest, APortThatIsTakenIsAnError) {
  EXPECT_THROW(WatchServer(server_.port()), ConfigError);
}

TEST_F(WatchTest, EndsWithTheRun) {
  std::ofstream(folder_ / "summary.json") << R"({"methods":[]})";
  EXPECT_NE(get("/data.json").find(R"({"live":false)"), std::string::npos);
  thread_.join();  // comes back although nobody has asked it to stop
  thread_ = std::jthread([] {});
}

}  // namespace
}  // namespace laconic::report
