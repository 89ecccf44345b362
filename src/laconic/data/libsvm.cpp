// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/libsvm.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <string>
#include <utility>

#include "laconic/base/assert.hpp"
#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/content.hpp"

namespace laconic::data {
namespace {

constexpr std::size_t kMaxClasses = 65536;
constexpr std::uint32_t kMaxFeatures = std::numeric_limits<std::int32_t>::max();

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

// The whole text as a finite double; a leading '+' is allowed, as in "+1".
bool parse_number(std::string_view text, double& value) {
  if (text.size() > 1 && text.front() == '+' && text[1] != '-') text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  return code == std::errc() && stop == end && std::isfinite(value);
}

class Parser {
 public:
  Parser(std::string_view text, std::string_view name, const LibsvmOptions& options)
      : text_(text), name_(name), options_(options) {}

  LibsvmFile parse() {
    while (position_ < text_.size()) parse_line(next_line());
    if (labels_.empty())
      throw ConfigError(fmt::format("{}: there are no rows; name a LIBSVM text file", name_));
    rows_.features = options_.features != 0 ? options_.features : largest_index_;
    if (rows_.features == 0) {
      throw ConfigError(fmt::format("{}: no row has an entry; give the number of features", name_));
    }
    LibsvmFile file;
    file.label_values = label_values();
    map_labels(file);
    file.examples.rows = std::move(rows_);
    return file;
  }

 private:
  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> what, Args&&... args) const {
    throw ConfigError(fmt::format("{}: line {}: {}", name_, line_number_,
                                  fmt::format(what, std::forward<Args>(args)...)));
  }

  std::string_view next_line() {
    ++line_number_;
    const std::string_view rest = text_.substr(position_);
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    if (length > options_.max_line_bytes) {
      fail("the line has {} bytes, more than the limit of {}; is this LIBSVM text?", length,
           options_.max_line_bytes);
    }
    position_ += length + 1;
    return rest.substr(0, length);
  }

  void parse_line(std::string_view line) {
    std::string_view label = next_token(line);
    if (label.empty()) fail("the line is empty; a row is a label and its entries, remove the line");
    parse_label(label);
    previous_index_ = 0;
    for (std::string_view entry = next_token(line); !entry.empty(); entry = next_token(line))
      parse_entry(entry);
    rows_.offsets.push_back(rows_.columns.size());
  }

  static std::string_view next_token(std::string_view& line) {
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    std::size_t length = 0;
    while (length < line.size() && !is_blank(line[length])) ++length;
    const std::string_view token = line.substr(0, length);
    line.remove_prefix(length);
    return token;
  }

  void parse_label(std::string_view text) {
    double label = 0;
    if (!parse_number(text, label))
      fail("the label '{}' is not a finite number; each row begins with one", shown(text));
    label += 0.0;  // -0 and 0 are one label
    labels_.push_back(label);
    if (!options_.label_values.empty()) {
      const auto& known = options_.label_values;
      if (!std::binary_search(known.begin(), known.end(), label)) {
        fail(
            "label {} is not one of {}, the labels of the training file; are the two files of the "
            "same data set?",
            shortest(label), list(known));
      }
      return;
    }
    if (!seen_.contains(label)) check_new_label(label);
  }

  void check_new_label(double label) {
    if (options_.labels == LabelKind::kClasses) {
      if (label != std::floor(label) || std::fabs(label) > 0x1p31) {
        fail("label {} is not a whole number; classes are whole numbers", shortest(label));
      }
      if (seen_.size() == kMaxClasses)
        fail("there are more than {} classes; is the label a regression target?", kMaxClasses);
    } else if (seen_.size() == 2) {
      fail(
          "label {} does not go with the labels {} above; binary data has two labels, read more as "
          "classes "
          "(labels=classes)",
          shortest(label), list(sorted_seen()));
    }
    seen_.insert(label);
    if (options_.labels == LabelKind::kBinary && seen_.size() == 2 &&
        !is_known_pair(sorted_seen())) {
      fail(
          "labels {} are no known pair; use -1 and 1, 0 and 1 or 1 and 2, or read them as classes "
          "(labels=classes)",
          list(sorted_seen()));
    }
  }

  static bool is_known_pair(const std::vector<double>& values) {
    const double low = values[0];
    const double high = values[1];
    return (low == -1 && high == 1) || (low == 0 && high == 1) || (low == 1 && high == 2);
  }

