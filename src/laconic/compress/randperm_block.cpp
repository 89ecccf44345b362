// SPDX-License-Identifier: Apache-2.0
// randperm_block: the coordinates of a round are divided among the n workers; each sends k random
// ones of its own, times n (d/n)/k (3pc.md section 3). Unbiased with omega = d/k - 1 for n | d.
#include "laconic/compress/perm_k.hpp"

namespace laconic::compress {

const Card& randperm_block_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "randperm_block",
      .summary = "k random coordinates of the worker's part of them, scaled",
      .formula =
          "C(v)_j = (n/m) (b/k) v_j for k random j of the b in the worker's part, else 0\n"
          "every round divides the coordinates anew; m = workers that have j, 1 if d >= n",
      .paper = "Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {count_param(), values_param()},
      .promises = "unbiased with omega = d/k - 1 when n divides d, where k is at most d/n",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_randperm_block(const Args& args, const CompressorSetup& setup) {
  return std::make_unique<PermK<T>>(PermKOptions{.method = "randperm_block",
                                                 .thinning = Thinning::kBlock,
                                                 .count = count_of(args),
                                                 .values = values_format<T>(args),
                                                 .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_randperm_block(const Args&,
                                                                const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_randperm_block(const Args&,
                                                                 const CompressorSetup&);

std::vector<std::string> randperm_block_problems(const Args& args, std::uint32_t) {
  return count_problems(args);
}

}  // namespace laconic::compress
