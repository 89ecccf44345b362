// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/catalog.hpp"

#include <algorithm>
#include <array>

#include "laconic/aggregate/adversary.hpp"
#include "laconic/aggregate/aggregator.hpp"
#include "laconic/base/assert.hpp"
#include "laconic/channel/analog.hpp"
#include "laconic/channel/link.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/data/load.hpp"
#include "laconic/experiment/estimator.hpp"
#include "laconic/mechanism/mechanism.hpp"
#include "laconic/optim/optimizer.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::experiment {
namespace {

const ParamCard kDropRemainder = {
    .key = "drop_remainder",
    .type = ParamType::kFlag,
    .default_text = "false",
    .help = "whether rows that do not divide evenly among the workers are left out"};
const ParamCard kRows = {.key = "rows",
                         .type = ParamType::kInteger,
                         .default_text = "0",
                         .help = "use the first so many rows of the data only; 0: all",
                         .min = 0,
                         .max = 2147483647};
const ParamCard kMultiple = {.key = "multiple",
                             .type = ParamType::kInteger,
                             .default_text = "0",
                             .help =
                                 "leave rows out until their number is a multiple of this, such "
                                 "as an even number of batches of all workers; 0: keep all",
                             .min = 0,
                             .max = 2147483647};

const Card kContiguous = {.kind = "shard",
                          .name = "contiguous",
                          .summary = "the rows in file order, cut into one block per worker",
                          .params = {kDropRemainder, kRows, kMultiple},
                          .promises = "near-equal shards; every row in at most one"};
const Card kShuffled = {.kind = "shard",
                        .name = "shuffled",
                        .summary = "a random permutation of the rows, cut into blocks",
                        .params = {kDropRemainder, kRows, kMultiple},
                        .promises = "near-equal shards; every row in at most one"};
const Card kDirichlet = {
    .kind = "shard",
    .name = "dirichlet",
    .summary = "per label, shares over the workers drawn from a Dirichlet distribution",
    .paper = "Hsu, Qi, Brown 2019, arXiv 1909.06335",
    .params = {{.key = "alpha",
                .type = ParamType::kReal,
                .default_text = "1",
                .help = "the concentration; small values give every worker few labels",
                .min = 0,
                .min_open = true}},
    .promises = "every row in exactly one shard; no shard is empty"};

const Card kByLabel = {.kind = "shard",
                       .name = "by-label",
                       .summary = "the rows sorted by label, cut into one block per worker",
                       .params = {kDropRemainder, kRows, kMultiple},
                       .promises = "near-equal shards of few labels; every row in at most one"};
const Card kHomogeneous = {
    .kind = "shard",
    .name = "homogeneous",
    .summary = "a part of its own for every worker, or with probability level a common one",
    .paper = "Szlendak, Tyurin, Richtarik 2021, Perm-K (arXiv 2110.03300)",
    .params = {{.key = "level",
                .type = ParamType::kReal,
                .default_text = "1",
                .help = "probability of the common part; 1 makes all workers alike",
                .min = 0,
                .max = 1}},
    .promises = "equal shards of workers + 1 parts of the file; workers may share the common one"};

Catalog build() {
  Catalog catalog;
  add_problem_cards(catalog);
  for (const Card* card : data::data_cards()) catalog.add(*card);
  catalog.add(kContiguous);
  catalog.add(kShuffled);
  catalog.add(kDirichlet);
  catalog.add(kByLabel);
  catalog.add(kHomogeneous);
  add_aggregator_cards(catalog);
  add_mechanism_cards(catalog);
  add_compressor_cards(catalog);
  add_optimizer_cards(catalog);
  add_schedule_cards(catalog);
  add_order_cards(catalog);
  add_adversary_cards(catalog);
  add_channel_cards(catalog);
  add_link_cards(catalog);
  add_estimator_cards(catalog);
  return catalog;
}

constexpr std::array kKinds = {
    KindCard{.kind = "problem",
             .title = "Problems",
             .summary =
                 "What is minimised: the setting `problem`. Worker i has a function f_i, and "
                 "f is their mean.",
             .symbols = "a: a row of the data of worker i; <., .>: the scalar product; |.|: the "
                        "Euclidean norm; N(m, v): normal with mean m and variance v"},
    KindCard{.kind = "data",
             .title = "Data",
             .summary = "Where examples come from: the setting `data`. Known data sets are "
                        "downloaded by laconic data fetch."},
    KindCard{.kind = "shard",
             .title = "Shardings",
             .summary = "Which worker gets which rows of the data: the setting `shard`."},
    KindCard{.kind = "aggregator",
             .title = "Aggregators",
             .summary = "How the gradients of the workers become one direction: the setting "
                        "`aggregator`.",
             .symbols = "g_i: the gradient of worker i of n; C, Q: the inner compressor; e_i: what "
                        "worker i remembers, 0 at the start, e: the server's; d: coordinates of "
                        "the tensor; <-: the value that is kept for the next round; sign(0), and a "
                        "tie of a vote, as the parameters say"},
    KindCard{.kind = "mechanism",
             .title = "Mechanisms",
             .summary =
                 "What a worker sends under the aggregator `mirror`: a three-point map. With "
                 "A and B, E|h' - x|^2 <= (1 - A) |h - y|^2 + B |x - y|^2.",
             .symbols = "x: the worker's new gradient; y: the one before; h: what the server "
                        "believes of it, h': what it believes then; C: the inner compressor, "
                        "contractive; Q: an unbiased one; |.|: the Euclidean norm; alpha, omega: "
                        "see compressors; i: the worker of n"},
    KindCard{.kind = "compressor",
             .title = "Compressors",
             .summary = "What a vector becomes on its way: behind the colon of `ef`, `quantized`, "
                        "`air` and of mechanisms. C is contractive with alpha if E|C(v) - v|^2 <= "
                        "(1 - alpha) |v|^2, and unbiased with omega if E C(v) = v and E|C(v) - "
                        "v|^2 <= omega |v|^2.",
             .symbols =
                 "v: the vector, one tensor of d coordinates v_j; |.|: the Euclidean norm, "
                 "|.|_p: the p-norm, |.|_inf: the largest magnitude; n: workers; E: the mean over "
                 "the draws of the compressor"},
    KindCard{.kind = "optimizer",
             .title = "Optimizers",
             .summary =
                 "What is done with the direction: the setting `optimizer`. All of them take "
                 "a weight decay, coupled (lambda x is added to every worker's gradient) or "
                 "decoupled (x <- (1 - eta lambda) x before the step).",
             .symbols = "x: the model, x0: at the start; u: the direction; eta: the step size of "
                        "the round; memories start at 0; products, squares and roots are "
                        "coordinate by coordinate"},
    KindCard{.kind = "schedule",
             .title = "Schedules",
             .summary = "By what the step size is multiplied in a round: the setting `schedule`.",
             .symbols = "t: the round, from 0; T: the number of rounds"},
    KindCard{.kind = "order",
             .title = "Example orders",
             .summary = "In which order a worker visits its units, single examples or groups of "
                        "them: the setting `order`.",
             .symbols =
                 "n: the worker's units; z_j: the gradient of the unit that was visited j-th "
                 "in this epoch, j and k from 0; <., .>: the scalar product; rule=det-lt: + "
                 "for < 0 only; rule=walk: + with probability 1/2 - <., .>/(2 c M^2)"},
    KindCard{.kind = "adversary",
             .title = "Adversaries",
             .summary = "Workers that lie: the setting `adversary`. The workers of the lowest "
                        "numbers send something else than their gradient."},
    KindCard{.kind = "channel",
             .title = "Channels",
             .summary = "The air between workers and server: the parameter `channel` of `laser`, "
                        "`air`, `air-sign`, `air-sketch` and `adsgd`.",
             .symbols = "x_i: what worker i transmits; y: what the server receives, per use of the "
                        "channel; Re: the real part"},
    KindCard{.kind = "link",
             .title = "Links",
             .summary = "What happens to uplink frames on their way: the setting `link`."},
    KindCard{.kind = "estimator",
             .title = "Estimators",
             .summary = "What workers aggregate instead of gradients: the setting `estimator`.",
             .symbols = "f_ij: the function of example j of worker i; v_i: what worker i gives to "
                        "the aggregator; x: the model, last x: that of the round before"},
};

}  // namespace

const KindCard& kind_card(std::string_view kind) {
  const auto* card = std::find_if(kKinds.begin(), kKinds.end(),
                                  [kind](const KindCard& k) { return k.kind == kind; });
  LACONIC_EXPECTS(card != kKinds.end());
  return *card;
}

const Catalog& all_cards() {
  static const Catalog kCatalog = build();
  return kCatalog;
}

}  // namespace laconic::experiment
