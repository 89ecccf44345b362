// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/error.hpp"

#include <fmt/format.h>

namespace laconic {

DivergedError::DivergedError(Place place)
    : Error(
          fmt::format("round {}: worker {}: the gradient of tensor '{}' is not finite at index {}; "
                      "lower the step size, or check the data for extreme values",
                      place.round, place.worker, place.tensor, place.index)),
      place_(std::move(place)) {}

std::string_view fault_name(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "no fault";
    case Fault::kTruncated:
      return "truncated";
    case Fault::kTrailingBytes:
      return "trailing bytes";
    case Fault::kBadMagic:
      return "bad magic number";
    case Fault::kBadVersion:
      return "unsupported format version";
    case Fault::kBadKind:
      return "unexpected payload kind";
    case Fault::kBadMode:
      return "unknown mode";
    case Fault::kBadDimension:
      return "wrong dimension";
    case Fault::kNonZeroPadding:
      return "padding bits are set";
    case Fault::kBadIndex:
      return "bad coordinate index";
    case Fault::kBadValue:
      return "bad value";
    case Fault::kNonFinite:
      return "non-finite number";
    case Fault::kNegativeScale:
      return "negative scale";
    case Fault::kWrongRound:
      return "wrong round";
    case Fault::kWrongPhase:
      return "wrong phase";
    case Fault::kBadSender:
      return "unknown sender";
    case Fault::kDuplicateSender:
      return "duplicate sender";
  }
  return "unknown fault";
}

std::string Status::message() const {
  if (fault_ == Fault::kNone) return "ok";
  if (value_ == 0 && expected_ == 0)
    return fmt::format("byte {}: {}", position_, fault_name(fault_));
  return fmt::format("byte {}: {}: {}, expected {}", position_, fault_name(fault_), value_,
                     expected_);
}

}  // namespace laconic
