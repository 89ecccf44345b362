// SPDX-License-Identifier: Apache-2.0
// Saved states of aggregators and optimizers. The first byte of an input chooses the method, the
// rest is the state. States of the corpus were saved after three rounds of the setup below.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "fuzz/fuzz.hpp"
#include "laconic/aggregate/aggregator.hpp"
#include "laconic/comm/transports.hpp"

namespace laconic::fuzz {
namespace {

constexpr std::array kAggregators = {"vote:beta=0.9",
                                     "ef:sign",
                                     "mirror:ef21:topk:k=0.3",
                                     "mirror:lag-wk:memory=2",
                                     "mirror:down=(ef21:topk:k=0.3):ef21+:topk:k=0.3",
                                     "lowrank:rank=1",
                                     "air:power=1e6,memory=ef21",
                                     "laser:power=1e5,channel=(awgn:side_info=stale)",
                                     "quantized:vaninf"};
constexpr std::array kOptimizers = {
    "momentum", "signum:beta=0.9,warmup=true", "adam", "truncated", "adagrad-cmd", "adagrad-rda"};
constexpr std::uint32_t kWorkers = 3;

const Layout& layout() {
  static const Layout out({{.name = "w", .shape = {4, 5}}, {.name = "b", .shape = {3, 1}}});
  return out;
}

std::unique_ptr<Optimizer<float>> make_optimizer(const std::string& text, const Layout& of) {
  static const Catalog catalog = [] {
    Catalog out;
    add_optimizer_cards(out);
    return out;
  }();
  const Spec spec = catalog.canonical(parse_spec(text).value_or_throw(), "optimizer");
  return optimizers<float>().make(spec, {.layout = &of});
}

std::unique_ptr<Aggregator<float>> make_aggregator(const std::string& text) {
  auto out = aggregators<float>().make(
      canonical_aggregator(text),
      {.layout = &layout(), .workers = kWorkers, .mine = {0, kWorkers}, .seed = 1});
  if (out->sends_model()) {
    out->start(std::vector<float>(layout().size()),
               [](const Layout& of) { return make_optimizer("adagrad-cmd", of); });
  }
  return out;
}

template <class Method>
std::vector<std::byte> saved(Method& method) {
  std::vector<std::byte> out;
  wire::StateArchive archive(out);
  method.state(archive);
  return out;
}

// Whether the method has taken the state.
template <class Method>
bool takes(Method& method, std::span<const std::byte> state) {
  try {
    wire::StateArchive archive(state);
    method.state(archive);
    archive.finish();
  } catch (const ConfigError&) {
    return false;
  }
  require(std::ranges::equal(saved(method), state), "a state that is taken is saved again");
  return true;
}

// Nothing but numbers that grow out of range may stop a round.
void make_rounds(Aggregator<float>& aggregator) {
  const auto comm = make_self_communicator();
  std::vector<float> direction(layout().size());
  std::vector<std::vector<float>> gradients(kWorkers, direction);
  std::vector<WorkerGradient<float>> mine;
  for (std::uint32_t w = 0; w < kWorkers; ++w) {
    for (std::size_t i = 0; i < direction.size(); ++i) {
      gradients[w][i] = static_cast<float>(w + 1) - static_cast<float>(i % 5);
    }
    mine.push_back({.worker = w, .values = gradients[w]});
  }
  try {
    for (std::uint32_t round = 3; round < 5; ++round) {
      aggregator.aggregate({.index = round, .step_size = 0.1, .previous_step_size = 0.1}, mine,
                           direction, *comm);
    }
  } catch (const Error&) {  // DivergedError, or what the server says of its own numbers
  }
}

void make_steps(Optimizer<float>& optimizer) {
  std::vector<float> x(layout().size(), 1);
  const std::vector<float> direction(layout().size(), 0.5F);
  for (int i = 0; i < 2; ++i) optimizer.step(x, direction, 0.1);
}

}  // namespace
}  // namespace laconic::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  constexpr std::size_t kFirst = laconic::fuzz::kAggregators.size();
  const std::size_t which = data[0] % (kFirst + laconic::fuzz::kOptimizers.size());
  const auto state = laconic::fuzz::bytes_of(data + 1, size - 1);
  if (which < kFirst) {
    const auto aggregator = laconic::fuzz::make_aggregator(laconic::fuzz::kAggregators[which]);
    if (laconic::fuzz::takes(*aggregator, state)) laconic::fuzz::make_rounds(*aggregator);
  } else {
    const auto optimizer = laconic::fuzz::make_optimizer(laconic::fuzz::kOptimizers[which - kFirst],
                                                         laconic::fuzz::layout());
    if (laconic::fuzz::takes(*optimizer, state)) laconic::fuzz::make_steps(*optimizer);
  }
  return 0;
}
