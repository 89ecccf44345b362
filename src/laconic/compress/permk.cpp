// SPDX-License-Identifier: Apache-2.0
// permk: the coordinates of a round are divided among the n workers; each sends its own, times n
// (3pc.md section 3). Unbiased with omega = n - 1; together exact for equal vectors.
#include "laconic/compress/perm_k.hpp"

namespace laconic::compress {

const Card& permk_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "permk",
      .summary = "every worker sends its part of the coordinates, times n",
      .formula =
          "C(v)_j = (n/m) v_j for j in the worker's part, else 0; m = workers that have j\n"
          "every round divides the coordinates anew; m = 1 if d >= n\n"
          "ragged=drop: times n if d >= n, else times d; what is left over is not sent",
      .paper =
          "Szlendak, Tyurin, Richtarik: Permutation Compressors for Provably Faster Distributed "
          "Nonconvex Optimization, ICLR 2022, arXiv 2110.03300",
      .params = {ragged_param(), values_param()},
      .promises =
          "unbiased with omega = n - 1 for d >= n; jointly the error of the mean is the variance "
          "over the "
          "workers (a = b = 1); with ragged=drop it promises nothing unless n divides d",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_permk(const Args& args, const CompressorSetup& setup) {
  return std::make_unique<PermK<T>>(PermKOptions{.method = "permk",
                                                 .drop = args.text("ragged") == "drop",
                                                 .values = values_format<T>(args),
                                                 .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_permk(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_permk(const Args&, const CompressorSetup&);

std::vector<std::string> permk_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
