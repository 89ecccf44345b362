// SPDX-License-Identifier: Apache-2.0
// The card of a method: everything about it that is not code. Listing, help, validation, canonical
// specs, contract tests and documentation are made from cards, so a method is described in one
// place.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/spec.hpp"

namespace laconic {

enum class ParamType : std::uint8_t {
  kInteger,
  kIntegers,  // one or more whole numbers joined by '/', each in the range
  kReal,
  kChoice,
  kFlag,
  kText,
  kSpec
};

struct ParamCard {
  std::string_view key;
  ParamType type = ParamType::kReal;
  std::string_view default_text = {};  // empty: the parameter must be given
  std::string_view help = {};
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  bool min_open = false;  // the limit itself is not allowed
  bool max_open = false;
  std::vector<std::string_view> choices = {};  // of kChoice
  std::string_view spec_kind = {};             // of kSpec: which kind of method is expected
};

struct Card {
  std::string_view kind;  // "compressor", "aggregator", "optimizer", ...
  std::string_view name;
  std::string_view summary;  // one line
  // What the method computes, in lines of plain text, in the symbols that the page of its kind
  // explains.
  std::string_view formula = {};
  std::string_view paper = {};
  std::vector<ParamCard> params = {};
  std::string_view inner_kind =
      {};  // the kind of method behind the colon; empty: none may stand there
  std::string_view default_inner = {};  // spec used when none is given; empty: it must be given
  std::string_view promises = {};       // what the contract suite measures, in words
};

// All cards of a program, by kind. Holds pointers: cards live as long as the program.
class Catalog {
 public:
  void add(const Card& card);
  [[nodiscard]] const Card* find(std::string_view kind, std::string_view name) const;
  [[nodiscard]] std::vector<const Card*> of_kind(
      std::string_view kind) const;  // in order of registration
  [[nodiscard]] std::vector<std::string_view> kinds() const;
  // Every problem of a spec that should name a method of `kind`, one line each; none if it is
  // valid.
  [[nodiscard]] std::vector<std::string> problems(const Spec& spec, std::string_view kind) const;
  // Defaults filled in, keys in the order of the alphabet, numbers in their shortest form: two
  // specs that mean the same give the same text. Precondition: problems(spec, kind) is empty.
  [[nodiscard]] Spec canonical(const Spec& spec, std::string_view kind) const;

 private:
  std::vector<const Card*> cards_;
};

// The shortest decimal text that reads back as exactly this number.
[[nodiscard]] std::string shortest(double value);
// Strict: the whole text is one finite number (kInteger: without point or exponent).
[[nodiscard]] Result<double> parse_real(std::string_view text);
[[nodiscard]] Result<std::int64_t> parse_integer(std::string_view text);
// "128/64".
[[nodiscard]] Result<std::vector<std::int64_t>> parse_integers(std::string_view text);
// "a, b or c".
[[nodiscard]] std::string join_or(const std::vector<std::string_view>& names);

}  // namespace laconic
