// SPDX-License-Identifier: Apache-2.0
// van2: levels of the Euclidean norm of a bucket, by chance so that the mean is right
// (quantized-adagrad.md 3.1). A number between two levels, a part p of the step above the lower
// one, has the variance (s/S)^2 p (1 - p), at most a quarter of (s/S)^2 and at most a s/S. So it is
// unbiased with omega = min(d/(4 S^2), sqrt(d)/S).
#include "laconic/compress/level_quantizer.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

const Card& van2_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "van2",
      .summary = "levels of the Euclidean norm, rounded at random: QSGD in level bodies",
      .formula =
          "in every bucket: C(v)_j = s sign(v_j) l_j / S, where t = S |v_j| / s\n"
          "l_j = floor(t) + 1 with probability t - floor(t), else floor(t); s = |v|_2",
      .paper =
          "Alistarh et al.: QSGD, NeurIPS 2017, arXiv 1610.02132; Xu et al.: Quantized Adaptive "
          "Subgradient Algorithms, arXiv 2208.05631",
      .params = {level_count_param(), bucket_param()},
      .promises =
          "unbiased with omega = min(b/(4 S^2), sqrt(b)/S), where b is the smaller of bucket and d",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_van2(const Args& args, const CompressorSetup& setup) {
  return make_level_quantizer<T>({.rule = ScaleRule::kTwoNorm,
                                  .levels = static_cast<std::uint32_t>(args.integer("levels")),
                                  .bucket = bucket_of(args),
                                  .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_van2(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_van2(const Args&, const CompressorSetup&);

std::vector<std::string> van2_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
