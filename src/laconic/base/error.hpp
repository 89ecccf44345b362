// SPDX-License-Identifier: Apache-2.0
// The ways in which laconic fails, one type each. The library never prints and never exits: it
// throws one of these, or returns a Status or Result where the caller must decide. Every message
// names the place, the value, the limit and the remedy.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace laconic {

class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A configuration, spec or data file that cannot be used. One problem per line. CLI exit code 2.
class ConfigError : public Error {
 public:
  using Error::Error;
};

// A broken transport, a dead peer, or ranks that disagree about which call comes next. The
// communicator that threw it is finished: every later call throws again.
class CommError : public Error {
 public:
  using Error::Error;
};

// A gradient that is NaN or infinite. Every rank throws the same one.
class DivergedError : public Error {
 public:
  struct Place {
    std::uint32_t worker = 0;
    std::string tensor = {};
    std::uint32_t round = 0;
    std::uint64_t index = 0;  // within the tensor
  };
  explicit DivergedError(Place place);
  [[nodiscard]] const Place& place() const { return place_; }

 protected:
  // For errors that know more about the place than Place can say.
  DivergedError(Place place, const std::string& text) : Error(text), place_(std::move(place)) {}

 private:
  Place place_;
};

// What is wrong with bytes that came from a channel.
enum class Fault : std::uint8_t {
  kNone = 0,
  kTruncated,        // the bytes end before the value does
  kTrailingBytes,    // bytes are left over after the last value
  kBadMagic,         // not a laconic frame
  kBadVersion,       // a frame of another format version
  kBadKind,          // a payload kind that is unknown or not the one expected
  kBadMode,          // a mode that the payload kind does not know
  kBadDimension,     // number of coordinates or shard offset differs from the receiver's
  kNonZeroPadding,   // bits behind the last coordinate are set
  kBadIndex,         // coordinate index out of range, or indices not increasing
  kBadValue,         // a code outside its range, or a sign bit outside the mask
  kNonFinite,        // NaN or infinity where a finite number must stand
  kNegativeScale,    // a scale below zero
  kWrongRound,       // a frame of another round
  kWrongPhase,       // a frame of another phase of the round
  kBadSender,        // a sender that does not exist
  kDuplicateSender,  // a second frame of the same sender for the same shard
};
[[nodiscard]] std::string_view fault_name(Fault fault);

// Outcome of decoding. Cheap to pass around: the text is only built when it is asked for.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Fault fault, std::uint64_t position, std::uint64_t value = 0, std::uint64_t expected = 0)
      : fault_(fault), position_(position), value_(value), expected_(expected) {}
  explicit operator bool() const { return fault_ == Fault::kNone; }
  [[nodiscard]] Fault fault() const { return fault_; }
  [[nodiscard]] std::uint64_t position() const { return position_; }  // in bytes
  // "byte 12: bad dimension: 7, expected 9".
  [[nodiscard]] std::string message() const;
  bool operator==(const Status&) const = default;

 private:
  Fault fault_ = Fault::kNone;
  std::uint64_t position_ = 0;
  std::uint64_t value_ = 0;
  std::uint64_t expected_ = 0;
};

// The text of a failure, to be returned where a Result is expected.
struct Failure {
  std::string message;
};

// A value, or the reason why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}            // NOLINT(google-explicit-constructor)
  Result(Failure failure) : state_(std::move(failure)) {}  // NOLINT(google-explicit-constructor)
  explicit operator bool() const { return std::holds_alternative<T>(state_); }
  // Precondition of the next two: *this is true.
  [[nodiscard]] const T& operator*() const& { return std::get<T>(state_); }
  [[nodiscard]] T& operator*() & { return std::get<T>(state_); }
  [[nodiscard]] T&& operator*() && { return std::get<T>(std::move(state_)); }
  [[nodiscard]] const T* operator->() const { return &std::get<T>(state_); }
  // Precondition: *this is false.
  [[nodiscard]] const std::string& error() const { return std::get<Failure>(state_).message; }
  // The value, or ConfigError with the failure's text.
  [[nodiscard]] T value_or_throw() && {
    if (!*this) throw ConfigError(error());
    return std::get<T>(std::move(state_));
  }

 private:
  std::variant<T, Failure> state_;
};

}  // namespace laconic
