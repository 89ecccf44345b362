// SPDX-License-Identifier: Apache-2.0
// two-bit: +tau from tau on, -tau from -tau down, else 0 (quantized-adagrad.md 3.6). It is made for
// error feedback: what is not sent adds up until it reaches tau. Alone it promises nothing, because
// small vectors become 0; with error feedback the memory of a coordinate stays below tau as long as
// no gradient is larger.
#include "laconic/compress/level_quantizer.hpp"
#include "laconic/compress/support.hpp"

namespace laconic::compress {

const Card& two_bit_card() {
  static const Card card = {
      .kind = "compressor",
      .name = "two-bit",
      .summary =
          "plus or minus a fixed threshold for numbers that reach it, else 0; for error feedback",
      .formula = "C(v)_j = tau sign(v_j) if |v_j| >= tau, else 0",
      .paper =
          "Strom: Scalable Distributed DNN Training Using Commodity GPU Cloud Computing, "
          "Interspeech 2015",
      .params = {{.key = "tau",
                  .type = ParamType::kReal,
                  .default_text = "0.5",
                  .help = "the threshold, and what is sent for a number that reaches it",
                  .min = 0,
                  .min_open = true},
                 bucket_param()},
      .promises =
          "promises nothing in terms of the norm; under error feedback no more than tau, or the "
          "largest gradient, is left in a coordinate",
  };
  return card;
}

template <Real T>
std::unique_ptr<Compressor<T>> make_two_bit(const Args& args, const CompressorSetup& setup) {
  return make_level_quantizer<T>({.rule = ScaleRule::kFixed,
                                  .tau = args.real("tau"),
                                  .at_random = false,
                                  .bucket = bucket_of(args),
                                  .workers = setup.workers});
}
template std::unique_ptr<Compressor<float>> make_two_bit(const Args&, const CompressorSetup&);
template std::unique_ptr<Compressor<double>> make_two_bit(const Args&, const CompressorSetup&);

std::vector<std::string> two_bit_problems(const Args&, std::uint32_t) { return {}; }

}  // namespace laconic::compress
