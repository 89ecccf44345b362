// SPDX-License-Identifier: Apache-2.0
// Promises of the perm family. Notation: d coordinates, n workers, q and r quotient and remainder
// of the division, a_i what worker i compresses, S = (1/n) sum |a_i|^2, m = mean of the a_i,
// C_i(a_i) what is decoded, k what the thinning draws, kappa = k/d.
//
// With blocks (d >= n) a worker keeps coordinate c with probability 1/n, and c has one keeper i(c),
// uniform over the workers.
//   none:   factor n. E C_i^2 = n a_i^2 per coordinate, so omega = n - 1. The mean of all is
//           a_{i(c),c}, its variance S - |m|^2: joint a = b = 1.
//   block:  of a block of s coordinates k are sent with factor n s/k. A coordinate lies in a block
//           of s with probability s/d, so E C_i^2 = n (sum s^2 over blocks)/(d k) a_i^2 =: n R
//           a_i^2; omega = n R - 1, joint a = R, b = 1. For n | d, R = q/k and omega = d/k - 1.
//   global: each coordinate is kept with probability kappa, independently per worker; factor
//           n/kappa; omega = n/kappa - 1, joint a = 1/kappa, b = 1.
//
// Else (n > d) coordinate c has m_c = q or q + 1 keepers, a uniform m_c-subset of the workers, and
// the factor is n/m_c. Over the random choice of those with q + 1, M = E n/m_c and J = E (n - m_c)
// / (m_c (n - 1)) (sampling without replacement).
//   none, block: omega = M - 1, joint a = b = J.
//   global:      factor n/(m_c kappa); omega = M/kappa - 1; to J (S - |m|^2) the thinning adds
//                E (1/m_c) (1/kappa - 1) S: joint a = J + (M/n) (1/kappa - 1), b = J.
//
// Without the factor a worker's error is |v|^2 less what is kept: alpha is the probability of being
// kept.
#include "laconic/compress/perm_k.hpp"

#include <algorithm>

namespace laconic::compress {
namespace {

Division division_of(const PermKOptions& options, std::size_t size) {
  return {.size = size, .workers = options.workers, .drop = options.drop};
}

// The coordinates of the smallest block.
std::size_t block_size(const Division& division) {
  return division.by_blocks() ? division.quotient() : 1;
}

Traits block_traits(const PermKOptions& options, const Division& division) {
  const auto n = static_cast<double>(options.workers);
  const auto d = static_cast<double>(division.size);
  const auto k = static_cast<double>(perm_k_draws(options, division.size));
  Joint joint = {.a = 1, .b = 1};
  if (options.thinning == Thinning::kGlobal) joint.a = d / k;
  if (options.thinning == Thinning::kBlock) {
    const auto q = static_cast<double>(division.quotient());
    const auto r = static_cast<double>(division.remainder());
    joint.a = (r * (q + 1) * (q + 1) + (n - r) * q * q) / (d * k);
  }
  Traits out = correlated_traits(n * joint.a - 1);
  out.joint = joint;
  return out;
}

Traits single_traits(const PermKOptions& options, const Division& division) {
  const auto n = static_cast<double>(options.workers);
  const auto d = static_cast<double>(division.size);
  const auto q = static_cast<double>(division.quotient());
  const double more = static_cast<double>(division.remainder()) / d;
  const double kappa = options.thinning == Thinning::kGlobal
                           ? static_cast<double>(perm_k_draws(options, division.size)) / d
                           : 1;
  const double factor = more * n / (q + 1) + (1 - more) * n / q;
  const double j = (more * (n - q - 1) / (q + 1) + (1 - more) * (n - q) / q) / (n - 1);
  Traits out = correlated_traits(factor / kappa - 1);
  out.joint = Joint{.a = j + factor / n * (1 / kappa - 1), .b = j};
  return out;
}

}  // namespace

Traits perm_k_traits(const PermKOptions& options, std::size_t size) {
  const Division division = division_of(options, size);
  if (!options.scaled) {
    double kept = 1.0 / static_cast<double>(std::min<std::size_t>(size, options.workers));
    if (options.drop) {
      kept = static_cast<double>(division.quotient()) /
             static_cast<double>(std::max<std::size_t>(size, options.workers));
    }
    return {.alpha = kept, .randomized = true, .selects = true};
  }
  // What is left out never arrives, and the factor does not make up for it.
  if (options.drop && division.remainder() > 0) return {.randomized = true};
  return division.by_blocks() ? block_traits(options, division) : single_traits(options, division);
}

std::size_t perm_k_draws(const PermKOptions& options, std::size_t size) {
  const Division division = division_of(options, size);
  switch (options.thinning) {
    case Thinning::kNone:
      break;
    case Thinning::kBlock:
      return options.count.of(block_size(division));
    case Thinning::kGlobal:
      return options.count.of(size);
  }
  return division.largest_share();
}

std::size_t perm_k_max_entries(const PermKOptions& options, std::size_t size) {
  return std::min(division_of(options, size).largest_share(), perm_k_draws(options, size));
}

std::string perm_k_misfit(const PermKOptions& options, std::size_t size) {
  if (options.thinning == Thinning::kGlobal)
    return options.count.misfit(options.method, size, "the tensor");
  if (options.thinning == Thinning::kBlock) {
    return options.count.misfit(options.method, block_size(division_of(options, size)),
                                "a worker's share");
  }
  return {};
}

Selection perm_k_selection(const PermKOptions& options, std::size_t size,
                           const CompressContext& context) {
  thread_local std::vector<std::uint32_t> kept;  // grows to the largest share, then stays
  const Division division = division_of(options, size);
  const bool global = options.thinning == Thinning::kGlobal;
  const Share share = share_of(division, context, global);
  const auto n = static_cast<double>(options.workers);
  double factor = n / static_cast<double>(share.keepers);
  if (options.drop && !division.by_blocks()) factor = static_cast<double>(size);
  if (!options.scaled) factor = 1;
  if (options.thinning == Thinning::kNone) return {share.coordinates, factor};
  const std::size_t k = perm_k_draws(options, size);
  const std::size_t from = global ? size : share.coordinates.size();
  factor *= static_cast<double>(from) / static_cast<double>(k);
  kept.clear();
  for (const std::uint32_t drawn : random_subset(own_stream(context), from, k)) {
    if (!global) {
      kept.push_back(share.coordinates[drawn]);
    } else if (division.by_blocks()) {
      const std::size_t place = share.place_of[drawn];
      if (place >= share.begin && place - share.begin < share.coordinates.size())
        kept.push_back(drawn);
    } else if (drawn == share.coordinates[0]) {
      kept.push_back(drawn);
    }
  }
  return {kept, factor};
}

ParamCard ragged_param() {
  return {.key = "ragged",
          .type = ParamType::kChoice,
          .default_text = "share",
          .help =
              "what happens to coordinates that cannot be divided evenly: share gives some "
              "workers one more, drop leaves them out, which costs the promise of being unbiased",
          .choices = {"share", "drop"}};
}

}  // namespace laconic::compress
