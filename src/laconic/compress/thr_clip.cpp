// SPDX-License-Identifier: Apache-2.0
// thr-clip: magnitudes are clipped to a threshold tau, then rounded at random to levels of it
// (quantized-adagrad.md 3.3). Biased beyond tau only. The error
//
//   sum_{a > tau} (a - tau)^2 + sum_{a <= tau} (tau/S)^2 p (1 - p)
//
// is least at a threshold that rule=optimal finds (for S > 1 with 1/6 for p (1 - p)). With one
// level it is contractive with alpha = 8/(9 d): for a <= tau is a (tau - a) <= (a - tau)^2 +
// tau^2/8, so the error is at most |v|^2 - 2 tau |v|_1 + (9/8) d tau^2, which is |v|^2 -
// |v|_1^2/((9/8) d) at its minimum, and |v|_1 >= |v|. With S levels, alpha = 1/(2 d): where k (a -
// tau) = (d - k) tau/(6 S^2) in the sum over the k numbers beyond tau, the error is at most |v|^2 -
// k tau^2 - (d - k) tau^2/(12 S^2), and |v|^2 <= (k tau + (d - k) tau/(6 S^2))^2 + (d - k) tau^2.
#include "laconic/compress/level_quantizer.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

const Card& thr_clip_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "thr-clip",
      .summary = "clipped to a threshold, then rounded at random to levels of it",
      .formula =
          "in every bucket: a_j = min(|v_j|, tau), t = S a_j / tau\n"
          "C(v)_j = tau sign(v_j) l_j / S\n"
          "l_j = floor(t) + 1 with probability t - floor(t), else floor(t)",
      .paper = "Xu et al.: Quantized Adaptive Subgradient Algorithms, arXiv 2208.05631",
      .params = {level_count_param(),
                 {.key = "rule",
                  .type = ParamType::kChoice,
                  .default_text = "optimal",
                  .help =
                      "the threshold: that of least error, a multiple of the root mean square of "
                      "the numbers that are not 0, or a fixed one",
                  .choices = {"optimal", "rms", "fixed"}},
                 {.key = "tau",
                  .type = ParamType::kReal,
                  .default_text = "2.5",
                  .help = "with rule=fixed the threshold, with rule=rms the multiple",
                  .min = 0,
                  .min_open = true},
                 bucket_param()},
      .promises =
          "contractive with alpha = 8/(9 b) for one level, 1/(2 b) for more, where b is the "
          "smaller of bucket and d; with rule=rms or fixed it promises nothing",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_thr_clip(const Args& args, const CompressorSetup& setup) {
  const std::string& rule = args.text("rule");
  return make_level_quantizer<T>({.rule = rule == "rms"     ? ScaleRule::kRms
                                          : rule == "fixed" ? ScaleRule::kFixed
                                                            : ScaleRule::kOptimal,
                                  .levels = static_cast<std::uint32_t>(args.integer("levels")),
                                  .tau = args.real("tau"),
                                  .bucket = bucket_of(args),
                                  .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_thr_clip(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_thr_clip(const Args&, const CompressorSetup&);

std::vector<std::string> thr_clip_problems(const Args& args, std::uint32_t) {
  if (args.text("rule") == "rms") return {};
  return unused_param(args, thr_clip_card(), {.key = "tau", .choice = "rule", .needed = "fixed"});
}

}  // namespace laconic::compress
