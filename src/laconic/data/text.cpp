// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/content.hpp"

namespace laconic::data {
namespace {

constexpr std::string_view kEndOfLine = "<eos>";
constexpr std::string_view kUnknown = "<unk>";

using Tokens = std::vector<std::string_view>;  // within a text, or the names above

std::string plain_text(const TextSource& source, std::uint64_t max_bytes) {
  return with_plain_bytes(
      source.bytes, source.name, max_bytes, [&](std::span<const std::byte> plain) {
        if (plain.size() > max_bytes) {
          throw ConfigError(fmt::format(
              "{}: the content is longer than the limit of {} bytes; if this is the right file, "
              "raise the limit",
              source.name, max_bytes));
        }
        std::string text(plain.size(), '\0');
        if (!plain.empty()) std::memcpy(text.data(), plain.data(), plain.size());
        return text;
      });
}

// The bytes of the character at the start of the text by Unicode 15, table 3-7; 0 if they are none.
std::size_t character_bytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xC2 || first > 0xF4) return 0;
  const std::size_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < length) return 0;
  // The second byte keeps out overlong forms, surrogates and what lies above U+10FFFF.
  const unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

class Tokenizer {
 public:
  Tokenizer(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  // Checks all of the text, whatever the level.
  Tokens tokens(TextLevel level) {
    Tokens out;
    while (position_ < text_.size()) {
      const std::size_t length = next_character();
      const std::string_view character = text_.substr(position_, length);
      if (level == TextLevel::kChar) {
        out.push_back(character);
      } else if (character == " " || character == "\t" || character == "\r") {
        end_word(out);
      } else if (character == "\n") {
        end_word(out);
        out.push_back(kEndOfLine);
      } else {
        word_bytes_ += length;
      }
      position_ += length;
      if (character == "\n") {
        ++lines_;
        line_start_ = position_;
      }
    }
    const bool open_line = line_start_ < text_.size();
    if (level == TextLevel::kWord && open_line) {
      end_word(out);
      out.push_back(kEndOfLine);
    }
    if (open_line) ++lines_;
    return out;
  }
  [[nodiscard]] std::uint64_t lines() const { return lines_; }

 private:
  std::size_t next_character() const {
    const std::size_t length = character_bytes(text_.substr(position_));
    if (length != 0 && text_[position_] != '\0') return length;
    throw ConfigError(
        fmt::format("{}: line {}: byte {} of the line is {}; this is no text, or needs to be "
                    "converted to UTF-8",
                    name_, lines_ + 1, position_ - line_start_ + 1,
                    length == 0 ? "not part of a character in UTF-8" : "zero"));
  }

  void end_word(Tokens& out) {
    if (word_bytes_ > 0) out.push_back(text_.substr(position_ - word_bytes_, word_bytes_));
    word_bytes_ = 0;
  }

  std::string_view text_;
  std::string_view name_;
  std::size_t position_ = 0;
  std::size_t line_start_ = 0;
  std::size_t word_bytes_ = 0;  // of the word that ends at position_
  std::uint64_t lines_ = 0;     // complete ones
};

class Vocabulary {
 public:
  Vocabulary(std::span<const std::string_view> tokens, std::uint32_t most) {
    std::unordered_map<std::string_view, std::uint64_t> counts;
    for (const std::string_view token : tokens) ++counts[token];
    std::vector<std::pair<std::string_view, std::uint64_t>> sorted(counts.begin(), counts.end());
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second > b.second : a.first < b.first;
    });
    if (most > 0 && sorted.size() > most) sorted.resize(most);
    types_.reserve(sorted.size());
    for (const auto& entry : sorted) {
      ids_.emplace(entry.first, static_cast<std::uint32_t>(types_.size()));
      types_.emplace_back(entry.first);
    }
  }

  // The first unknown token makes a class for it where the vocabulary has none.
  std::uint32_t id(std::string_view token) {
    if (const auto it = ids_.find(token); it != ids_.end()) return it->second;
    if (const auto it = ids_.find(kUnknown); it != ids_.end()) return it->second;
    const auto unknown = static_cast<std::uint32_t>(types_.size());
    ids_.emplace(kUnknown, unknown);
    types_.emplace_back(kUnknown);
    return unknown;
  }
  [[nodiscard]] std::vector<std::string> take_types() { return std::move(types_); }

 private:
  std::unordered_map<std::string_view, std::uint32_t> ids_;  // into the text
  std::vector<std::string> types_;
};

