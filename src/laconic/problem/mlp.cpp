// SPDX-License-Identifier: Apache-2.0
// Perceptron with one or more hidden layers: a_l = act(W_l a_(l-1) + b_l), the last layer without
// act into softmax cross-entropy. Rows are gathered into blocks; every product is a kernel of fixed
// order, every block's gradient is added to sums in double. Start: W ~ N(0, 2/inputs) for relu
// (He), N(0, 2/(inputs + outputs)) for tanh (Xavier), of the layer's inputs and outputs; biases 0.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "laconic/base/error.hpp"
#include "laconic/base/exact_math.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/cross_entropy.hpp"
#include "laconic/problem/example_problem.hpp"
#include "laconic/problem/methods.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

constexpr std::size_t kBlock = 128;  // rows per matrix product; part of the order of summation

// Every one of `rows` rows of out becomes bias.
template <Real T>
void repeat(std::span<const T> bias, std::size_t rows, std::span<T> out) {
  for (std::size_t r = 0; r < rows; ++r) {
    std::copy(bias.begin(), bias.end(), out.begin() + static_cast<std::ptrdiff_t>(r * bias.size()));
  }
}

template <Real T>
void add_rows(std::span<const T> matrix, std::span<double> sums) {
  for (std::size_t i = 0; i < matrix.size(); i += sums.size()) {
    for (std::size_t c = 0; c < sums.size(); ++c) sums[c] += static_cast<double>(matrix[i + c]);
  }
}

// sums (+)= block. Assigning the first block spares small batches a pass over memory.
template <Real T>
void add_block(std::span<const T> block, bool is_first, std::span<double> sums) {
  if (is_first) {
    std::copy(block.begin(), block.end(), sums.begin());
  } else {
    for (std::size_t i = 0; i < block.size(); ++i) sums[i] += static_cast<double>(block[i]);
  }
}

// out (a.size() x b.size()) = a b^T. A slope of 0 (a relu unit that is off) spares its products.
template <Real T>
void set_outer(std::span<const T> a, std::span<const T> b, std::span<T> out) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const std::span<T> line = out.subspan(i * b.size(), b.size());
    if (a[i] == 0) {
      std::fill(line.begin(), line.end(), T{0});
    } else {
      for (std::size_t j = 0; j < b.size(); ++j) line[j] = a[i] * b[j];
    }
  }
}

template <class T>
class Mlp final : public ExampleProblem<T> {
 public:
  Mlp(const Args& args, const ProblemSetup& setup)
      : ExampleProblem<T>(setup, {.l2 = args.real("l2")}),
        relu_(args.text("activation") == "relu") {
    widths_.push_back(this->features());
    for (const std::int64_t units : args.integers("hidden")) {
      widths_.push_back(static_cast<std::uint32_t>(units));
    }
    widths_.push_back(this->dataset().class_count);
    expect_few_parameters(args.text("hidden"));
    std::vector<Tensor> tensors;
    offsets_.push_back(0);
    for (std::size_t l = 0; l < widths_.size(); ++l) {
      offsets_.push_back(offsets_[l] + widths_[l]);
      if (l == 0) continue;
      tensors.push_back({.name = fmt::format("w{}", l), .shape = {widths_[l], widths_[l - 1]}});
      tensors.push_back(
          {.name = fmt::format("b{}", l), .shape = {widths_[l], 1}, .role = Role::kBias});
      largest_weights_ = std::max(largest_weights_, std::size_t{widths_[l]} * widths_[l - 1]);
    }
    this->set_layout(Layout(std::move(tensors)));
  }

  void initial_point(std::uint64_t seed, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    std::fill(x.begin(), x.end(), T{0});
    std::uint32_t number = 0;
    for (const Tensor& tensor : this->layout().tensors()) {
      const rng::Stream stream(seed, {.purpose = rng::Purpose::kInitial, .tensor = number++});
      if (tensor.role == Role::kBias) continue;
      const auto outputs = static_cast<double>(tensor.shape.rows);
      const double fan = static_cast<double>(tensor.shape.cols) + (relu_ ? 0.0 : outputs);
      rng::fill_normal(stream, {.deviation = std::sqrt(2 / fan)}, span_of(tensor, x).values);
    }
  }

