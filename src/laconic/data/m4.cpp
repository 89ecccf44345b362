// SPDX-License-Identifier: Apache-2.0
// The CSV files of the M4 competition (Makridakis, Spiliotis, Assimakopoulos 2020).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/content.hpp"
#include "laconic/data/series.hpp"

namespace laconic::data {
namespace {

class Parser {
 public:
  Parser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  std::vector<Series> parse() {
    if (text_.empty()) {
      throw ConfigError(fmt::format(
          "{}: the file is empty; it should be CSV with a header and a series per line", name_));
    }
    split(next_line());
    columns_ = cells_.size();
    if (columns_ < 2) fail(1, "the header has no column for values; is this a file of M4?");
    std::vector<Series> out;
    while (position_ < text_.size()) {
      split(next_line());
      out.push_back(series());
    }
    if (out.empty()) fail(1, "no series follows the header; name another file");
    return out;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(std::size_t column, fmt::format_string<Args...> what,
                         Args&&... args) const {
    throw ConfigError(fmt::format("{}: line {}: column {}: {}", name_, line_number_, column,
                                  fmt::format(what, std::forward<Args>(args)...)));
  }

  std::string_view next_line() {
    ++line_number_;
    const std::string_view rest = text_.substr(position_);
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    position_ += length + 1;
    std::string_view line = rest.substr(0, length);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  // The cells of a line, without their quotes.
  void split(std::string_view line) {
    cells_.clear();
    if (line.empty()) fail(1, "the line is empty; remove it");
    while (true) {
      const std::size_t column = cells_.size() + 1;
      std::size_t end = 0;
      if (line.starts_with('"')) {
        const std::size_t closing = line.find('"', 1);
        if (closing == std::string_view::npos)
          fail(column, "the quote is not closed in its line; close it");
        cells_.push_back(line.substr(1, closing - 1));
        end = closing + 1;
        if (end < line.size() && line[end] != ',')
          fail(column, "the closing quote is followed by '{}' instead of a comma",
               shown(line.substr(end, 1)));
      } else {
        end = std::min(line.find(','), line.size());
        cells_.push_back(line.substr(0, end));
        if (cells_.back().find('"') != std::string_view::npos)
          fail(column, "a quote within the cell '{}'; quote all of a cell or nothing",
               shown(cells_.back()));
      }
      if (end == line.size()) return;
      line.remove_prefix(end + 1);
    }
  }

  Series series() {
    if (cells_.size() != columns_) {
      fail(std::min(cells_.size(), columns_) + 1,
           "the line has {} cells and the header {}; each line needs as many as the header",
           cells_.size(), columns_);
    }
    Series out;
    out.id = cells_.front();
    if (out.id.empty()) fail(1, "the id of the series is empty; give it one");
    const auto [earlier, is_new] = line_of_.emplace(out.id, line_number_);
    if (!is_new)
      fail(1, "the series '{}' is in line {} already; remove one", shown(out.id), earlier->second);
    std::size_t count = cells_.size();
    while (cells_[count - 1].empty()) --count;  // ends at the id at the latest
    if (count == 1) fail(2, "the series '{}' has no values; remove it", shown(out.id));
    out.values.reserve(count - 1);
    for (std::size_t i = 1; i < count; ++i) out.values.push_back(value(i));
    return out;
  }

  double value(std::size_t i) const {
    const std::string_view cell = cells_[i];
    if (cell.empty()) fail(i + 1, "the cell is empty, but values follow; a series has no gaps");
    double out = 0;
    const char* end = cell.data() + cell.size();
    const auto [stop, code] = std::from_chars(cell.data(), end, out);
    const bool is_number = code == std::errc() && stop == end;
    if (!is_number || !(std::abs(out) <= kMaxSeriesValue)) {
      fail(i + 1, "'{}' is not a number in [-{}, {}]", shown(cell), shortest(kMaxSeriesValue),
           shortest(kMaxSeriesValue));
    }
    return out;
  }

  std::string_view text_;
  std::string_view name_;
  std::size_t position_ = 0;
  std::uint64_t line_number_ = 0;
  std::size_t columns_ = 0;  // of the header
  std::vector<std::string_view> cells_;
  std::unordered_map<std::string, std::uint64_t> line_of_;  // by id
};

}  // namespace

std::vector<Series> parse_m4(std::span<const std::byte> bytes, std::string_view name,
                             const SeriesOptions& options) {
  return with_plain_bytes(
      bytes, name, options.max_content_bytes, [&](std::span<const std::byte> plain) {
        if (plain.size() > options.max_content_bytes) {
          throw ConfigError(fmt::format(
              "{}: the content is longer than the limit of {} bytes; if this is the right file, "
              "raise the limit",
              name, options.max_content_bytes));
        }
        std::string text(plain.size(), '\0');
        if (!plain.empty()) std::memcpy(text.data(), plain.data(), plain.size());
        return Parser(text, name).parse();
      });
}

std::vector<Series> read_m4(const std::filesystem::path& path, const SeriesOptions& options) {
  return parse_m4(read_file(path, options.max_content_bytes), path.string(), options);
}

}  // namespace laconic::data
