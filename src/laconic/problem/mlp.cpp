// SPDX-License-Identifier: Apache-2.0
// Perceptron with one hidden layer: logits W2 act(W1 a + b1) + b2 with softmax cross-entropy. Rows
// are gathered into blocks; every product is a kernel of fixed order, every block's gradient is
// added to sums in double. Start: W ~ N(0, 2/inputs) for relu (He), N(0, 2/(inputs + outputs)) for
// tanh (Xavier), biases 0.
#include <algorithm>
#include <array>
#include <cmath>

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
        inputs_(this->features()),
        hidden_(static_cast<std::size_t>(args.integer("hidden"))),
        classes_(this->dataset().class_count),
        relu_(args.text("activation") == "relu") {
    const auto hidden = static_cast<std::uint32_t>(hidden_);
    const std::uint32_t classes = this->dataset().class_count;
    this->set_layout(Layout({{.name = "w1", .shape = {hidden, this->features()}},
                             {.name = "b1", .shape = {hidden, 1}, .role = Role::kBias},
                             {.name = "w2", .shape = {classes, hidden}},
                             {.name = "b2", .shape = {classes, 1}, .role = Role::kBias}}));
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
    const Buffers all = take(std::min(kBlock, rows.size()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      const Buffers block = all.first(std::min(kBlock, rows.size() - k), *this);
      forward(rows, k, x, block);
      const std::span<double> row = scratch.row.take(classes_);
      for (std::size_t r = 0; r < block.rows; ++r) {
        cross_entropy_slopes(block.logits.subspan(r * classes_, classes_),
                             this->labels(rows.part())[rows[k + r]], row);
      }
      backward(x, block, k == 0, sums);
      for (std::size_t r = 0; r < block.rows && sink != nullptr; ++r) {
        sink->take(k + r, unit_row(block, r, scratch));
      }
    }
  }

  [[nodiscard]] std::size_t score_count() const override { return classes_; }
  void row_scores(const RowSet& rows, std::span<const T> x, std::span<double> out,
                  ProblemScratch<T>& scratch) const override {
    const Buffers all = take(std::min(kBlock, rows.size()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      const Buffers block = all.first(std::min(kBlock, rows.size() - k), *this);
      forward(rows, k, x, block);
      std::copy(block.logits.begin(), block.logits.end(), out.subspan(k * classes_).begin());
    }
  }

  [[nodiscard]] Counts counts(const RowSet& rows, std::span<const T> x,
                              ProblemScratch<T>& scratch) const override {
    Counts counts;
    const Buffers all = take(std::min(kBlock, rows.size()), scratch);
    for (std::size_t k = 0; k < rows.size(); k += kBlock) {
      const Buffers block = all.first(std::min(kBlock, rows.size() - k), *this);
      forward(rows, k, x, block);
      for (std::size_t r = 0; r < block.rows; ++r) {
        add_cross_entropy<T>(block.logits.subspan(r * classes_, classes_),
                             this->labels(rows.part())[rows[k + r]], counts);
      }
    }
    return counts;
  }

  [[nodiscard]] Constants compute_constants() const override { return {}; }

  [[nodiscard]] std::string model_name() const override {
    return "perceptron " + std::to_string(inputs_) + "-" + std::to_string(hidden_) + "-" +
           std::to_string(classes_) + (relu_ ? " (relu)" : " (tanh)");
  }

 private:
  struct Buffers {
    std::size_t rows = 0;
    std::span<T> inputs = {};   // rows x inputs
    std::span<T> hidden = {};   // rows x hidden: activations
    std::span<T> slopes = {};   // rows x hidden: the loss's slope before the activation
    std::span<T> logits = {};   // rows x classes; then the loss's slope there
    std::span<T> weights = {};  // gradient of the larger weight matrix, of one block

    [[nodiscard]] Buffers first(std::size_t count, const Mlp& mlp) const {
      return {.rows = count,
              .inputs = inputs.first(count * mlp.inputs_),
              .hidden = hidden.first(count * mlp.hidden_),
              .slopes = slopes.first(count * mlp.hidden_),
              .logits = logits.first(count * mlp.classes_),
              .weights = weights};
    }
  };

  [[nodiscard]] Buffers take(std::size_t rows, ProblemScratch<T>& scratch) const {
    const std::size_t weights = hidden_ * std::max(inputs_, classes_);
    std::span<T> rest = scratch.values.take(rows * (inputs_ + 2 * hidden_ + classes_) + weights);
    const auto next = [&rest](std::size_t count) {
      const std::span<T> part = rest.first(count);
      rest = rest.subspan(count);
      return part;
    };
    Buffers buffers{.rows = rows};
    buffers.inputs = next(rows * inputs_);
    buffers.hidden = next(rows * hidden_);
    buffers.slopes = next(rows * hidden_);
    buffers.logits = next(rows * classes_);
    buffers.weights = next(weights);
    return buffers;
  }

  // The four tensors of x, or of anything that lies like it.
  template <class V>
  [[nodiscard]] std::array<std::span<V>, 4> parts(std::span<V> flat) const {
    std::array<std::span<V>, 4> out;
    for (std::size_t t = 0; t < 4; ++t) {
      const Tensor& tensor = this->layout().tensors()[t];
      out[t] = flat.subspan(tensor.offset, tensor.shape.size());
    }
    return out;
  }

  void forward(const RowSet& rows, std::size_t k, std::span<const T> x, const Buffers& b) const {
    const auto [w1, b1, w2, b2] = parts(x);
    gather(this->examples(rows.part()), rows, k, b.rows, b.inputs);
    repeat(b1, b.rows, b.hidden);
    kernels::gemm_nt<T>({.m = b.rows, .n = hidden_, .k = inputs_}, b.inputs, w1, b.hidden);
    for (T& value : b.hidden) {
      value =
          relu_ ? std::max(value, T{0}) : static_cast<T>(exact::tanh(static_cast<double>(value)));
    }
    repeat(b2, b.rows, b.logits);
    kernels::gemm_nt<T>({.m = b.rows, .n = classes_, .k = hidden_}, b.hidden, w2, b.logits);
  }

  // Adds the block's part to the sums, those of the weights being set by the first block.
  // Precondition: b.logits holds the slopes.
  void backward(std::span<const T> x, const Buffers& b, bool is_first,
                std::span<double> sums) const {
    const auto [w1, b1, w2, b2] = parts(x);
    const auto [w1_sums, b1_sums, w2_sums, b2_sums] = parts(sums);
    add_rows<T>(b.logits, b2_sums);
    const std::span<T> w2_block = b.weights.first(w2.size());
    std::fill(w2_block.begin(), w2_block.end(), T{0});
    kernels::gemm_tn<T>({.m = classes_, .n = hidden_, .k = b.rows}, b.logits, b.hidden, w2_block);
    add_block<T>(w2_block, is_first, w2_sums);

    std::fill(b.slopes.begin(), b.slopes.end(), T{0});
    kernels::gemm_nn<T>({.m = b.rows, .n = hidden_, .k = classes_}, b.logits, w2, b.slopes);
    for (std::size_t i = 0; i < b.slopes.size(); ++i) {
      const T active = b.hidden[i];
      const T slope = relu_ ? (active > 0 ? T{1} : T{0}) : T{1} - active * active;
      b.slopes[i] *= slope;
    }
    add_rows<T>(b.slopes, b1_sums);
    const std::span<T> w1_block = b.weights.first(w1.size());
    std::fill(w1_block.begin(), w1_block.end(), T{0});
    kernels::gemm_tn<T>({.m = hidden_, .n = inputs_, .k = b.rows}, b.slopes, b.inputs, w1_block);
    add_block<T>(w1_block, is_first, w1_sums);
  }

  // The gradient of row r of the block: outer products of its slopes with its inputs and with its
  // activations. Precondition: backward has been there.
  [[nodiscard]] UnitRow<T> unit_row(const Buffers& b, std::size_t r,
                                    ProblemScratch<T>& scratch) const {
    const std::span<T> values = scratch.unit.take(this->layout().size());
    const auto [w1, b1, w2, b2] = parts(values);
    const std::span<const T> inputs = b.inputs.subspan(r * inputs_, inputs_);
    const std::span<const T> hidden = b.hidden.subspan(r * hidden_, hidden_);
    const std::span<const T> slopes = b.slopes.subspan(r * hidden_, hidden_);
    const std::span<const T> logits = b.logits.subspan(r * classes_, classes_);
    set_outer(slopes, inputs, w1);
    std::copy(slopes.begin(), slopes.end(), b1.begin());
    set_outer(logits, hidden, w2);
    std::copy(logits.begin(), logits.end(), b2.begin());
    return {.indices = {}, .values = values};
  }

  std::size_t inputs_;
  std::size_t hidden_;
  std::size_t classes_;
  bool relu_;
};

const Card kCard = {
    .kind = "problem",
    .name = "mlp",
    .summary = "perceptron with one hidden layer, softmax cross-entropy",
    .params =
        {
            {.key = "hidden",
             .type = ParamType::kInteger,
             .default_text = "64",
             .help = "units of the hidden layer",
             .min = 1,
             .max = 65536},
            {.key = "activation",
             .type = ParamType::kChoice,
             .default_text = "relu",
             .help = "of the hidden layer",
             .choices = {"relu", "tanh"}},
            {.key = "l2",
             .type = ParamType::kReal,
             .default_text = "0",
             .help = "adds l2/2 times the squared norm of both weight matrices",
             .min = 0,
             .max = 1000000},
        },
    .promises = "gradients are those of the loss (for relu: where no unit is at its kink)",
};

}  // namespace

ProblemMethod mlp_method() {
  return method_of<Mlp>(kCard, {.needs_dataset = true, .unit_gradients = true, .predicts = true});
}

}  // namespace laconic::problem
