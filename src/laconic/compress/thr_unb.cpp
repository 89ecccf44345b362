// SPDX-License-Identifier: Apache-2.0
// thr-unb: numbers of magnitude tau and more are sent as they are, others as +-tau with probability
// |v|/tau (quantized-adagrad.md 3.4): of all samplers of coordinates with as many expected numbers
// the one of least variance, sum_{a < tau} a (tau - a). Unbiased. With the threshold of thr-clip
// this is at most the error of thr-clip, so omega = 1 - 8/(9 d); with a budget of k numbers at most
// that of randk, omega = d/k - 1.
#include "laconic/compress/level_quantizer.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

const Card& thr_unb_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "thr-unb",
      .summary = "numbers above a threshold as they are, others at random as 0 or the threshold",
      .formula =
          "in every bucket: C(v)_j = v_j if |v_j| >= tau\n"
          "else tau sign(v_j) with probability |v_j| / tau, else 0",
      .paper =
          "Wangni et al.: Gradient Sparsification for Communication-Efficient Distributed "
          "Optimization, NeurIPS 2018, arXiv 1710.09854; Xu et al.: Quantized Adaptive Subgradient "
          "Algorithms, arXiv 2208.05631",
      .params = {{.key = "rule",
                  .type = ParamType::kChoice,
                  .default_text = "optimal",
                  .help =
                      "the threshold: that of thr-clip, the one at which k numbers are expected to "
                      "be sent, or a fixed one",
                  .choices = {"optimal", "budget", "fixed"}},
                 count_param(),
                 {.key = "tau",
                  .type = ParamType::kReal,
                  .default_text = "1",
                  .help = "with rule=fixed the threshold",
                  .min = 0,
                  .min_open = true},
                 bucket_param()},
      .promises =
          "unbiased with omega = 1 - 8/(9 b), where b is the smaller of bucket and d; with "
          "rule=budget b/k - 1; with rule=fixed it promises nothing in terms of the norm",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_thr_unb(const Args& args, const CompressorSetup& setup) {
  const std::string& rule = args.text("rule");
  const bool budget = rule == "budget";
  return make_level_quantizer<T>({.rule = budget            ? ScaleRule::kBudget
                                          : rule == "fixed" ? ScaleRule::kFixed
                                                            : ScaleRule::kOptimal,
                                  .tau = args.real(budget ? "k" : "tau"),
                                  .exact = true,
                                  .bucket = bucket_of(args),
                                  .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_thr_unb(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_thr_unb(const Args&, const CompressorSetup&);

std::vector<std::string> thr_unb_problems(const Args& args, std::uint32_t) {
  std::vector<std::string> out =
      unused_param(args, thr_unb_card(), {.key = "tau", .choice = "rule", .needed = "fixed"});
  for (const std::string& problem :
       unused_param(args, thr_unb_card(), {.key = "k", .choice = "rule", .needed = "budget"}))
    out.push_back(problem);
  for (const std::string& problem : count_problems(args)) out.push_back(problem);
  return out;
}

}  // namespace laconic::compress
