// SPDX-License-Identifier: Apache-2.0
// thr-hard: the k largest magnitudes become +- their mean P_k/k, all others 0, with the k of least
// error (quantized-adagrad.md 3.5). |C(v) - v|^2 = |v|^2 - P_k^2/k, so it is contractive with alpha
// = P_k^2/(k |v|^2) >= |v|_1^2/(d |v|^2) >= 1/d: never worse than sign.
#include "laconic/compress/level_quantizer.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

const Card& thr_hard_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "thr-hard",
      .summary = "a dead zone of least error: 0 or plus or minus one magnitude, not at random",
      .formula =
          "in every bucket: C(v)_j = (P_k / k) sign(v_j) for the k largest |v_j|, else 0\n"
          "P_k = the sum of the k largest, k maximises P_k^2 / k",
      .paper =
          "Li, Liu: Ternary Weight Networks, arXiv 1605.04711; Xu et al.: Quantized Adaptive "
          "Subgradient Algorithms, arXiv 2208.05631",
      .params = {bucket_param()},
      .promises =
          "contractive with alpha = 1/b, where b is the smaller of bucket and d (far more on most "
          "vectors)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_thr_hard(const Args& args, const CompressorSetup& setup) {
  return make_level_quantizer<T>({.rule = ScaleRule::kDeadZone,
                                  .at_random = false,
                                  .bucket = bucket_of(args),
                                  .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_thr_hard(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_thr_hard(const Args&, const CompressorSetup&);

std::vector<std::string> thr_hard_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
