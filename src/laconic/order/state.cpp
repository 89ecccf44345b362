// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "laconic/base/error.hpp"
#include "laconic/base/spec.hpp"

namespace laconic::order {
namespace {

constexpr std::uint32_t kStateMagic = 0x314f4e4c;  // the bytes "LNO1"

[[noreturn]] void refuse(std::string_view what, const std::string& saved, const std::string& here) {
  throw ConfigError(
      fmt::format("order state: it was saved for {} {}, but this order has {} {}; load it into the "
                  "experiment that saved it",
                  what, saved, what, here));
}

template <class T>
void expect_equal(wire::WireReader& in, std::string_view what, T saved, T here) {
  if (in.ok() && saved != here) refuse(what, fmt::format("{}", saved), fmt::format("{}", here));
}

void expect_ok(const wire::WireReader& in) {
  if (in.ok()) return;
  throw ConfigError(
      fmt::format("order state: {}; it is damaged, start from another one", in.status().message()));
}

}  // namespace

void save_facts(const StateFacts& facts, wire::WireWriter& out) {
  out.u32(kStateMagic);
  out.u32(static_cast<std::uint32_t>(facts.spec.size()));
  out.bytes(std::as_bytes(std::span(facts.spec)));
  out.u32(static_cast<std::uint32_t>(facts.units.size()));
  for (const std::uint32_t units : facts.units) out.u32(units);
  out.u64(facts.dim);
  out.u64(facts.seed);
  out.u32(facts.first);
  out.u32(facts.ranks);
}

void expect_facts(const StateFacts& facts, wire::WireReader& in) {
  const std::uint32_t magic = in.u32();
  if (in.ok() && magic != kStateMagic) in.fail_at(0, Fault::kBadMagic, magic, kStateMagic);
  const std::uint32_t spec_bytes = in.u32();
  if (spec_bytes > kMaxSpecLength) in.fail_at(4, Fault::kBadValue, spec_bytes, kMaxSpecLength);
  const wire::Bytes text = in.bytes(spec_bytes);
  expect_ok(in);
  std::string spec;
  for (const std::byte byte : text) {
    const auto c = std::to_integer<unsigned char>(byte);
    spec.push_back(c >= 0x20 && c < 0x7f ? static_cast<char>(c) : '?');
  }
  if (spec != facts.spec) refuse("order", spec, facts.spec);
  const auto here = static_cast<std::uint32_t>(facts.units.size());
  expect_equal(in, "m =", in.u32(), here);
  expect_ok(in);
  for (std::uint32_t w = 0; w < here; ++w) {
    expect_equal(in, fmt::format("worker {} with n =", w), in.u32(), facts.units[w]);
  }
  expect_equal(in, "d =", in.u64(), facts.dim);
  expect_equal(in, "seed", in.u64(), facts.seed);
  const std::string_view place = facts.ranks == 0 ? "worker" : "rank";
  expect_equal(in, place, in.u32(), facts.first);
  expect_equal(in, "ranks =", in.u32(), facts.ranks);
  expect_ok(in);
}

void expect_end(wire::WireReader& in) {
  if (!in.finish()) expect_ok(in);
}

void save_order(wire::WireWriter& out, std::span<const std::uint32_t> order) {
  for (const std::uint32_t unit : order) out.u32(unit);
}

void load_order(wire::WireReader& in, std::span<std::uint32_t> order) {
  const std::size_t start = in.position();
  if (order.size() * sizeof(std::uint32_t) > in.remaining()) in.fail(Fault::kTruncated);
  if (!in.ok()) return;
  std::vector<std::uint8_t> seen(order.size());
  for (std::size_t j = 0; j < order.size(); ++j) {
    order[j] = in.u32();
    if (order[j] >= order.size() || seen[order[j]] != 0) {
      in.fail_at(start + 4 * j, Fault::kBadIndex, order[j], order.size());
      return;
    }
    seen[order[j]] = 1;
  }
}

}  // namespace laconic::order
