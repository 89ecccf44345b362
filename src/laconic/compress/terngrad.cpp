// SPDX-License-Identifier: Apache-2.0
// terngrad: 0 or plus or minus the largest magnitude, by chance so that the mean is right. Unbiased
// with omega <= (sqrt(d) - 1)/2, which is reached by one entry 1 and all others 1/(sqrt(d) + 1).
// Clipping, as in the paper, costs the promise.
#include "laconic/compress/dither.hpp"

namespace laconic::compress {

const Card& terngrad_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "terngrad",
      .summary = "three values: 0 and plus or minus the largest magnitude",
      .formula =
          "C(v)_j = |v|_inf sign(v_j) with probability |v_j| / |v|_inf, else 0\n"
          "clip=c: v is clipped to c standard deviations first",
      .paper = "Wen et al.: TernGrad, NeurIPS 2017, arXiv 1705.07878",
      .params =
          {{.key = "clip",
            .default_text = "0",
            .help =
                "clip numbers to so many standard deviations first (the paper: 2.5); 0 for none",
            .min = 0}},
      .promises = "unbiased with omega = (sqrt(d) - 1)/2; with clipping it promises nothing",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_terngrad(const Args& args, const CompressorSetup& setup) {
  return make_dither<T>(
      {.norm = Norm::kMax, .trits = true, .clip = args.real("clip"), .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_terngrad(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_terngrad(const Args&, const CompressorSetup&);

std::vector<std::string> terngrad_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
