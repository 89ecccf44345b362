// SPDX-License-Identifier: Apache-2.0
// dithering: every number divided by the norm of all and rounded at random to 0, 1/s, ..., 1
// (3pc.md section 3). Unbiased with omega <= min(d/s^2, sqrt(d)/s).
#include "laconic/compress/dither.hpp"

namespace laconic::compress {

const Card& dithering_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "dithering",
      .summary = "rounding at random to s levels below the norm",
      .formula =
          "C(v)_j = |v|_p sign(v_j) l_j / s, where t = s |v_j| / |v|_p\n"
          "l_j = floor(t) + 1 with probability t - floor(t), else floor(t)",
      .paper = "Alistarh et al.: QSGD, NeurIPS 2017, arXiv 1610.02132",
      .params = {levels_param("the number of levels above 0", 32767), norm_param("2")},
      .promises = "unbiased with omega = min(d/s^2, sqrt(d)/s); with p=1 min(d^2/s^2, d/s)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_dithering(const Args& args, const CompressorSetup& setup) {
  return make_dither<T>({.levels = static_cast<std::uint32_t>(args.integer("s")),
                         .norm = norm_of(args),
                         .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_dithering(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_dithering(const Args&, const CompressorSetup&);

std::vector<std::string> dithering_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
