// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/balance_options.hpp"

namespace laconic::order {

std::vector<ParamCard> balance_params(bool pairs) {
  std::vector<ParamCard> params = {
      {.key = "rule",
       .type = ParamType::kChoice,
       .default_text = "det-le",
       .help = "det-le: + if <h, v> <= 0; det-lt: + if < 0; walk: + with probability 1/2 - "
               "<h, v>/(2 c M^2)",
       .choices = {"det-le", "det-lt", "walk"}},
      {.key = "c",
       .default_text = "1",
       .help = "walk: its scale; larger is more random",
       .min = 0,
       .max = 1e12,
       .min_open = true},
      {.key = "bound",
       .default_text = "0",
       .help = "walk: M, a bound of |v|_2; 0: the largest norm of the epoch so far",
       .min = 0,
       .max = 1e150},
      {.key = "initial",
       .type = ParamType::kChoice,
       .default_text = "random",
       .help = "the order of the first epoch: random (per worker) or identity",
       .choices = {"random", "identity"}},
      {.key = "reset",
       .type = ParamType::kInteger,
       .default_text = "0",
       .help = "ablation: start the running sum anew every so many vectors; 0: once per epoch",
       .min = 0,
       .max = 1e15},
      {.key = "sum",
       .type = ParamType::kChoice,
       .default_text = "f64",
       .help = "precision of the running sum; f32 is an ablation",
       .choices = {"f64", "f32"}},
      {.key = "sketch",
       .type = ParamType::kInteger,
       .default_text = "0",
       .help = "balance sparse sign projections of so many numbers; 0: whole gradients",
       .min = 0,
       .max = 1048576}};
  if (pairs) {
    params.push_back({.key = "lone",
                      .type = ParamType::kChoice,
                      .default_text = "middle",
                      .help = "the last unit of an odd number: middle: no decision; sign: a "
                              "decision of its raw gradient that is counted (same place)",
                      .choices = {"middle", "sign"}});
  }
  return params;
}

BalanceOptions balance_options(const Args& args, std::uint64_t seed, bool pairs) {
  BalanceOptions options;
  const std::string& rule = args.text("rule");
  options.rule.kind = rule == "det-le"   ? RuleKind::kDetLe
                      : rule == "det-lt" ? RuleKind::kDetLt
                                         : RuleKind::kWalk;
  options.rule.c = args.real("c");
  options.rule.bound = args.real("bound");
  options.rule.seed = seed;
  options.random_start = args.text("initial") == "random";
  options.reset = static_cast<std::uint64_t>(args.integer("reset"));
  options.float_sum = args.text("sum") == "f32";
  options.sketch = static_cast<std::uint32_t>(args.integer("sketch"));
  if (pairs && args.text("lone") == "sign") options.lone = Lone::kSign;
  return options;
}

}  // namespace laconic::order