struct PartName {
  std::string_view file;
  std::string_view part;  // "training" or "test"
};

Examples windows(std::span<const std::uint32_t> ids, std::uint32_t context, const PartName& name) {
  if (ids.size() <= context) {
    throw ConfigError(fmt::format(
        "{}: the {} part has {} tokens, but a window of context={} needs {}; take a smaller "
        "context, a longer text or another held_out",
        name.file, name.part, ids.size(), context, std::uint64_t{context} + 1));
  }
  const std::size_t rows = (ids.size() - 1) / context;
  Examples out;
  DenseRows dense;
  dense.features = context;
  dense.values.resize(rows * context);
  std::transform(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(rows * context),
                 dense.values.begin(), [](std::uint32_t id) { return static_cast<float>(id); });
  out.classes.reserve(rows);
  for (std::size_t i = 1; i <= rows; ++i) out.classes.push_back(ids[i * context]);
  out.rows = std::move(dense);
  return out;
}

}  // namespace

TextData parse_text(const TextSource& train, const std::optional<TextSource>& test,
                    const TextOptions& options) {
  LACONIC_EXPECTS(options.context >= 1 && options.context <= kMaxContext);
  LACONIC_EXPECTS(options.held_out >= 0 && options.held_out <= kMaxHeldOut);
  const std::string train_text = plain_text(train, options.max_content_bytes);
  const std::string test_text = test ? plain_text(*test, options.max_content_bytes) : std::string();
  TextData out;
  Tokenizer tokenizer(train_text, train.name);
  Tokens tokens = tokenizer.tokens(options.level);
  out.train_lines = tokenizer.lines();
  std::size_t train_count = tokens.size();
  if (test) {
    Tokenizer test_tokenizer(test_text, test->name);
    const Tokens more = test_tokenizer.tokens(options.level);
    out.test_lines = test_tokenizer.lines();
    tokens.insert(tokens.end(), more.begin(), more.end());
  } else {
    train_count -=
        static_cast<std::size_t>(std::floor(options.held_out * static_cast<double>(tokens.size())));
  }
  const auto all_tokens = std::span<const std::string_view>(tokens);
  Vocabulary vocabulary(all_tokens.first(train_count), options.vocabulary);
  std::vector<std::uint32_t> ids(tokens.size());
  std::transform(tokens.begin(), tokens.end(), ids.begin(),
                 [&](std::string_view token) { return vocabulary.id(token); });
  out.types = vocabulary.take_types();
  const auto all = std::span<const std::uint32_t>(ids);
  out.train = windows(all.first(train_count), options.context, {train.name, "training"});
  if (test || options.held_out > 0) {
    out.test = windows(all.subspan(train_count), options.context,
                       {test ? test->name : train.name, "test"});
  }
  if (out.types.size() < 2 || out.types.size() > kMaxVocabulary) {
    throw ConfigError(fmt::format(
        "{}: {} types of tokens are not in [2, {}]; there is nothing to predict, or vocabulary=N "
        "is needed",
        train.name, out.types.size(), kMaxVocabulary));
  }
  return out;
}

TextData read_text(const TextPaths& paths, const TextOptions& options) {
  const std::vector<std::byte> train = read_file(paths.train, options.max_content_bytes);
  const std::string train_name = paths.train.string();
  if (paths.test.empty())
    return parse_text({.bytes = train, .name = train_name}, std::nullopt, options);
  const std::vector<std::byte> test = read_file(paths.test, options.max_content_bytes);
  const std::string test_name = paths.test.string();
  return parse_text({.bytes = train, .name = train_name},
                    TextSource{.bytes = test, .name = test_name}, options);
}

}  // namespace laconic::data
