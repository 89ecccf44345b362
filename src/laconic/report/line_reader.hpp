// SPDX-License-Identifier: Apache-2.0
// Lines of a file that may end anywhere, as it does while a run goes on. Private to this layer.
#pragma once

#include <cstddef>
#include <istream>
#include <string>

namespace laconic::report {

class LineReader {
 public:
  // `in` must outlive the object. Lines longer than `longest` end the reading.
  LineReader(std::istream& in, std::size_t longest) : in_(in), longest_(longest) {}
  // False at the end. Carriage returns in front of line feeds are part of the line.
  [[nodiscard]] bool next();
  [[nodiscard]] const std::string& line() const { return line_; }
  [[nodiscard]] std::size_t number() const { return number_; }  // counted from 1
  [[nodiscard]] bool complete() const { return complete_; }     // a line feed stood behind it
  [[nodiscard]] bool too_long() const { return too_long_; }     // then line() is a part of it

 private:
  std::istream& in_;
  std::size_t longest_;
  std::string line_ = {};
  std::size_t number_ = 0;
  bool complete_ = true;
  bool too_long_ = false;
};

}  // namespace laconic::report
