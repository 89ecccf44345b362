// SPDX-License-Identifier: Apache-2.0
// vaninf: levels of the largest magnitude of a bucket, by chance so that the mean is right
// (quantized-adagrad.md 3.1). Unbiased, with one level with omega = (sqrt(d) - 1)/2 as terngrad,
// with S levels with omega = min(d/(4 S^2), sqrt(d)/S) as van2.
#include "laconic/compress/level_quantizer.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

const Card& vaninf_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "vaninf",
      .summary = "levels of the largest magnitude, rounded at random: TernGrad in level bodies",
      .formula =
          "in every bucket: C(v)_j = s sign(v_j) l_j / S, where t = S |v_j| / s\n"
          "l_j = floor(t) + 1 with probability t - floor(t), else floor(t); s = |v|_inf",
      .paper =
          "Wen et al.: TernGrad, NeurIPS 2017, arXiv 1705.07878; Xu et al.: Quantized Adaptive "
          "Subgradient Algorithms, arXiv 2208.05631",
      .params = {level_count_param(), bucket_param()},
      .promises =
          "unbiased with omega = (sqrt(b) - 1)/2 for one level, min(b/(4 S^2), sqrt(b)/S) for S, "
          "where b is the smaller of bucket and d",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_vaninf(const Args& args, const CompressorSetup& setup) {
  return make_level_quantizer<T>({.rule = ScaleRule::kMaxNorm,
                                  .levels = static_cast<std::uint32_t>(args.integer("levels")),
                                  .bucket = bucket_of(args),
                                  .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_vaninf(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_vaninf(const Args&, const CompressorSetup&);

std::vector<std::string> vaninf_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
