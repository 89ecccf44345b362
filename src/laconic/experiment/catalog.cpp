// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/catalog.hpp"

#include "laconic/aggregate/adversary.hpp"
#include "laconic/aggregate/aggregator.hpp"
#include "laconic/compress/compressor.hpp"
#include "laconic/data/load.hpp"
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

const Card kContiguous = {.kind = "shard",
                          .name = "contiguous",
                          .summary = "the rows in file order, cut into one block per worker",
                          .params = {kDropRemainder},
                          .promises = "near-equal shards; every row in at most one"};
const Card kShuffled = {.kind = "shard",
                        .name = "shuffled",
                        .summary = "a random permutation of the rows, cut into blocks",
                        .params = {kDropRemainder},
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

Catalog build() {
  Catalog catalog;
  add_problem_cards(catalog);
  for (const Card* card : data::data_cards()) catalog.add(*card);
  catalog.add(kContiguous);
  catalog.add(kShuffled);
  catalog.add(kDirichlet);
  add_aggregator_cards(catalog);
  add_mechanism_cards(catalog);
  add_compressor_cards(catalog);
  add_optimizer_cards(catalog);
  add_schedule_cards(catalog);
  add_order_cards(catalog);
  add_adversary_cards(catalog);
  return catalog;
}

}  // namespace

const Catalog& all_cards() {
  static const Catalog kCatalog = build();
  return kCatalog;
}

}  // namespace laconic::experiment
