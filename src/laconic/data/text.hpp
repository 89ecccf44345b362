// SPDX-License-Identifier: Apache-2.0
// Reader of plain text for language models: UTF-8, plain or gzip (told apart by content).
//
// Tokens are characters (Unicode code points), or words parted by spaces, tabs and carriage
// returns, where the end of every line is a token `<eos>` of its own. The vocabulary comes from the
// training part alone: its types, numbered by decreasing frequency and of equal ones in the order
// of their bytes. Every other token becomes `<unk>`: the type of that name if it is in the
// vocabulary, else a last class, which exists only if some token needs it.
//
// Row i of a part are its tokens i * context to (i + 1) * context - 1, the class is the token after
// them: windows share no token, and tokens at the end that fill no window with its next token are
// left out. Strict: a ConfigError "FILE: line N: ..." for bytes that are no text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/data/dataset.hpp"

namespace laconic::data {

enum class TextLevel : std::uint8_t { kChar, kWord };

struct TextOptions {
  TextLevel level = TextLevel::kChar;
  std::uint32_t context = 64;    // tokens of a row
  std::uint32_t vocabulary = 0;  // the most frequent types kept; 0: all
  double held_out = 0.1;         // of a text without test file: its last share is the test part
  std::uint64_t max_content_bytes = std::uint64_t{4} << 30;  // after decompression, of each file
};

inline constexpr double kMaxHeldOut = 0.9;
inline constexpr std::uint32_t kMaxVocabulary = std::uint32_t{1} << 24;  // exact as float
inline constexpr std::uint32_t kMaxContext = std::uint32_t{1} << 20;

struct TextSource {
  std::span<const std::byte> bytes = {};
  std::string_view name = {};  // in messages
};

struct TextData {
  Examples train = {};  // dense token ids; classes
  Examples test = {};
  std::vector<std::string> types = {};  // the token of each id
  std::uint64_t train_lines = 0;        // of the training file, a last one without end included
  std::uint64_t test_lines = 0;         // of the test file
};

// ConfigError if a text is malformed, or a part that should have rows is too short for one.
// Precondition: the options are in range.
[[nodiscard]] TextData parse_text(const TextSource& train, const std::optional<TextSource>& test,
                                  const TextOptions& options = {});

struct TextPaths {
  std::filesystem::path train = {};
  std::filesystem::path test = {};  // empty: none
};
[[nodiscard]] TextData read_text(const TextPaths& paths, const TextOptions& options = {});

}  // namespace laconic::data
