// SPDX-License-Identifier: Apache-2.0
// What is minimised: f(x) = (1/n) sum_i f_i(x), worker i holding f_i. For problems with data f_i is
// the mean of the losses of worker i's own examples plus the regulariser.
//
// Every result is rounded once from sums in double (or, for dense products, from kernels of fixed
// order), so its bits depend on the arguments alone: not on threads, ranks or the SIMD target.
//
// Thread rule: after construction const methods may run on many threads at once, each with a
// ProblemScratch of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/assert.hpp"
#include "laconic/base/registry.hpp"
#include "laconic/tensor/layout.hpp"
#include "laconic/tensor/sparse.hpp"
#include "laconic/tensor/workspace.hpp"

namespace laconic {

namespace data {
struct Dataset;
}

// What is known in closed form or by power iteration; nothing where it is not known.
struct Constants {
  std::optional<double> l_minus = {};  // L_-: Lipschitz constant of grad f
  // L_+: (1/n) sum |grad f_i(x) - grad f_i(y)|^2 <= L_+^2 |x-y|^2. For problems with data the upper
  // bound sqrt((1/n) sum L_i^2), as in 3pc.md 5.1.
  std::optional<double> l_plus = {};
  std::optional<double> l_plus_minus = {};  // L_+-: Hessian variance
  std::vector<double> l_worker = {};        // L_i, empty when unknown
  // Coordinate-wise smoothness of f (signsgd.md A2), empty when unknown.
  std::vector<double> l_coordinate = {};
  std::optional<double> mu = {};      // PL constant
  std::optional<double> f_star = {};  // min f
};

// Additive over workers: the mean over a group is the sum of the fields divided by the counts.
struct Counts {
  double loss_sum = 0;  // sum of example losses without the regulariser
  std::uint64_t correct = 0;
  std::uint64_t examples = 0;  // 0: the problem has no notion of accuracy
  double smape_sum = 0;        // sum of the examples' symmetric errors in percent (Metric::kSmape)
};

// What counts say beyond the mean loss.
enum class Metric : std::uint8_t {
  kAccuracy,    // correct / examples
  kPerplexity,  // exp(loss_sum / examples): losses are means over the tokens of an example
  kSmape,       // smape_sum / examples, symmetric mean absolute percentage error
};

// f_i(x) and what its examples say, from one pass.
struct Measured {
  double loss = 0;
  Counts train = {};
};

// The gradient of one unit's data loss at a point, without the regulariser (cd-grab.md 2.8, 2.9):
// what example orders look at. Dense: no indices, as many values as the model has coordinates.
// Sparse: the values at `indices`, which are strictly increasing; all others are 0.
template <Real T>
struct UnitRow {
  std::span<const std::uint32_t> indices = {};
  std::span<const T> values = {};
  [[nodiscard]] bool dense() const { return indices.empty() && !values.empty(); }
};

// Who looks at the gradients of single units.
template <Real T>
class UnitSink {
 public:
  virtual ~UnitSink() = default;
  UnitSink() = default;
  UnitSink(const UnitSink&) = delete;
  UnitSink& operator=(const UnitSink&) = delete;
  // The k-th unit of the batch; k = 0, 1, 2, ... The row is valid during the call.
  virtual void take(std::size_t k, const UnitRow<T>& row) = 0;
};

// Memory that a problem's methods work in. One per thread; contents are unspecified between calls.
template <Real T>
struct ProblemScratch {
  Scratch<T> values = {};     // blocks of examples, activations
  Scratch<double> sums = {};  // as long as the model
  Scratch<double> row = {};   // of one example
  Scratch<T> unit = {};       // the gradient of one unit
  Scratch<std::uint32_t> unit_indices = {};
  SparseSums sparse_sums = {};  // of few of the coordinates
};

template <Real T>
class Problem {
 public:
  virtual ~Problem() = default;
  Problem() = default;
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  [[nodiscard]] virtual const Layout& layout() const = 0;
  [[nodiscard]] virtual std::uint32_t workers() const = 0;
  // Examples of a worker; 0 when the problem has no examples (then there are no batches).
  [[nodiscard]] virtual std::uint32_t units(std::uint32_t worker) const = 0;
  // Starting point of seed's experiment; the same on every rank.
  virtual void initial_point(std::uint64_t seed, std::span<T> x) const = 0;
  // g = gradient of the mean loss over the given units (indices into the worker's own examples),
  // plus the regulariser's. Cost linear in the batch and in d. Does not allocate after warm-up.
  // Precondition: units is not empty, every index < units(worker).
  virtual void batch_gradient(std::uint32_t worker, std::span<const std::uint32_t> units,
                              std::span<const T> x, std::span<T> g,
                              ProblemScratch<T>& scratch) const = 0;
  // g = the same bits as batch_gradient's, and in the same pass the gradients of the single units
  // (data loss only) for the sink, in order: their mean plus the regulariser's gradient is g up to
  // rounding. Costs a write of every unit's row beyond batch_gradient. What the sink throws passes
  // through; g is unspecified then. Only where ProblemTraits::unit_gradients.
  virtual void unit_gradients(std::uint32_t worker, std::span<const std::uint32_t> units,
                              std::span<const T> x, std::span<T> g, UnitSink<T>& sink,
                              ProblemScratch<T>& scratch) const = 0;
  // Whether group_gradients may be called: where the gradient of a group costs about as much as
  // that of one example.
  [[nodiscard]] virtual bool takes_groups() const { return false; }
  // As unit_gradients, but the sink gets the mean gradients of groups of consecutive examples of
  // `units`, sizes[k] of them in group k. Precondition: takes_groups(); the sizes, none 0, add up
  // to units.size().
  virtual void group_gradients(std::uint32_t worker, std::span<const std::uint32_t> units,
                               std::span<const std::uint32_t> sizes, std::span<const T> x,
                               std::span<T> g, UnitSink<T>& sink,
                               ProblemScratch<T>& scratch) const {
    static_cast<void>(worker);
    static_cast<void>(units);
    static_cast<void>(sizes);
    static_cast<void>(x);
    static_cast<void>(g);
    static_cast<void>(sink);
    static_cast<void>(scratch);
    LACONIC_EXPECTS(takes_groups());
  }
  // The mean number of entries of an example, where sparse_gradient may be called: where the
  // gradient of an example is 0 but at these, there is no regulariser, and the domain is R^d.
  [[nodiscard]] virtual std::optional<double> sparse_entries() const { return std::nullopt; }
  // g = the numbers of batch_gradient that are not 0, bit for bit, in time linear in the entries of
  // the batch, whatever d is. Does not allocate after warm-up. Preconditions: those of
  // batch_gradient; sparse_entries() is not absent; x is finite where the batch has entries.
  virtual void sparse_gradient(std::uint32_t worker, std::span<const std::uint32_t> units,
                               std::span<const T> x, SparseVector<T>& g,
                               ProblemScratch<T>& scratch) const {
    static_cast<void>(worker);
    static_cast<void>(units);
    static_cast<void>(x);
    static_cast<void>(g);
    static_cast<void>(scratch);
    LACONIC_EXPECTS(sparse_entries().has_value());
  }
  // g = grad f_i(x): the same bits as batch_gradient over all units in increasing order.
  virtual void full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g,
                             ProblemScratch<T>& scratch) const = 0;
  // For problems whose noise is synthetic (ProblemTraits::synthetic_noise): g = grad f_i(x) plus
  // noise drawn for (seed, worker, round). Default: full_gradient.
  virtual void noisy_gradient(std::uint64_t seed, std::uint32_t round, std::uint32_t worker,
                              std::span<const T> x, std::span<T> g,
                              ProblemScratch<T>& scratch) const {
    static_cast<void>(seed);
    static_cast<void>(round);
    full_gradient(worker, x, g, scratch);
  }
  // Moves x to the nearest point of the domain; called after every step. Default: the domain is
  // R^d.
  virtual void project(std::span<T> x) const { static_cast<void>(x); }
  // f_i(x), regulariser included, accumulated in double.
  [[nodiscard]] virtual double loss(std::uint32_t worker, std::span<const T> x,
                                    ProblemScratch<T>& scratch) const = 0;
  // Of the worker's own examples, and of its share of the test set (data::Blocks).
  [[nodiscard]] virtual Counts train_counts(std::uint32_t worker, std::span<const T> x,
                                            ProblemScratch<T>& scratch) const = 0;
  [[nodiscard]] virtual Counts test_counts(std::uint32_t worker, std::span<const T> x,
                                           ProblemScratch<T>& scratch) const = 0;
  // loss and train_counts together, for the price of one where that is possible.
  [[nodiscard]] virtual Measured measure(std::uint32_t worker, std::span<const T> x,
                                         ProblemScratch<T>& scratch) const {
    return {.loss = loss(worker, x, scratch), .train = train_counts(worker, x, scratch)};
  }
  // How many numbers `scores` gives per example; 0: the problem makes no predictions. One number
  // predicts class 1 if it is above 0 and else class 0, several predict the class of the largest,
  // of equal ones the first: what the counts go by.
  [[nodiscard]] virtual std::size_t score_count() const { return 0; }
  // The scores of all examples of a worker, one after the other. Precondition: out.size() ==
  // units(worker) * score_count().
  virtual void scores(std::uint32_t worker, std::span<const T> x, std::span<double> out,
                      ProblemScratch<T>& scratch) const {
    static_cast<void>(worker);
    static_cast<void>(x);
    static_cast<void>(scratch);
    LACONIC_EXPECTS(out.empty());
  }
  // Computed at the first call (may take power iterations), then kept. Thread-safe.
  [[nodiscard]] virtual const Constants& constants() const = 0;
  // f*, where it is known or can be computed: at the first call, then kept. Thread-safe. It is not
  // among the constants where it takes a solver. Default: constants().f_star.
  [[nodiscard]] virtual std::optional<double> minimum() const { return constants().f_star; }
  // "logistic regression, 32561 examples, 123 features, 8 workers".
  [[nodiscard]] virtual std::string description() const = 0;
};

