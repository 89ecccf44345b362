// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/catalog.hpp"

#include "laconic/aggregate/adversary.hpp"
#include "laconic/aggregate/aggregator.hpp"
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

}  // namespace

const Catalog& all_cards() {
  static const Catalog kCatalog = build();
  return kCatalog;
}

}  // namespace laconic::experiment
