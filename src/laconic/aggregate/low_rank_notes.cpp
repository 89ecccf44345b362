// SPDX-License-Identifier: Apache-2.0
// What low-rank methods mean for a given model, before anything runs: which tensors are compressed,
// how many numbers are sent, and over the air the floor of lambda and the power from which sending
// both factors beats sending the matrix.
#include <fmt/format.h>

#include "laconic/aggregate/laser_theory.hpp"
#include "laconic/aggregate/low_rank.hpp"

namespace laconic::aggregate {
namespace {

// "w1: 12 x 64 as rank 2; both factors beat the matrix from P = 27.4 on".
std::string matrix_note(const LowRankMatrix& matrix, const Layout& layout, bool over_the_air) {
  std::string out = fmt::format("{}: {} x {} as rank {}", layout.tensors()[matrix.tensor].name,
                                matrix.rows, matrix.cols, matrix.rank);
  if (!over_the_air) return out;
  const auto power = break_even_power(
      {.m = static_cast<double>(matrix.rows), .n = static_cast<double>(matrix.cols)},
      static_cast<double>(matrix.rank));
  return out + (power ? fmt::format("; for one worker both factors beat the matrix from P = {:.4g} "
                                    "on (laser.md eq. 7)",
                                    *power)
                      : "; the bound for both factors never beats the matrix, rank is too high");
}

}  // namespace

std::vector<std::string> low_rank_notes(const Args& args, const AggregatorSetup& setup) {
  const Layout& layout = *setup.layout;
  const LowRankPlan plan(layout, static_cast<std::size_t>(args.integer("rank")));
  const bool over_the_air = args.spec().name == "laser";
  const bool alternating = args.text(over_the_air ? "variant" : "form") == "alternating";
  const std::size_t even = plan.q_size + plan.plain_size;
  const std::size_t odd = plan.p_size + plan.plain_size;
  const std::size_t both = plan.p_size + plan.q_size + plan.plain_size;
  std::vector<std::string> out;
  out.push_back(alternating
                    ? fmt::format("{} numbers in even rounds, {} in odd ones, of {}; {} of them "
                                  "uncompressed",
                                  even, odd, layout.size(), plan.plain_size)
                    : fmt::format("{} numbers per round, of {}; {} of them uncompressed", both,
                                  layout.size(), plan.plain_size));
  if (over_the_air) {
    // D / (K^2 P): what equal workers with equally loud tensors cannot go below.
    const double gain = static_cast<double>(setup.workers) * setup.workers * args.real("power");
    out.push_back(fmt::format(
        "lambda of {} equal workers at P = {}: about {:.3g}{}; {:.3g} for the whole gradient",
        setup.workers, shortest(args.real("power")),
        static_cast<double>(alternating ? even : both) / gain,
        alternating ? fmt::format(" and {:.3g} in turn", static_cast<double>(odd) / gain)
                    : std::string(" or more"),
        static_cast<double>(layout.size()) / gain));
  }
  for (const LowRankMatrix& matrix : plan.matrices) {
    out.push_back(matrix_note(matrix, layout, over_the_air));
  }
  return out;
}

}  // namespace laconic::aggregate