  void parse_entry(std::string_view entry) {
    const char* begin = entry.data();
    const char* end = begin + entry.size();
    std::uint64_t index = 0;
    const auto [colon, code] = std::from_chars(begin, end, index);
    if (code != std::errc() || colon == end || *colon != ':')
      fail("'{}' is not an entry INDEX:VALUE", shown(entry));
    if (index == 0) fail("index 0: indices begin at 1; add 1 to every index of the file");
    if (options_.features != 0 && index > options_.features) {
      fail(
          "index {} is above the number of features, {}; raise it, or is this another data set's "
          "file?",
          index, options_.features);
    }
    if (index > kMaxFeatures) fail("index {} is above the limit of {}", index, kMaxFeatures);
    if (index == previous_index_)
      fail("index {} occurs twice; each index may occur once in a row", index);
    if (index < previous_index_) {
      fail("index {} comes after {}; sort the entries of each row by index", index,
           previous_index_);
    }
    const std::string_view text = entry.substr(static_cast<std::size_t>(colon - begin) + 1);
    double value = 0;
    if (!parse_number(text, value))
      fail("the value '{}' of index {} is not a finite number", shown(text), index);
    previous_index_ = static_cast<std::uint32_t>(index);  // at most kMaxFeatures
    largest_index_ = std::max(largest_index_, previous_index_);
    rows_.columns.push_back(previous_index_ - 1);
    rows_.values.push_back(value);
  }

  [[nodiscard]] std::vector<double> label_values() const {
    if (!options_.label_values.empty()) return options_.label_values;
    if (seen_.size() < 2) {
      throw ConfigError(
          fmt::format("{}: every row has the label {}; training data needs at least two labels",
                      name_, shortest(*seen_.begin())));
    }
    return sorted_seen();
  }

  void map_labels(LibsvmFile& file) {
    const std::vector<double>& values = file.label_values;
    if (options_.labels == LabelKind::kBinary) {
      for (double& label : labels_) label = label == values.back() ? 1.0 : -1.0;
      file.examples.signs = std::move(labels_);
      return;
    }
    file.examples.classes.reserve(labels_.size());
    for (const double label : labels_) {
      const auto it = std::lower_bound(values.begin(), values.end(), label);
      file.examples.classes.push_back(
          static_cast<std::uint32_t>(it - values.begin()));  // below kMaxClasses
    }
  }

  [[nodiscard]] std::vector<double> sorted_seen() const { return {seen_.begin(), seen_.end()}; }

  static std::string list(const std::vector<double>& values) {
    constexpr std::size_t kMaxListed = 20;
    std::string out;
    for (std::size_t i = 0; i < std::min(values.size(), kMaxListed); ++i) {
      if (i > 0) out += i + 1 == values.size() ? " and " : ", ";
      out += shortest(values[i]);
    }
    return values.size() > kMaxListed ? out + ", ..." : out;
  }

  std::string_view text_;
  std::string_view name_;
  const LibsvmOptions& options_;
  std::size_t position_ = 0;
  std::uint64_t line_number_ = 0;
  SparseRows rows_;
  std::vector<double> labels_;  // as in the file
  std::set<double> seen_;       // the distinct ones
  std::uint32_t previous_index_ = 0;
  std::uint32_t largest_index_ = 0;
};

LibsvmFile parse_plain(std::span<const std::byte> bytes, std::string_view name,
                       const LibsvmOptions& options) {
  if (bytes.size() > options.max_content_bytes) {
    throw ConfigError(fmt::format(
        "{}: the content is longer than the limit of {} bytes; if this is the right file, "
        "raise the limit",
        name, options.max_content_bytes));
  }
  std::string text(bytes.size(), '\0');
  if (!bytes.empty()) std::memcpy(text.data(), bytes.data(), bytes.size());
  return Parser(text, name, options).parse();
}

}  // namespace

LibsvmFile parse_libsvm(std::span<const std::byte> bytes, std::string_view name,
                        const LibsvmOptions& options) {
  LACONIC_EXPECTS(options.features <= kMaxFeatures);
  LACONIC_EXPECTS(std::is_sorted(options.label_values.begin(), options.label_values.end()));
  LACONIC_EXPECTS(options.label_values.empty() || options.labels == LabelKind::kClasses ||
                  options.label_values.size() == 2);
  return with_plain_bytes(
      bytes, name, options.max_content_bytes,
      [&](std::span<const std::byte> plain) { return parse_plain(plain, name, options); });
}

LibsvmFile read_libsvm(const std::filesystem::path& path, const LibsvmOptions& options) {
  return parse_libsvm(read_file(path, options.max_content_bytes), path.string(), options);
}

}  // namespace laconic::data
