// SPDX-License-Identifier: Apache-2.0
// Specs: what is parsed prints as what was parsed, a canonical spec is its own canonical form, and
// whatever no card objects to can be made.
#include <array>
#include <string>

#include "fuzz/fuzz.hpp"
#include "laconic/aggregate/aggregator.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/optim/optimizer.hpp"
#include "laconic/order/order_policy.hpp"

namespace laconic {
namespace {

using fuzz::require;

// Precondition: canonical is a canonical spec of this kind.
void make(const Spec& canonical, std::string_view kind) {
  static const Layout layout(
      {{.name = "w", .shape = {3, 5}}, {.name = "b", .shape = {5, 1}, .role = Role::kBias}});
  constexpr std::uint32_t kWorkers = 3;
  if (kind == "compressor") {
    const auto compressor = compressors<float>().make(canonical, {});
    const std::array<float, 5> x = {1, -2, 0, 3, -4};
    wire::Message message;
    compressor->encode({.values = x, .shape = {5, 1}}, {}, message);
    require(message.bytes.size() <= compressor->max_bytes({5, 1}), "a body is at most max_bytes");
    std::array<float, 5> y = {};
    wire::WireReader reader(message.bytes);
    require(
        static_cast<bool>(compressor->decode_add(reader, {}, 1, {.values = y, .shape = {5, 1}})),
        "a compressor decodes its own message");
  } else if (kind == "aggregator" && aggregator_problems(canonical, kWorkers).empty()) {
    (void)aggregators<float>().make(
        canonical, {.layout = &layout, .workers = kWorkers, .mine = {0, kWorkers}, .seed = 1});
  } else if (kind == "optimizer" && optimizer_problems(canonical).empty()) {
    (void)optimizers<float>().make(canonical, {.layout = &layout});
  } else if (kind == "schedule" && schedule_problems(canonical).empty()) {
    const auto schedule = schedules().make(canonical, {});
    require(schedule->factor(0, 10) >= 0, "a factor is not negative");
  } else if (kind == "order") {
    const auto order = orders().make(canonical, {.units = 5, .seed = 1});
    require(order->epoch(0).size() == 5, "an epoch visits every unit");
  }
}

void check(std::string_view text) {
  const Result<Spec> parsed = parse_spec(text);
  if (!parsed) {
    require(!parsed.error().empty(), "a refusal has a reason");
    return;
  }
  const std::string printed = print(*parsed);
  const Result<Spec> again = parse_spec(printed);
  require(again && *again == *parsed, "parse(print(s)) == s");

  const Catalog& cards = experiment::all_cards();
  for (const std::string_view kind : cards.kinds()) {
    if (!cards.problems(*parsed, kind).empty()) continue;
    const Spec canonical = cards.canonical(*parsed, kind);
    require(cards.problems(canonical, kind).empty(), "a canonical spec is valid");
    require(cards.canonical(canonical, kind) == canonical,
            "canonical form is its own canonical form");
    const Result<Spec> reread = parse_spec(print(canonical));
    require(reread && *reread == canonical, "a canonical spec can be printed and read");
    make(canonical, kind);
  }
}

}  // namespace
}  // namespace laconic

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  laconic::check(laconic::fuzz::text_of(data, size));
  return 0;
}