// What a problem is made from. Problems without examples look at workers and seed only.
struct ProblemSetup {
  const data::Dataset* dataset = nullptr;  // outlives the problem
  // Row numbers of dataset->train, one list per worker (data::shard_rows); none empty.
  std::vector<std::vector<std::uint32_t>> shards = {};
  std::uint32_t workers = 1;
  std::uint64_t seed = 0;  // of generated problems
};

template <Real T>
using ProblemRegistry = Registry<Problem<T>, ProblemSetup>;
// Making a problem throws ConfigError when the data set does not suit it.
template <Real T>
[[nodiscard]] const ProblemRegistry<T>& problems();
void add_problem_cards(Catalog& catalog);

// The kind of rows that a problem is made for (data/dataset.hpp).
enum class Takes : std::uint8_t {
  kFeatures,  // numbers without order; images will do
  kImages,    // rows with image_height and image_width
  kTokens,
  kSeries
};

// What has to be known about a problem before its data are loaded.
struct ProblemTraits {
  bool needs_dataset = false;
  bool needs_two_classes = false;  // binary labels, or class labels with two classes
  bool needs_labels = false;       // rows must have labels, of which kind ever
  Takes takes = Takes::kFeatures;
  bool synthetic_noise = false;  // noisy_gradient differs from full_gradient
  bool unit_gradients = false;   // unit_gradients may be called
  bool predicts = false;         // score_count is not 0
  Metric metric = Metric::kAccuracy;
};
// Precondition: name is that of a registered problem.
[[nodiscard]] ProblemTraits problem_traits(std::string_view name);

// ConfigError, which says what to use instead, unless the rows of the data set are of the kind that
// the problem takes and have the labels that it needs.
void check_suits(std::string_view problem, const ProblemTraits& traits,
                 const data::Dataset& dataset);

}  // namespace laconic
