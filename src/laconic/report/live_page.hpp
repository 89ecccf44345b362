// SPDX-License-Identifier: Apache-2.0
// What `laconic watch` answers: the page of a run that goes on, and its data, read again when the
// files have changed. Private to this layer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "laconic/report/http.hpp"

namespace laconic::report {

class LivePage {
 public:
  explicit LivePage(std::filesystem::path folder) : folder_(std::move(folder)) {}
  // To a request that came in on `port`. Records that cannot be read yet are a page that says so.
  [[nodiscard]] HttpResponse answer(const HttpRequest& request, std::uint16_t port);
  // The run has written its summary, and does so last.
  [[nodiscard]] bool run_has_ended() const;

 private:
  void refresh();

  std::filesystem::path folder_;
  std::string seen_ = {};  // sizes and times of the files that data_ was made from; its ETag
  std::string data_ = {};
};

}  // namespace laconic::report
