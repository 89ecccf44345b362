// SPDX-License-Identifier: Apache-2.0
#include "laconic/sync/agreement.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "laconic/base/error.hpp"

namespace laconic {
namespace {

void put(const std::string& text, std::vector<std::byte>& out) {
  for (const char c : text) out.push_back(static_cast<std::byte>(c));
  out.push_back(std::byte{0});
}

// Texts that end with a zero each.
std::vector<std::string> texts_of(std::span<const std::byte> bytes) {
  std::vector<std::string> out;
  std::string text;
  for (const std::byte b : bytes) {
    if (b == std::byte{0}) {
      out.push_back(std::move(text));
      text.clear();
    } else {
      text += static_cast<char>(b);
    }
  }
  return out;
}

}  // namespace

void agree(std::span<const Item> items, std::string_view remedy, Tag tag, Communicator& comm) {
  std::vector<std::byte> bytes;
  for (const Item& item : items) {
    put(item.what, bytes);
    put(item.value, bytes);
  }
  Gathered gathered;
  comm.all_gather(tag, bytes, gathered);
  const std::vector<std::string> first = texts_of(gathered.part(0));
  for (std::uint32_t rank = 1; rank < comm.size(); ++rank) {
    const std::vector<std::string> other = texts_of(gathered.part(rank));
    for (std::size_t i = 0; i + 1 < std::min(first.size(), other.size()); i += 2) {
      if (first[i] == other[i] && first[i + 1] == other[i + 1]) continue;
      throw ConfigError(fmt::format("synchronizer: rank {} has {} {}, rank 0 has {} {}; {}", rank,
                                    other[i], other[i + 1], first[i], first[i + 1], remedy));
    }
  }
}

void agree_on_success(const std::string& failure, Tag tag, Communicator& comm) {
  Gathered gathered;
  comm.all_gather(tag, std::as_bytes(std::span(failure)), gathered);
  for (std::uint32_t rank = 0; rank < comm.size(); ++rank) {
    std::string text;
    for (const std::byte b : gathered.part(rank)) text += static_cast<char>(b);
    if (!text.empty()) throw ConfigError(fmt::format("rank {}: {}", rank, text));
  }
}

}  // namespace laconic
