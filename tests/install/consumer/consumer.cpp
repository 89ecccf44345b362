// SPDX-License-Identifier: Apache-2.0
// A program of somebody else's that uses several layers of the installed library. tests/install
// looks for the last line of what it prints.
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/rng/stream.hpp"

namespace {

laconic::Spec canonical_spec(std::string_view text, std::string_view kind) {
  const laconic::Catalog& cards = laconic::experiment::all_cards();
  const laconic::Spec spec = laconic::parse_spec(text).value_or_throw();
  for (const std::string& problem : cards.problems(spec, kind)) throw laconic::ConfigError(problem);
  return cards.canonical(spec, kind);
}

// Three workers vote on four coordinates.
std::string vote() {
  const laconic::Layout layout({{.name = "w", .shape = {4, 1}}});
  const auto aggregator = laconic::aggregators<float>().make(
      canonical_spec("vote", "aggregator"),
      {.layout = &layout, .workers = 3, .mine = {0, 3}, .seed = 7});
  const std::array<std::array<float, 4>, 3> gradients = {
      {{1, -2, 3, -4}, {5, -6, -7, 8}, {-1, -1, 1, 1}}};
  std::vector<laconic::WorkerGradient<float>> mine;
  for (std::uint32_t w = 0; w < 3; ++w) mine.push_back({.worker = w, .values = gradients[w]});
  std::array<float, 4> direction = {};
  const auto comm = laconic::make_self_communicator();
  const laconic::RoundReport& report = aggregator->aggregate(
      {.index = 0, .step_size = 0.1, .previous_step_size = 0.1}, mine, direction, *comm);
  if (report.uplink.payload_bits != 12) throw laconic::Error("12 bits go up, one per vote");
  std::string signs;
  for (const float d : direction) signs += d > 0 ? '+' : '-';
  return signs;
}

// What a receiver makes of a vector that was sent as its signs and one scale.
std::array<double, 3> through_the_wire(std::array<double, 3> x) {
  const auto compressor =
      laconic::compressors<double>().make(canonical_spec("sign", "compressor"), {});
  laconic::wire::Message message;
  compressor->encode({.values = x, .shape = {3, 1}}, {}, message);
  std::array<double, 3> y = {};
  laconic::wire::WireReader reader(message.bytes);
  const laconic::Status status =
      compressor->decode_add(reader, {}, 1.0, {.values = y, .shape = {3, 1}});
  if (!status) throw laconic::Error(status.message());
  return y;
}

}  // namespace

int main() {
  try {
    const laconic::rng::Stream stream(0, {.purpose = laconic::rng::Purpose::kOrder});
    std::printf("the first word is %08x\n", stream.word(0));
    const auto y = through_the_wire({3, -1, 2});
    std::printf("the vector became %g %g %g\n", y[0], y[1], y[2]);
    std::printf("the vote is %s\n", vote().c_str());
  } catch (const laconic::Error& error) {
    std::fprintf(stderr, "consumer: %s\n", error.what());
    return 1;
  }
  return 0;
}
