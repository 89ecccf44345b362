// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/config_keys.hpp"

#include <array>

namespace laconic::experiment {
namespace {

constexpr std::string_view kRequired = "required";
constexpr std::string_view kNone = "none";

constexpr std::array kExperimentKeys = {
    ConfigKey{.name = "name",
              .type = "text",
              .default_text = kRequired,
              .meaning = "names the experiment and the folder `out/NAME`; letters, digits, `-`, "
                         "`_`, `.` (not first)"},
    ConfigKey{.name = "problem",
              .type = "spec of a [problem](methods/problem.md)",
              .default_text = kRequired,
              .meaning = "what is minimised"},
    ConfigKey{.name = "data",
              .type = "spec of [data](methods/data.md)",
              .default_text = "required by problems with examples",
              .meaning = "a known data set, a generator or a file ([data.md](data.md))"},
    ConfigKey{.name = "shard",
              .type = "spec of a [sharding](methods/shard.md)",
              .default_text = "`contiguous`",
              .meaning = "which worker gets which rows"},
    ConfigKey{.name = "seed",
              .type = "whole number from 0",
              .default_text = "1",
              .meaning = "all randomness derives from it"},
    ConfigKey{.name = "repeats",
              .type = "1 to 10000",
              .default_text = "1",
              .meaning = "runs with seeds `seed`, `seed+1`, ...; the data stay the same, "
                         "everything else is drawn anew; `summary.json` holds means"},
    ConfigKey{.name = "precision",
              .type = "`\"float\"` or `\"double\"`",
              .default_text = "`\"float\"`",
              .meaning = "of models, gradients and messages"},
    ConfigKey{.name = "record_every",
              .type = "rounds, or `\"epoch\"`",
              .default_text = "a fiftieth of the rounds",
              .meaning = "how often the state is measured; round 0 and the last round always are. "
                         "`\"epoch\"`: after every pass over the longest shard, for methods that "
                         "take whole shards a fiftieth of the rounds"},
    ConfigKey{.name = "record_gradient",
              .type = "flag",
              .default_text = "`true`",
              .meaning = "measure the norm of the full gradient, too: one more pass over the data "
                         "per record"},
    ConfigKey{.name = "record_excess",
              .type = "flag",
              .default_text = "`false`",
              .meaning = "also record f - f\\*, where f\\* is known: for quadratics, and for "
                         "`logistic` with l2 > nonconvex / 2 and up to 2048 features, whose f\\* "
                         "is then computed by Newton's method (of the rows that the shards hold)"},
    ConfigKey{.name = "sparse",
              .type = "`\"auto\"` or `\"never\"`",
              .default_text = "`\"auto\"`",
              .meaning = "leave out the zeros of gradients, messages and models where that pays "
                         "([sparse rounds](configuration.md#sparse-rounds)). No record depends on "
                         "it"},
    ConfigKey{.name = "network",
              .type = "table",
              .default_text = kNone,
              .meaning = "a network whose seconds are predicted: [below](#network)"},
    ConfigKey{.name = "sweep",
              .type = "table",
              .default_text = kNone,
              .meaning = "a grid of values to try: [below](#sweep)"},
    ConfigKey{.name = "method",
              .type = "list of tables",
              .default_text = kRequired,
              .meaning = "what is compared: a `[[method]]` each, with "
                         "[settings of its own](#settings-of-a-method)"},
};

constexpr std::string_view kMethodName = "name";  // the one that is no shared setting

constexpr std::array kMethodKeys = {
    ConfigKey{.name = kMethodName,
              .type = "text",
              .default_text = "the method's spec",
              .meaning = "how the method is called in tables and records; only in a `[[method]]`"},
    ConfigKey{.name = "aggregator",
              .type = "spec of an [aggregator](methods/aggregator.md)",
              .default_text = kRequired,
              .meaning = "how gradients become a direction"},
    ConfigKey{.name = "step",
              .type = "number, `\"theory\"`, `\"pl\"`, `\"theory*FACTOR\"` or `\"pl*FACTOR\"`",
              .default_text = kRequired,
              .meaning = "step size eta before the schedule "
                         "([steps from theory](configuration.md#steps-from-theory))"},
    ConfigKey{.name = "rounds",
              .type = "whole number",
              .default_text = "this one or `epochs` is required",
              .meaning = "how many rounds"},
    ConfigKey{.name = "epochs",
              .type = "whole number",
              .default_text = "this one or `rounds` is required",
              .meaning = "passes over the longest shard; only for problems with examples. `rounds` "
                         "or `epochs` of a method replaces both of the shared ones"},
    ConfigKey{.name = "until",
              .type = "`\"QUANTITY <= NUMBER\"`",
              .default_text = kNone,
              .meaning = "the target: `grad_norm2` (squared norm of the gradient of f), "
                         "`grad_norm`, `loss`, or `loss_gap` (f - f\\*, where f\\* is known as for "
                         "`record_excess`) "
                         "([when a method ends](configuration.md#when-a-method-ends))"},
    ConfigKey{.name = "budget",
              .type = "a number and `bit`, `kbit`, `Mbit` or `Gbit`, e.g. `\"5Mbit\"`",
              .default_text = kNone,
              .meaning = "uplink bits per worker after which a method ends; payload bits, or with "
                         "a second word what another meter counts: `\"5Mbit wire\"`, `\"5Mbit "
                         "frame\"`"},
    ConfigKey{.name = "workers",
              .type = "1 to 100000",
              .default_text = "required among the shared settings",
              .meaning = "workers of the algorithm, whatever the number of ranks"},
    ConfigKey{.name = "batch",
              .type = "examples per worker, `\"full\"` or `\"noisy\"`",
              .default_text = "`\"full\"`",
              .meaning = "`full`: the exact gradient of the worker's function; `noisy`: with the "
                         "noise of a synthetic problem"},
    ConfigKey{.name = "estimator",
              .type = "spec of an [estimator](methods/estimator.md) or `\"none\"`",
              .default_text = "`\"none\"`",
              .meaning = "what workers aggregate instead of gradients: `page:p=0.1,batch=32` takes "
                         "the full gradient with probability p and otherwise adds the difference "
                         "of the gradients at this and the last point over `batch` examples; with "
                         "`batch = \"full\"` only, and targets are checked at records"},
    ConfigKey{.name = "order",
              .type = "spec of an [order](methods/order.md)",
              .default_text = "`reshuffle`",
              .meaning = "in which order a worker visits its examples ([orders.md](orders.md))"},
    ConfigKey{.name = "order_from",
              .type = "`\"gradients\"` or `\"messages\"`",
              .default_text = "`\"gradients\"`",
              .meaning = "what an order that observes looks at "
                         "([orders that look at gradients]"
                         "(configuration.md#orders-that-look-at-gradients))"},
    ConfigKey{.name = "unit",
              .type = "examples",
              .default_text = "1",
              .meaning = "how many examples an order moves together: unit u of a worker is the "
                         "fixed group of its examples u \\* unit to u \\* unit + unit - 1. Divides "
                         "`batch`"},
    ConfigKey{.name = "optimizer",
              .type = "spec of an [optimizer](methods/optimizer.md)",
              .default_text = "`sgd`",
              .meaning = "what is done with the direction"},
    ConfigKey{.name = "schedule",
              .type = "spec of a [schedule](methods/schedule.md)",
              .default_text = "`constant`",
              .meaning = "how the step size changes over the rounds"},
    ConfigKey{.name = "adversary",
              .type = "spec of an [adversary](methods/adversary.md) or `\"none\"`",
              .default_text = "`\"none\"`",
              .meaning = "workers that lie"},
    ConfigKey{.name = "link",
              .type = "spec of a [link](methods/link.md) or `\"none\"`",
              .default_text = "`\"none\"`",
              .meaning = "a bad link under the uplink frames ([channels.md](channels.md))"},
    ConfigKey{.name = "allow_divergence",
              .type = "flag",
              .default_text = "`false`",
              .meaning = "a gradient that is not finite ends the method either way; with `true` "
                         "the run does not count as failed"},
};

constexpr std::array kNetworkKeys = {
    ConfigKey{.name = "bandwidth",
              .type = "a number and `bit/s`, `kbit/s`, `Mbit/s` or `Gbit/s`, e.g. `\"100Mbit/s\"`",
              .default_text = kRequired,
              .meaning = "of every worker's link"},
    ConfigKey{.name = "latency",
              .type = "a number and `s`, `ms` or `us`, e.g. `\"1ms\"`",
              .default_text = kRequired,
              .meaning = "of a message"},
};

constexpr std::array kSweepKeys = {
    ConfigKey{.name = "select",
              .type = "a name or a list of names",
              .default_text = kNone,
              .meaning = "over these the best cell is chosen, for every method and every "
                         "combination of the other names"},
    ConfigKey{.name = "criterion",
              .type = "text",
              .default_text = "`\"uplink_bits\"`",
              .meaning = "what the best cell has least of: `uplink_bits` (payload bits), "
                         "`wire_bits` or `rounds` until the target is reached (needs `until`), "
                         "`grad_norm2`, `loss` or `objective` (the loss where there is no l1 term) "
                         "at the end; or most of: `test_accuracy`"},
};

}  // namespace

std::span<const ConfigKey> config_keys(KeyTable table) {
  switch (table) {
    case KeyTable::kExperiment:
      return kExperimentKeys;
    case KeyTable::kMethod:
      return kMethodKeys;
    case KeyTable::kNetwork:
      return kNetworkKeys;
    case KeyTable::kSweep:
      return kSweepKeys;
  }
  return {};
}

std::vector<std::string_view> valid_keys(KeyTable table) {
  std::vector<std::string_view> names;
  for (const ConfigKey& key : config_keys(table)) names.push_back(key.name);
  if (table != KeyTable::kExperiment) return names;
  for (const ConfigKey& key : config_keys(KeyTable::kMethod)) {
    if (key.name != kMethodName) names.push_back(key.name);
  }
  return names;
}

}  // namespace laconic::experiment
