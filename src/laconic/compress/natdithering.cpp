// SPDX-License-Identifier: Apache-2.0
// natdithering: every number divided by the norm of all and rounded at random to 0, 2^(1-s), ...,
// 1/2, 1 (3pc.md section 3). Unbiased with omega <= 1/8 + c min(1, c), c = d^(1/min(p,2)) 2^(1-s).
#include "laconic/compress/dither.hpp"

namespace laconic::compress {

const Card& natdithering_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "natdithering",
      .summary = "rounding at random to s binary levels below the norm",
      .formula =
          "C(v)_j = |v|_p sign(v_j) l_j, where t = |v_j| / |v|_p\n"
          "l_j = one of the neighbours of t in 0, 2^(1-s), ..., 1/2, 1, so that E l_j = t",
      .paper =
          "Horvath et al.: Natural Compression for Distributed Deep Learning, arXiv 1905.10988",
      .params = {levels_param("the number of levels above 0", 100), norm_param("2")},
      .promises = "unbiased with omega = 1/8 + c min(1, c), where c = d^(1/min(p, 2)) 2^(1-s)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_natdithering(const Args& args, const CompressorSetup& setup) {
  return make_dither<T>({.rule = LevelRule::kBinary,
                         .levels = static_cast<std::uint32_t>(args.integer("s")),
                         .norm = norm_of(args),
                         .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_natdithering(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_natdithering(const Args&, const CompressorSetup&);

std::vector<std::string> natdithering_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
