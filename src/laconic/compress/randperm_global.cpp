// SPDX-License-Identifier: Apache-2.0
// randperm_global: the coordinates of a round are divided among the n workers; each sends those of
// k random ones of all coordinates that are its own, times n d/k (3pc.md section 3), often none.
// Unbiased with omega = n d/k - 1 for d >= n.
#include "laconic/compress/perm_k.hpp"

namespace laconic::compress {

const Card& randperm_global_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "randperm_global",
      .summary = "those of k random coordinates that lie in the worker's part, scaled",
      .formula =
          "C(v)_j = (n/m) (d/k) v_j for those of k random j that lie in the worker's part\n"
          "every round divides the coordinates anew; m = workers that have j, 1 if d >= n",
      .paper = "Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {count_param(), values_param()},
      .promises = "unbiased with omega = n d/k - 1 for d >= n",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_randperm_global(const Args& args,
                                                    const CompressorSetup& setup) {
  return std::make_unique<PermK<T>>(PermKOptions{.method = "randperm_global",
                                                 .thinning = Thinning::kGlobal,
                                                 .count = count_of(args),
                                                 .values = values_format<T>(args),
                                                 .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_randperm_global(const Args&,
                                                                 const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_randperm_global(const Args&,
                                                                  const CompressorSetup&);

std::vector<std::string> randperm_global_problems(const Args& args, std::uint32_t) {
  return count_problems(args);
}

}  // namespace laconic::compress
