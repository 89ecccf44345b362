// SPDX-License-Identifier: Apache-2.0
// Saved states of example orders, and the messages that orders exchange. The first byte of an input
// chooses the order, the second what the rest is. States of the corpus were saved in the middle of
// epoch 1 by orders of the setup below.
#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "laconic/base/card.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/order/example_orders.hpp"
#include "laconic/order/order_messages.hpp"

namespace laconic::fuzz {
namespace {

constexpr std::array kSpecs = {"grab",
                               "pair-grab",
                               "cd-grab",
                               "cd-grab:exchange=sharded",
                               "herding",
                               "greedy",
                               "reshuffle",
                               "cd-grab:sketch=2",
                               "pair-grab:rule=walk",
                               "cd-grab:exchange=replicated,lone=sign"};
const std::vector<std::uint32_t> kUnits = {5, 4, 0, 6};
constexpr std::size_t kDim = 3;

std::unique_ptr<ExampleOrders<float>> make(const std::string& text) {
  static const Catalog catalog = [] {
    Catalog c;
    add_order_cards(c);
    return c;
  }();
  const Spec spec = catalog.canonical(parse_spec(text).value_or_throw(), "order");
  return make_example_orders<float>(spec, {.units = kUnits, .dim = kDim, .seed = 1});
}

std::vector<std::byte> saved(const ExampleOrders<float>& orders) {
  std::vector<std::byte> out;
  orders.save(out);
  return out;
}

bool is_permutation(std::span<const std::uint32_t> order, std::uint32_t units) {
  std::vector<std::uint32_t> sorted(order.begin(), order.end());
  std::ranges::sort(sorted);
  for (std::uint32_t j = 0; j < sorted.size(); ++j) {
    if (sorted[j] != j) return false;
  }
  return sorted.size() == units;
}

// Gives what is missing and ends the epoch, if one is under way. Nothing but numbers that grow out
// of range may stop that.
void finish_epoch(ExampleOrders<float>& orders) {
  try {
    static_cast<void>(orders.order(0));
  } catch (const std::logic_error&) {
    return;  // between epochs
  }
  const auto comm = make_self_communicator();
  try {
    for (std::uint32_t w = 0; w < kUnits.size(); ++w) {
      require(is_permutation(orders.order(w), kUnits[w]), "an order is a permutation");
      for (std::uint32_t j = 0; j < kUnits[w] && orders.observes(); ++j) {
        const std::vector<float> g = {1, static_cast<float>(j), -static_cast<float>(w)};
        try {
          orders.observe(w, j, UnitGradient<float>::dense(g));
        } catch (const std::logic_error&) {  // it was there before
        }
      }
    }
    orders.exchange({}, *comm);
    orders.end_epoch({.round = 1}, *comm);
  } catch (const UnitDivergedError&) {
  }
}

void check_state(const std::string& spec, std::span<const std::byte> state) {
  const auto orders = make(spec);
  const std::vector<std::byte> before = saved(*orders);
  try {
    orders->load(state);
  } catch (const ConfigError&) {
    require(saved(*orders) == before, "a refused state changes nothing");
    return;
  }
  require(std::ranges::equal(saved(*orders), state), "a state that is taken is saved again");
  finish_epoch(*orders);
}

void check_messages(std::span<const std::byte> bytes) {
  constexpr order::Slice kSlice{.begin = 4, .size = 5};
  for (const auto kind : {wire::Kind::kOrderUnit, wire::Kind::kOrderPair}) {
    wire::Bytes rest = bytes;
    while (!rest.empty()) {
      const std::size_t left = rest.size();
      order::Received received;
      bool diverged = false;
      const order::Awaited awaited{.kind = kind,
                                   .format = 0,
                                   .epoch = 1,
                                   .first_worker = 1,
                                   .end_worker = 3,
                                   .slice = kSlice};
      if (!order::take_message(rest, awaited, received, diverged)) {
        require(rest.size() == left, "a refused message stays where it is");
        break;
      }
      require(rest.size() < left, "a message has bytes");
      require(received.item.worker >= 1 && received.item.worker < 3, "the sender is hosted there");
      if (diverged) continue;
      order::Row<float> row;
      if (!order::read_gradient(received, kSlice, row)) continue;
      require(row.values.size() == (row.is_sparse ? row.indices.size() : kSlice.size),
              "a gradient has its numbers");
      require(order::is_finite(row.view()), "numbers are finite");
      require(std::ranges::all_of(row.indices, [](std::uint32_t i) { return i >= 4 && i < 9; }),
              "indices lie in the slice");
    }
  }
  wire::Bytes rest = bytes;
  std::array<std::uint64_t, 1> signs = {};
  if (order::take_signs(rest, {.epoch = 1, .worker = 2}, 11, signs)) {
    require(signs[0] >> 11 == 0, "no sign behind the last pair");
  }
  rest = bytes;
  std::array<double, 3> sums = {};
  (void)order::take_sums(rest, {.epoch = 1, .worker = 2, .index = 4}, sums);
}

}  // namespace
}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::span<const std::byte> rest = laconic::fuzz::bytes_of(data + 2, size - 2);
  if (data[1] % 2 == 0) {
    laconic::fuzz::check_state(laconic::fuzz::kSpecs[data[0] % laconic::fuzz::kSpecs.size()], rest);
  } else {
    laconic::fuzz::check_messages(rest);
  }
  return 0;
}
