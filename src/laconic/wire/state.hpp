// SPDX-License-Identifier: Apache-2.0
// What an object remembers, listed once for saving and for loading:
//
//   void state(wire::StateArchive& archive) override {
//     archive.number("started", started_);
//     archive.rows("momentum", momentum_);
//   }
//
// A field is its name, its kind of numbers, how many there are, and the numbers
// (docs/synchronizer.md). Saved bytes are hostile: a field that has another name, kind or length
// than the object that reads it, or a number that is not finite, throws ConfigError that names
// both. What was read before such a field was changed already, so an object whose loading failed
// must not be used.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/tensor/workspace.hpp"
#include "laconic/wire/wire.hpp"

namespace laconic::wire {

class StateArchive {
 public:
  // Saves: appends to `out`, which outlives the archive.
  explicit StateArchive(std::vector<std::byte>& out) : out_(&out) {}
  // Loads from bytes that outlive the archive.
  explicit StateArchive(Bytes in) : in_(in) {}
  StateArchive(const StateArchive&) = delete;
  StateArchive& operator=(const StateArchive&) = delete;
  [[nodiscard]] bool loads() const { return out_ == nullptr; }

  void number(std::string_view name, bool& value);
  void number(std::string_view name, std::uint64_t& value);
  void number(std::string_view name, std::int64_t& value);  // not negative
  void number(std::string_view name, double& value);
  // As many numbers as there are here.
  void numbers(std::string_view name, std::span<float> values);
  void numbers(std::string_view name, std::span<double> values);
  // Of which there may be more or fewer from time to time, up to `most`.
  void growing(std::string_view name, std::vector<double>& values, std::size_t most);
  // Likewise, increasing and below `end`.
  void indices(std::string_view name, std::vector<std::uint32_t>& values, std::size_t end);
  // As many vectors as there are here, each as long as it is here.
  template <class Rows>
  void rows(std::string_view name, Rows& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) numbers(numbered(name, i), rows[i]);
  }
  // A text for the caller to compare; what is not printable ASCII is read as '?'.
  void text(std::string_view name, std::string& value);
  // A text that must be here as it was saved.
  void fact(std::string_view name, std::string_view value);

  // After the last field of a load: ConfigError if bytes are left over.
  void finish();

  [[nodiscard]] static std::string numbered(std::string_view name, std::size_t index);

 private:
  enum class Kind : std::uint8_t { kFlag = 1, kCount, kIndex, kFloat, kDouble, kText };
  struct Field {
    std::string_view name = {};
    Kind kind = Kind::kFlag;
    std::uint64_t count = 0;  // here
    std::uint64_t least = 0;  // that a saved one may have
    std::uint64_t most = 0;
  };
  // Writes the head of a field, or reads it and compares. Returns how many numbers follow; the
  // bytes of so many are there.
  std::uint64_t head(const Field& field);
  void read_name(std::string_view name);
  template <class T>
  void plain(std::string_view name, Kind kind, std::span<T> values);
  template <class T>
  void take(std::string_view name, std::span<T> values);
  [[noreturn]] void damaged(std::string_view name) const;
  static std::size_t bytes_of(Kind kind);
  static std::string_view text_of(Kind kind);

  std::vector<std::byte>* out_ = nullptr;
  WireReader in_{Bytes{}};
};

}  // namespace laconic::wire
