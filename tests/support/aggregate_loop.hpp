// SPDX-License-Identifier: Apache-2.0
// Runs an aggregator for some rounds on thread ranks, with gradients that the test computes, and a
// plain step x <- x + T(-eta) * direction. What every rank saw is returned and compared.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/card.hpp"
#include "laconic/channel/analog.hpp"
#include "laconic/channel/link.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/mechanism/mechanism.hpp"

namespace laconic::test {

using laconic::canonical_aggregator;

inline std::unique_ptr<DigitalLink> link_of(const std::string& text, std::uint64_t seed) {
  const Spec spec = parse_spec(text).value_or_throw();
  const auto problems = aggregator_catalog().problems(spec, "link");
  if (!problems.empty()) throw ConfigError(problems.front());
  return links().make(aggregator_catalog().canonical(spec, "link"), {.seed = seed});
}

inline Layout flat_layout(std::uint32_t dim) { return Layout({{.name = "x", .shape = {dim, 1}}}); }

template <Real T>
struct LoopSetup {
  Layout layout = {};
  std::uint32_t workers = 1;
  std::uint32_t ranks = 1;
  std::uint32_t rounds = 1;
  std::uint64_t seed = 1;
  std::string link = {};  // empty: a perfect one
  std::function<double(std::uint32_t round)> step_size = [](std::uint32_t) { return 0.01; };
  // Decoupled weight decay: x <- (1 - eta lambda) x + T(-eta) direction, with the old x.
  double lambda = 0;
  std::vector<T> x0 = {};  // zeros when empty
  // > 0: before this round every rank saves its aggregator and goes on with a new one that loads
  // it.
  std::uint32_t interrupt_before = 0;
  // g is zero on entry.
  std::function<void(std::uint32_t worker, std::uint32_t round, std::span<const T> x,
                     std::span<T> g)>
      gradient = {};
};

template <Real T>
struct LoopResult {
  std::vector<T> x = {};                        // final, of rank 0
  std::vector<std::vector<T>> directions = {};  // by round, of rank 0
  bool replicas_equal = true;                   // x equal on all ranks after every round
  Meter uplink = {};                            // summed over rounds and ranks
  Meter downlink = {};
  std::uint64_t refused = 0;
  std::uint64_t clamped = 0;
  std::uint64_t votes = 0;
  std::uint64_t agreeing = 0;
  Traffic traffic = {};                        // of the communicators, summed over ranks
  std::vector<std::uint64_t> link_bytes = {};  // by worker
  std::uint32_t latency_steps = 0;             // of the last round
  std::vector<ChannelReport> channel = {};     // by round, of rank 0
  std::uint64_t simulation_bytes = 0;          // summed over rounds and ranks
  std::uint64_t lost = 0;
  std::uint64_t resent = 0;
};

// For methods whose server steps: the plain step without decay.
template <Real T>
OptimizerFactory<T> plain_steps() {
  return [](const Layout& layout) {
    Catalog catalog;
    add_optimizer_cards(catalog);
    const Spec spec = catalog.canonical({.name = "sgd"}, "optimizer");
    return optimizers<T>().make(spec, {.layout = &layout});
  };
}

// `fresh` becomes what `old` is, by way of bytes.
template <Real T>
void take_over(Aggregator<T>& old, Aggregator<T>& fresh) {
  std::vector<std::byte> bytes;
  wire::StateArchive saved(bytes);
  old.state(saved);
  wire::StateArchive loaded{wire::Bytes(bytes)};
  fresh.state(loaded);
  loaded.finish();
}

template <Real T>
LoopResult<T> run_loop(const std::string& spec, const LoopSetup<T>& setup) {
  LoopResult<T> result;
  const std::size_t dim = setup.layout.size();
  std::vector<std::vector<std::vector<T>>> xs(setup.ranks);  // by rank, round
  result.link_bytes.resize(setup.workers);
  std::mutex mutex;  // guards result
  run_on_threads(setup.ranks, [&](Communicator& comm) {
    const WorkerBlock mine = workers_of_rank(setup.workers, comm.rank(), comm.size());
    const auto link = setup.link.empty() ? nullptr : link_of(setup.link, setup.seed);
    const auto make = [&] {
      return aggregators<T>().make(canonical_aggregator(spec), {.layout = &setup.layout,
                                                                .workers = setup.workers,
                                                                .mine = mine,
                                                                .seed = setup.seed,
                                                                .link = link.get()});
    };
    auto aggregator = make();
    std::vector<T> x = setup.x0.empty() ? std::vector<T>(dim, T{0}) : setup.x0;
    std::vector<T> direction(dim);
    if (aggregator->sends_model()) aggregator->start(x, plain_steps<T>());
    std::vector<std::vector<T>> gradients(mine.size(), std::vector<T>(dim));
    for (std::uint32_t round = 0; round < setup.rounds; ++round) {
      if (round > 0 && round == setup.interrupt_before) {
        auto fresh = make();
        if (fresh->sends_model()) fresh->start(std::vector<T>(dim, T{7}), plain_steps<T>());
        take_over(*aggregator, *fresh);
        aggregator = std::move(fresh);
      }
      std::vector<WorkerGradient<T>> views;
      for (std::uint32_t w = 0; w < mine.size(); ++w) {
        std::fill(gradients[w].begin(), gradients[w].end(), T{0});
        setup.gradient(mine.begin + w, round, x, gradients[w]);
        views.push_back({.worker = mine.begin + w, .values = gradients[w]});
      }
      const double eta = setup.step_size(round);
      const Round facts = {.index = round,
                           .step_size = eta,
                           .previous_step_size = round == 0 ? eta : setup.step_size(round - 1)};
      const RoundReport& report = aggregator->aggregate(facts, views, direction, comm);
      const T a = static_cast<T>(-eta);
      const T keep = static_cast<T>(1.0 - eta * setup.lambda);
      for (std::size_t i = 0; i < dim && !aggregator->sends_model(); ++i)
        x[i] = (setup.lambda == 0 ? x[i] : keep * x[i]) + a * direction[i];
      if (aggregator->sends_model()) x = direction;
      xs[comm.rank()].push_back(x);
      const std::lock_guard lock(mutex);
      result.uplink += report.uplink;
      result.downlink += report.downlink;
      result.refused += report.refused_frames;
      result.clamped += report.clamped_messages;
      result.votes += report.votes;
      result.agreeing += report.agreeing_votes;
      result.latency_steps = report.latency_steps;
      for (std::uint32_t w = 0; w < mine.size(); ++w)
        result.link_bytes[mine.begin + w] += report.link_bytes[w];
      result.simulation_bytes += report.simulation_bytes;
      result.lost += report.lost_frames;
      result.resent += report.resent_frames;
      if (comm.rank() == 0) result.directions.push_back(direction);
      if (comm.rank() == 0 && report.channel) result.channel.push_back(*report.channel);
    }
    const std::lock_guard lock(mutex);
    result.traffic.sent_bytes += comm.traffic().sent_bytes;
    result.traffic.self_bytes += comm.traffic().self_bytes;
    result.traffic.received_bytes += comm.traffic().received_bytes;
    if (comm.rank() == 0) result.x = x;
  });
  for (const auto& of_rank : xs) {
    for (std::size_t round = 0; round < of_rank.size(); ++round) {
      for (std::size_t i = 0; i < dim; ++i) {
        if (!(of_rank[round][i] == xs[0][round][i])) result.replicas_equal = false;
      }
    }
  }
  return result;
}

}  // namespace laconic::test
