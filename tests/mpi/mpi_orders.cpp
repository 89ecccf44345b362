// SPDX-License-Identifier: Apache-2.0
// Example orders of MPI ranks against those of one rank alone: every order of the registry and
// every exchange form of cd-grab, for four epochs. Started by mpirun; 0 when all are the same.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/order_loop.hpp"

namespace laconic::test {
namespace {

std::vector<std::string> all_specs() {
  std::vector<std::string> specs = {"cd-grab:exchange=replicated",
                                    "cd-grab:exchange=sharded",
                                    "cd-grab:sketch=8",
                                    "cd-grab:rule=walk",
                                    "cd-grab:behind=true",
                                    "cd-grab:exchange=sharded,behind=true"};
  for (const auto& method : orders().methods()) specs.emplace_back(method.card->name);
  return specs;
}

// The number of orders that differ on this rank.
int differences(const OrderLoop<float>& loop, const OrderTrace& expected, Communicator& comm) {
  int found = 0;
  const auto orders = make_orders(loop, comm.rank());
  const WorkerBlock mine =
      workers_of_rank(static_cast<std::uint32_t>(loop.units.size()), comm.rank(), comm.size());
  for (std::uint32_t e = 0; e < loop.epochs; ++e) {
    orders->begin_epoch(e);
    for (std::uint32_t w = mine.begin; w < mine.end; ++w) {
      if (std::ranges::equal(orders->order(w), expected.orders[e][w])) continue;
      std::fprintf(stderr, "%s: rank %u: worker %u differs in epoch %u\n", loop.spec.c_str(),
                   comm.rank(), w, e);
      ++found;
    }
    run_steps(loop, *orders, comm, e, 0, steps_of(loop));
    orders->end_epoch({.round = e, .phase = 8}, comm);
  }
  return found;
}

}  // namespace
}  // namespace laconic::test

int main() {
  using laconic::test::OrderLoop;
  int found = 0;
  laconic::run_on_mpi(
      [&found](laconic::Communicator& comm) {
        int compared = 0;
        for (const std::string& spec : laconic::test::all_specs()) {
          OrderLoop<float> loop{
              .spec = spec, .units = {12, 9, 12, 3, 10}, .dim = 300, .epochs = 4, .batch = 2};
          const auto expected = laconic::test::run_orders(loop);
          loop.ranks = comm.size();
          found += laconic::test::differences(loop, expected, comm);
          ++compared;
        }
        if (comm.rank() == 0) std::fprintf(stderr, "orders: %d specs compared\n", compared);
      },
      [](std::string_view line) {
        std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
      });
  return found == 0 ? 0 : 1;
}
