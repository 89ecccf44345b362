// SPDX-License-Identifier: Apache-2.0
// Text for people: errors, numbers with units, columns.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace laconic::cli {

// Every line of `text` to standard error, as "laconic: LINE".
void print_errors(std::string_view text);
// To standard output, flushed.
void print_out(std::string_view text);

[[nodiscard]] std::string bits_text(double bits);        // "252 Mbit"
[[nodiscard]] std::string bytes_text(double bytes);      // "9.91 MB"
[[nodiscard]] std::string seconds_text(double seconds);  // "12.3 s", "3 min 20 s"
[[nodiscard]] std::string factor_text(double factor);    // "32x", "1.6x"
// Three significant digits, without an exponent where that is short.
[[nodiscard]] std::string short_number(double value);

// Columns that a UTF-8 text takes, one per code point.
[[nodiscard]] std::size_t columns(std::string_view text);
// Exactly `width` columns: cut (ending in '~') or filled with spaces.
[[nodiscard]] std::string left(std::string_view text, std::size_t width);
[[nodiscard]] std::string right(std::string_view text, std::size_t width);
// Words on lines of at most `width` columns, each behind `indent` spaces.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);

}  // namespace laconic::cli
