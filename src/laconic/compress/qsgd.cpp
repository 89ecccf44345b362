// SPDX-License-Identifier: Apache-2.0
// qsgd: dithering in buckets of consecutive coordinates, each with its own norm, in the shorter of
// fixed width and Elias codes. Unbiased with omega <= min(b/s^2, sqrt(b)/s) for buckets of b.
#include "laconic/compress/dither.hpp"

namespace laconic::compress {

const Card& qsgd_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "qsgd",
      .summary = "dithering in buckets, sent in the shorter of two codings",
      .formula =
          "in every bucket: C(v)_j = |v|_p sign(v_j) l_j / s, where t = s |v_j| / |v|_p\n"
          "l_j = floor(t) + 1 with probability t - floor(t), else floor(t)",
      .paper = "Alistarh et al.: QSGD, NeurIPS 2017, arXiv 1610.02132",
      .params = {levels_param("the number of levels above 0", 32767),
                 norm_param("2"),
                 {.key = "bucket",
                  .type = ParamType::kInteger,
                  .default_text = "512",
                  .help = "the number of coordinates that share a norm",
                  .min = 1,
                  .max = 1073741824}},
      .promises =
          "unbiased with omega = min(b/s^2, sqrt(b)/s), where b is the smaller of bucket and d; "
          "with p=1 "
          "min(b^2/s^2, b/s)",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_qsgd(const Args& args, const CompressorSetup& setup) {
  return make_dither<T>({.levels = static_cast<std::uint32_t>(args.integer("s")),
                         .norm = norm_of(args),
                         .bucket = static_cast<std::size_t>(args.integer("bucket")),
                         .choose = true,
                         .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_qsgd(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_qsgd(const Args&, const CompressorSetup&);

std::vector<std::string> qsgd_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
