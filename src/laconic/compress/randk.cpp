// SPDX-License-Identifier: Apache-2.0
// randk: the entries of a uniform random k-subset times d/k, all others 0 (3pc.md section 3).
// Unbiased with omega = d/k - 1, which is not a bound but the value.
#include "laconic/compress/random_k.hpp"

namespace laconic::compress {

const Card& randk_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "randk",
      .summary = "k random entries, scaled by d/k",
      .formula = "C(v)_j = (d/k) v_j for j in a random set of k coordinates, else 0",
      .paper =
          "Wangni et al.: Gradient Sparsification, NeurIPS 2018, arXiv 1710.09854; Richtarik "
          "et al.: 3PC, ICML 2022, arXiv 2202.00998",
      .params = random_k_params(),
      .promises = "unbiased with omega = d/k - 1",
  };
  return card;
}

std::vector<ParamCard> random_k_params() {
  return {count_param(),
          values_param(),
          {.key = "indices",
           .type = ParamType::kFlag,
           .default_text = "false",
           .help = "send the indices, which the receiver can derive"},
          {.key = "correlated",
           .type = ParamType::kFlag,
           .default_text = "false",
           .help = "all workers draw the same entries"}};
}

template <Real T>
std::unique_ptr<Compressor<T>> make_randk(const Args& args, const CompressorSetup& setup) {
  RandomKOptions options = random_k_options<T>(args, setup);
  options.method = "randk";
  options.scaled = true;
  return std::make_unique<RandomK<T>>(options);
}
template std::unique_ptr<Compressor<float>> make_randk(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_randk(const Args&, const CompressorSetup&);

std::vector<std::string> randk_problems(const Args& args, std::uint32_t) {
  return count_problems(args);
}

}  // namespace laconic::compress
