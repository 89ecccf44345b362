// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/estimator.hpp"

#include <algorithm>

#include "laconic/base/assert.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::experiment {
namespace {

// Tensor fields of the streams of purpose kBatch.
constexpr std::uint32_t kExamples = 0;
constexpr std::uint32_t kOwnCoin = 1;
constexpr std::uint32_t kSharedCoin = 2;  // of worker 0

const Card kPage = {
    .kind = "estimator",
    .name = "page",
    .summary = "now and then the full gradient, else corrected by differences over small batches",
    .formula =
        "round 0, and with probability p: v_i = grad f_i(x)\n"
        "else v_i <- v_i + mean over the batch of grad f_ij(x) - grad f_ij(last x)",
    .paper =
        "Fatkhullin et al. 2021, EF21 with bells and whistles (arXiv 2110.03294); Li et al. "
        "2021, PAGE (arXiv 2008.10898)",
    .params =
        {
            {.key = "p",
             .type = ParamType::kReal,
             .default_text = "0.1",
             .help = "the probability of the full gradient",
             .min = 0,
             .max = 1,
             .min_open = true},
            {.key = "batch",
             .type = ParamType::kInteger,
             .default_text = "32",
             .help = "examples of a difference, drawn with replacement",
             .min = 1,
             .max = 2147483647},
            {.key = "coin",
             .type = ParamType::kChoice,
             .default_text = "shared",
             .help = "shared: all workers take the full gradient in the same rounds; worker: each "
                     "has a coin of its own",
             .choices = {"shared", "worker"}},
        },
    .promises = "unbiased given the last estimate; the exact gradient in round 0",
};

}  // namespace

void add_estimator_cards(Catalog& catalog) { catalog.add(kPage); }

template <Real T>
PageEstimator<T>::PageEstimator(const Args& args, const Setup& setup)
    : setup_(setup),
      probability_(args.real("p")),
      shared_coin_(args.text("coin") == "shared"),
      batch_(static_cast<std::size_t>(args.integer("batch"))),
      point_(setup.problem->layout().size()),
      values_(setup.mine.size(), AlignedVector<T>(setup.problem->layout().size())) {}

template <Real T>
bool PageEstimator<T>::takes_full_gradient(std::uint32_t t, std::uint32_t worker) const {
  if (t == 0) return true;
  const rng::Stream coin(setup_.seed, {.purpose = rng::Purpose::kBatch,
                                       .worker = shared_coin_ ? 0 : worker,
                                       .round = t,
                                       .tensor = shared_coin_ ? kSharedCoin : kOwnCoin});
  return rng::Reader(coin).unit_double() < probability_;
}

template <Real T>
std::uint64_t PageEstimator<T>::estimate(std::uint32_t t, std::uint32_t i, std::span<const T> x,
                                         std::span<T> estimate, ProblemScratch<T>& scratch) {
  LACONIC_EXPECTS(i < values_.size());
  LACONIC_EXPECTS(x.size() == point_.size());
  LACONIC_EXPECTS(estimate.size() == point_.size());
  const std::uint32_t worker = setup_.mine.begin + i;
  const std::uint32_t units = setup_.problem->units(worker);
  const std::span<T> value(values_[i]);
  std::uint64_t evaluations = units;
  if (takes_full_gradient(t, worker)) {
    setup_.problem->full_gradient(worker, x, value, scratch);
  } else {
    rng::Reader reader(rng::Stream(
        setup_.seed,
        {.purpose = rng::Purpose::kBatch, .worker = worker, .round = t, .tensor = kExamples}));
    for (std::uint32_t& unit : batch_) unit = static_cast<std::uint32_t>(reader.below(units));
    const std::span<T> at_new = at_new_.take(x.size());
    const std::span<T> at_old = at_old_.take(x.size());
    setup_.problem->batch_gradient(worker, batch_, x, at_new, scratch);
    setup_.problem->batch_gradient(worker, batch_, point_, at_old, scratch);
    kernels::axpy<T>(T{-1}, at_old, at_new);
    kernels::add<T>(at_new, value);
    evaluations = 2 * batch_.size();
  }
  std::copy(value.begin(), value.end(), estimate.begin());
  return evaluations;
}

template <Real T>
void PageEstimator<T>::keep(std::span<const T> x) {
  std::copy(x.begin(), x.end(), point_.begin());
}

template class PageEstimator<float>;
template class PageEstimator<double>;

}  // namespace laconic::experiment
