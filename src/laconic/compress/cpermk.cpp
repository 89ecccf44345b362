// SPDX-License-Identifier: Apache-2.0
// cpermk: the coordinates of a round are divided among the n workers; each sends its own (3pc.md
// section 3). Contractive with alpha = 1/n, or 1/d when there are more workers than coordinates.
#include "laconic/compress/perm_k.hpp"

namespace laconic::compress {

const Card& cpermk_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "cpermk",
      .summary = "every worker sends its part of the coordinates",
      .formula =
          "C(v)_j = v_j for j in the worker's part, else 0\n"
          "the parts divide the coordinates among the workers anew every round",
      .paper = "Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = {ragged_param(), values_param()},
      .promises = "contractive with alpha = 1/min(n, d)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_cpermk(const Args& args, const CompressorSetup& setup) {
  return std::make_unique<PermK<T>>(PermKOptions{.method = "cpermk",
                                                 .scaled = false,
                                                 .drop = args.text("ragged") == "drop",
                                                 .values = values_format<T>(args),
                                                 .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_cpermk(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_cpermk(const Args&, const CompressorSetup&);

std::vector<std::string> cpermk_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
