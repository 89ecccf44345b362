// SPDX-License-Identifier: Apache-2.0
#include "cli/output.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>

namespace laconic::cli {
namespace {

bool continues_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0U) == 0x80U; }

// The longest beginning of the text that takes at most `width` columns.
std::string_view first_columns(std::string_view text, std::size_t width) {
  std::size_t taken = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (continues_code_point(text[i])) continue;
    if (taken == width) return text.substr(0, i);
    ++taken;
  }
  return text;
}

std::string fitted(std::string_view text, std::size_t width) {
  if (columns(text) <= width) return std::string(text);
  return std::string(first_columns(text, width - 1)) + '~';
}

std::string with_prefix(double value, std::string_view unit) {
  constexpr std::array<std::string_view, 6> kPrefixes = {"", "k", "M", "G", "T", "P"};
  std::size_t prefix = 0;
  while (value >= 999.5 && prefix + 1 < kPrefixes.size()) {
    value /= 1000;
    ++prefix;
  }
  return fmt::format("{} {}{}", short_number(value), kPrefixes[prefix], unit);
}

}  // namespace

void print_errors(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    fmt::print(stderr, "laconic: {}\n", text.substr(0, end));
    if (end == std::string_view::npos) return;
    text.remove_prefix(end + 1);
  }
}

void print_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string short_number(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::fabs(value);
  if (size == 0) return "0";
  if (size >= 1e6 || size < 1e-3) return fmt::format("{:.2e}", value);
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  if (size >= 0.9995) return fmt::format("{:.2f}", value);
  return fmt::format("{:#.3g}", value);
}

std::string bits_text(double bits) { return with_prefix(bits, "bit"); }
std::string bytes_text(double bytes) { return with_prefix(bytes, "B"); }

std::string seconds_text(double seconds) {
  if (seconds >= 3600) return fmt::format("{} h", short_number(seconds / 3600));
  if (seconds >= 99.5) {
    const double whole = std::round(seconds);
    return fmt::format("{:.0f} min {:02.0f} s", std::floor(whole / 60), std::fmod(whole, 60));
  }
  if (seconds >= 1) return fmt::format("{} s", short_number(seconds));
  if (seconds >= 1e-3 || seconds == 0) return fmt::format("{} ms", short_number(seconds * 1e3));
  return fmt::format("{} us", short_number(seconds * 1e6));
}

std::string factor_text(double factor) {
  const double rounded = std::round(factor);
  if (factor >= 9.95 || std::fabs(factor - rounded) < 0.005) return fmt::format("{:.0f}x", factor);
  return short_number(factor) + "x";
}

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += continues_code_point(c) ? 0 : 1;
  return count;
}

std::string left(std::string_view text, std::size_t width) {
  std::string out = fitted(text, width);
  return out.append(width - columns(out), ' ');
}

std::string right(std::string_view text, std::size_t width) {
  const std::string out = fitted(text, width);
  return std::string(width - columns(out), ' ') + out;
}

std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t taken = 0;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    if (!word.empty()) {
      if (taken > 0 && taken + 1 + columns(word) > width) {
        out += '\n';
        taken = 0;
      }
      if (taken == 0) {
        out.append(indent, ' ');
        taken = indent;
      } else {
        out += ' ';
        ++taken;
      }
      out += word;
      taken += columns(word);
    }
    if (space == std::string_view::npos) break;
    text.remove_prefix(space + 1);
  }
  return out + '\n';
}

}  // namespace laconic::cli
