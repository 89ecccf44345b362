// SPDX-License-Identifier: Apache-2.0
// crandk: the entries of a uniform random k-subset, all others 0 (3pc.md section 3). Contractive
// with alpha = k/d, which is not a bound but the value.
#include "laconic/compress/random_k.hpp"

namespace laconic::compress {

const Card& crandk_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "crandk",
      .summary = "k random entries, not scaled",
      .formula = "C(v)_j = v_j for j in a random set of k coordinates, else 0",
      .paper = "Richtarik et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = random_k_params(),
      .promises = "contractive with alpha = k/d",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_crandk(const Args& args, const CompressorSetup& setup) {
  RandomKOptions options = random_k_options<T>(args, setup);
  options.method = "crandk";
  return std::make_unique<RandomK<T>>(options);
}
template std::unique_ptr<Compressor<float>> make_crandk(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_crandk(const Args&, const CompressorSetup&);

std::vector<std::string> crandk_problems(const Args& args, std::uint32_t) {
  return count_problems(args);
}

}  // namespace laconic::compress
