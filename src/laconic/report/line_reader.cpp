// SPDX-License-Identifier: Apache-2.0
#include "laconic/report/line_reader.hpp"

#include <streambuf>

namespace laconic::report {

bool LineReader::next() {
  if (too_long_ || !complete_) return false;
  line_.clear();
  std::streambuf& buffer = *in_.rdbuf();
  constexpr auto kEnd = std::streambuf::traits_type::eof();
  for (auto c = buffer.sbumpc(); c != kEnd; c = buffer.sbumpc()) {
    if (line_.empty()) ++number_;
    const char byte = std::streambuf::traits_type::to_char_type(c);
    if (byte == '\n') return true;
    if (line_.size() == longest_) {
      too_long_ = true;
      return true;
    }
    line_ += byte;
  }
  complete_ = false;
  return !line_.empty();
}

}  // namespace laconic::report
