// SPDX-License-Identifier: Apache-2.0
// Lines of record files for tests, and tables read from them.
#pragma once

#include <sstream>
#include <string>

#include "laconic/report/record_reader.hpp"

namespace laconic::report {

inline const std::string kHeader = R"({"schema":3,"config":{"name":"t","method":[]},"seed":1})";

// `rest` is a list of members, with a comma in front unless it is empty.
inline std::string record(const std::string& method, int round, const std::string& rest = "") {
  return R"({"method":")" + method + R"(","spec":"s","repeat":0,"round":)" + std::to_string(round) +
         rest + "}";
}

inline RecordTable read_text(const std::string& text) {
  std::istringstream in(text);
  return read_records(in);
}

// With a header, and a line feed behind every line.
template <class... Lines>
RecordTable read_lines(const Lines&... lines) {
  return read_text(kHeader + "\n" + ((lines + "\n") + ...));
}

}  // namespace laconic::report