 protected:
  void gradient_sums(const RowSet& rows, std::span<const T> x, std::span<double> sums,
                     ProblemScratch<T>& scratch, UnitSink<T>* sink) const override {
    for (const Tensor& tensor : this->layout().tensors()) {
      if (tensor.role != Role::kBias) continue;
      const std::span<double> bias = sums.subspan(tensor.offset, tensor.shape.size());
      std::fill(bias.begin(), bias.end(), 0.0);
    }
    Buffers block = take(std::min(kBlock, rows.size()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      block.rows = std::min(kBlock, rows.size() - k);
      forward(rows, k, x, block);
      const std::span<double> row = scratch.row.take(widths_.back());
      for (std::size_t r = 0; r < block.rows; ++r) {
        cross_entropy_slopes(row_of(layers(), r, values(layers(), block)),
                             this->labels(rows.part())[rows[k + r]], row);
      }
      backward(x, block, k == 0, sums);
      for (std::size_t r = 0; r < block.rows && sink != nullptr; ++r) {
        sink->take(k + r, unit_row(block, r, scratch));
      }
    }
  }

  [[nodiscard]] std::size_t score_count() const override { return widths_.back(); }
  void row_scores(const RowSet& rows, std::span<const T> x, std::span<double> out,
                  ProblemScratch<T>& scratch) const override {
    Buffers block = take(std::min(kBlock, rows.size()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      block.rows = std::min(kBlock, rows.size() - k);
      forward(rows, k, x, block);
      for (std::size_t r = 0; r < block.rows; ++r) {
        const auto logits = row_of(layers(), r, values(layers(), block));
        std::copy(logits.begin(), logits.end(), out.subspan((k + r) * logits.size()).begin());
      }
    }
  }

  [[nodiscard]] Counts counts(const RowSet& rows, std::span<const T> x,
                              ProblemScratch<T>& scratch) const override {
    Counts counts;
    Buffers block = take(std::min(kBlock, rows.size()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      block.rows = std::min(kBlock, rows.size() - k);
      forward(rows, k, x, block);
      for (std::size_t r = 0; r < block.rows; ++r) {
        add_cross_entropy<T>(row_of(layers(), r, values(layers(), block)),
                             this->labels(rows.part())[rows[k + r]], counts);
      }
    }
    return counts;
  }

  [[nodiscard]] Constants compute_constants() const override { return {}; }

  [[nodiscard]] std::string model_name() const override {
    return fmt::format("perceptron {} ({})", fmt::join(widths_, "-"), relu_ ? "relu" : "tanh");
  }

 private:
  struct Buffers {
    std::size_t rows = 0;
    std::span<T> values = {};   // of every layer, rows x width: inputs, activations, logits; in the
                                // place of the logits then the loss's slopes there
    std::span<T> slopes = {};   // of every hidden layer: the loss's slope before the activation
    std::span<T> weights = {};  // gradient of one weight matrix, of one block
  };

  // Layer 0 are the inputs, layer layers() the logits; layer l > 0 has tensors w_l and b_l.
  [[nodiscard]] std::size_t layers() const { return widths_.size() - 1; }

  void expect_few_parameters(const std::string& hidden) const {
    std::uint64_t count = 0;
    for (std::size_t l = 1; l < widths_.size(); ++l) {
      count += std::uint64_t{widths_[l]} * (std::uint64_t{widths_[l - 1]} + 1);
    }
    constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
    if (count <= kMost) return;
    throw ConfigError(fmt::format(
        "mlp: hidden={} on {} features makes {} parameters, more than {}; take fewer units", hidden,
        widths_[0], count, kMost));
  }

  [[nodiscard]] Buffers take(std::size_t rows, ProblemScratch<T>& scratch) const {
    const std::size_t all = rows * offsets_.back();
    const std::size_t hidden = rows * (offsets_[layers()] - offsets_[1]);
    const std::span<T> memory = scratch.values.take(all + hidden + largest_weights_);
    return {.rows = rows,
            .values = memory.first(all),
            .slopes = memory.subspan(all, hidden),
            .weights = memory.subspan(all + hidden)};
  }
  [[nodiscard]] std::span<T> values(std::size_t layer, const Buffers& b) const {
    return b.values.subspan(b.rows * offsets_[layer], b.rows * widths_[layer]);
  }
  [[nodiscard]] std::span<T> slopes(std::size_t layer, const Buffers& b) const {
    if (layer == layers()) return values(layer, b);
    return b.slopes.subspan(b.rows * (offsets_[layer] - offsets_[1]), b.rows * widths_[layer]);
  }
  [[nodiscard]] std::span<T> row_of(std::size_t layer, std::size_t row, std::span<T> values) const {
    return values.subspan(row * widths_[layer], widths_[layer]);
  }

  // The weights and the biases of layer l in x, or in anything that lies like it.
  template <class V>
  [[nodiscard]] std::span<V> weights_of(std::size_t layer, std::span<V> flat) const {
    const Tensor& tensor = this->layout().tensors()[2 * layer - 2];
    return flat.subspan(tensor.offset, tensor.shape.size());
  }
  template <class V>
  [[nodiscard]] std::span<V> biases_of(std::size_t layer, std::span<V> flat) const {
    const Tensor& tensor = this->layout().tensors()[2 * layer - 1];
    return flat.subspan(tensor.offset, tensor.shape.size());
  }

  void forward(const RowSet& rows, std::size_t k, std::span<const T> x, const Buffers& b) const {
    gather(this->examples(rows.part()), rows, k, b.rows, values(0, b));
    for (std::size_t l = 1; l <= layers(); ++l) {
      const std::span<T> out = values(l, b);
      repeat(biases_of(l, x), b.rows, out);
      kernels::gemm_nt<T>({.m = b.rows, .n = widths_[l], .k = widths_[l - 1]}, values(l - 1, b),
                          weights_of(l, x), out);
      if (l < layers()) activate(out);
    }
  }

  void activate(std::span<T> values) const {
    for (T& value : values) {
      value =
          relu_ ? std::max(value, T{0}) : static_cast<T>(exact::tanh(static_cast<double>(value)));
    }
  }

  // Adds the block's part to the sums, those of the weights being set by the first block.
  // Precondition: the logits' place holds the slopes.
  void backward(std::span<const T> x, const Buffers& b, bool is_first,
                std::span<double> sums) const {
    for (std::size_t l = layers(); l > 0; --l) {
      add_rows<T>(slopes(l, b), biases_of(l, sums));
      const std::span<double> weight_sums = weights_of(l, sums);
      const std::span<T> block = b.weights.first(weight_sums.size());
      std::fill(block.begin(), block.end(), T{0});
      kernels::gemm_tn<T>({.m = widths_[l], .n = widths_[l - 1], .k = b.rows}, slopes(l, b),
                          values(l - 1, b), block);
      add_block<T>(block, is_first, weight_sums);
      if (l > 1) set_slopes(l - 1, x, b);
    }
  }

  // The slopes of a hidden layer from those of the next.
  void set_slopes(std::size_t layer, std::span<const T> x, const Buffers& b) const {
    const std::span<T> out = slopes(layer, b);
    const std::span<const T> active = values(layer, b);
    std::fill(out.begin(), out.end(), T{0});
    kernels::gemm_nn<T>({.m = b.rows, .n = widths_[layer], .k = widths_[layer + 1]},
                        slopes(layer + 1, b), weights_of(layer + 1, x), out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i] *= relu_ ? (active[i] > 0 ? T{1} : T{0}) : T{1} - active[i] * active[i];
    }
  }

  // The gradient of row r of the block: outer products of its slopes with what the layer was
  // given. Precondition: backward has been there.
  [[nodiscard]] UnitRow<T> unit_row(const Buffers& b, std::size_t r,
                                    ProblemScratch<T>& scratch) const {
    const std::span<T> unit = scratch.unit.take(this->layout().size());
    for (std::size_t l = 1; l <= layers(); ++l) {
      const std::span<const T> row_slopes = row_of(l, r, slopes(l, b));
      const std::span<const T> row_inputs = row_of(l - 1, r, values(l - 1, b));
      set_outer(row_slopes, row_inputs, weights_of(l, unit));
      std::copy(row_slopes.begin(), row_slopes.end(), biases_of(l, unit).begin());
    }
    return {.indices = {}, .values = unit};
  }

  std::vector<std::uint32_t> widths_ = {};  // inputs, hidden layers, classes
  std::vector<std::size_t> offsets_ = {};   // sums of the widths before
  std::size_t largest_weights_ = 0;
  bool relu_;
};

const Card kMlpCard = {
    .kind = "problem",
    .name = "mlp",
    .summary = "perceptron with one or more hidden layers, softmax cross-entropy",
    .params =
        {
            {.key = "hidden",
             .type = ParamType::kIntegers,
             .default_text = "64",
             .help = "the units of every hidden layer, from the inputs on",
             .min = 1,
             .max = 65536},
            {.key = "activation",
             .type = ParamType::kChoice,
             .default_text = "relu",
             .help = "of the hidden layers",
             .choices = {"relu", "tanh"}},
            {.key = "l2",
             .type = ParamType::kReal,
             .default_text = "0",
             .help = "adds l2/2 times the squared norm of the weight matrices",
             .min = 0,
             .max = 1000000},
        },
    .promises = "gradients are those of the loss (for relu: where no unit is at its kink)",
};

}  // namespace

ProblemMethod mlp_method() {
  return method_of<Mlp>(
      kMlpCard,
      {.needs_dataset = true, .needs_labels = true, .unit_gradients = true, .predicts = true});
}

}  // namespace laconic::problem
