// SPDX-License-Identifier: Apache-2.0
// Linear autoencoder (3pc.md 5.3): f_i(x) = mean of |D E a - a|^2 over worker i's rows a, x = (D,
// E), D features x code, E code x features; labels are not used. Start: all entries N(0, scale^2 /
// features).
//
// With Z = A E^T, W = A D, G = D^T D and Y = Z G - W (one row per example) the gradients are
//   2 (D Z^T Z - A^T Z) / m   with respect to D,
//   2 Y^T A / m               with respect to E,
// so that the examples A enter four products, in which their zeros cost nothing (four of five
// pixels of MNIST), and no matrix of the size of A is formed. The Gram matrix A^T A would make the
// cost independent of the rows, but for 600 images of 784 pixels it takes 3.5 times the operations
// and 4.9 MB per worker. The loss is summed from the residuals themselves and so never negative.
// Everything is double and rounded once to T at the end.
#include <algorithm>
#include <array>
#include <cmath>

#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/example_problem.hpp"
#include "laconic/problem/methods.hpp"
#include "laconic/problem/sparse_parts.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

// Rows per product; the order of summation does not depend on them.
constexpr std::size_t kBlock = 128;
constexpr std::size_t kLossBlock = 32;  // smaller, because residuals are as long as the features

template <class T>
class Autoencoder final : public ExampleProblem<T> {
 public:
  Autoencoder(const Args& args, const ProblemSetup& setup)
      : ExampleProblem<T>(setup, {}),
        rows_(this->dataset()),
        features_(this->features()),
        code_(static_cast<std::size_t>(args.integer("code"))),
        scale_(args.real("scale")) {
    const auto code = static_cast<std::uint32_t>(code_);
    this->set_layout(Layout({{.name = "decoder", .shape = {this->features(), code}},
                             {.name = "encoder", .shape = {code, this->features()}}}));
  }

  void initial_point(std::uint64_t seed, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    std::uint32_t number = 0;
    for (const Tensor& tensor : this->layout().tensors()) {
      const rng::Stream stream(seed, {.purpose = rng::Purpose::kInitial, .tensor = number++});
      rng::fill_normal(stream, {.deviation = scale_ / std::sqrt(static_cast<double>(features_))},
                       span_of(tensor, x).values);
    }
  }

 protected:
  void gradient_sums(const RowSet& rows, std::span<const T> x, std::span<double> sums,
                     ProblemScratch<T>& scratch, UnitSink<T>* sink) const override {
    const Buffers b = take(scratch);
    set_model(x, b);
    std::size_t k = 0;  // the next row for the sink
    std::fill(b.cross.begin(), b.cross.end(), 0.0);
    std::fill(b.back.begin(), b.back.end(), 0.0);
    const std::size_t wide = 2 * code_;
    const auto add = [&](const kernels::CompressedRows& a, std::span<const std::uint32_t> ids) {
      const std::span<double> zw = b.codes.first(ids.size() * wide);
      const std::span<double> zy = b.turned.first(ids.size() * wide);
      kernels::sparse_nn(a, ids, wide, b.both, zw);
      kernels::gemm_tn<double>({.m = wide, .n = wide, .k = ids.size()}, zw, zw, b.cross);
      std::fill(zy.begin(), zy.end(), 0.0);
      kernels::gemm_nn<double>({.m = ids.size(), .n = wide, .k = wide}, zw, b.turn, zy);
      kernels::sparse_tn(a, ids, wide, zy, b.back);
      for (std::size_t r = 0; r < ids.size() && sink != nullptr; ++r) {
        sink->take(k++, unit_row({.a = a, .row = ids[r]}, zy.subspan(r * wide, wide), b, scratch));
      }
    };
    for_each_block<kBlock>(rows, add);
    combine(b, sums);
  }

  // Squared residuals in the canonical order of each row, then in order of the rows.
  [[nodiscard]] Counts counts(const RowSet& rows, std::span<const T> x,
                              ProblemScratch<T>& scratch) const override {
    const Buffers b = take(scratch);
    set_model(x, b);
    Counts counts{.examples = rows.size()};
    const auto add = [&](const kernels::CompressedRows& a, std::span<const std::uint32_t> ids) {
      const std::span<double> z = b.codes.first(ids.size() * code_);
      kernels::sparse_nn(a, ids, code_, b.encoder, z);
      const std::span<double> residuals = b.residuals.first(ids.size() * features_);
      std::fill(residuals.begin(), residuals.end(), 0.0);
      kernels::gemm_nt<double>({.m = ids.size(), .n = features_, .k = code_}, z, b.decoder,
                               residuals);
      for (std::size_t r = 0; r < ids.size(); ++r) {
        const std::span<double> residual = residuals.subspan(r * features_, features_);
        for (std::uint64_t e = a.offsets[ids[r]]; e < a.offsets[ids[r] + 1]; ++e) {
          residual[a.columns[e]] -= a.values[e];
        }
        counts.loss_sum += kernels::squared_norm<double>(residual);
      }
    };
    for_each_block<kLossBlock>(rows, add);
    return counts;
  }

  [[nodiscard]] bool has_accuracy() const override { return false; }
  [[nodiscard]] Constants compute_constants() const override { return {}; }
  [[nodiscard]] std::string model_name() const override {
    return "linear autoencoder " + std::to_string(features_) + "-" + std::to_string(code_);
  }

 private:
  struct Buffers {
    std::span<double> decoder = {};  // features x code: D
    std::span<double> encoder = {};  // features x code: E^T
    std::span<double> both = {};     // features x 2 code: [E^T, D]
    std::span<double> turn = {};     // 2 code x 2 code: [[I, G], [0, -I]], [Z, W] times it = [Z, Y]
    std::span<double> cross = {};    // 2 code x 2 code: [Z, W]^T [Z, W]
    std::span<double> codes = {};    // kBlock x 2 code: [Z, W]
    std::span<double> turned = {};   // kBlock x 2 code: [Z, Y]
    std::span<double> back = {};     // features x 2 code: A^T [Z, Y]
    std::span<double> residuals = {};  // kLossBlock x features
  };

  [[nodiscard]] Buffers take(ProblemScratch<T>& scratch) const {
    const std::size_t wide = 2 * code_;
    std::span<double> rest =
        scratch.row.take(features_ * (3 * wide + kLossBlock) + 2 * wide * (wide + kBlock));
    const auto next = [&rest](std::size_t count) {
      const std::span<double> part = rest.first(count);
      rest = rest.subspan(count);
      return part;
    };
    Buffers b;
    b.decoder = next(features_ * code_);
    b.encoder = next(features_ * code_);
    b.both = next(features_ * wide);
    b.turn = next(wide * wide);
    b.cross = next(wide * wide);
    b.codes = next(kBlock * wide);
    b.turned = next(kBlock * wide);
    b.back = next(features_ * wide);
    b.residuals = next(kLossBlock * features_);
    return b;
  }

  void set_model(std::span<const T> x, const Buffers& b) const {
    const std::size_t wide = 2 * code_;
    const std::span<const T> decoder = x.first(features_ * code_);
    const std::span<const T> encoder = x.subspan(features_ * code_);
    std::copy(decoder.begin(), decoder.end(), b.decoder.begin());
    for (std::size_t j = 0; j < features_; ++j) {
      for (std::size_t c = 0; c < code_; ++c) {
        b.encoder[j * code_ + c] = static_cast<double>(encoder[c * features_ + j]);
        b.both[j * wide + c] = b.encoder[j * code_ + c];
        b.both[j * wide + code_ + c] = b.decoder[j * code_ + c];
      }
    }
    // G goes through `cross`, which is free until the first block.
    const std::span<double> gram = b.cross.first(code_ * code_);
    std::fill(gram.begin(), gram.end(), 0.0);
    kernels::gemm_tn<double>({.m = code_, .n = code_, .k = features_}, b.decoder, b.decoder, gram);
    std::fill(b.turn.begin(), b.turn.end(), 0.0);
    for (std::size_t c = 0; c < code_; ++c) {
      b.turn[c * wide + c] = 1;
      b.turn[(code_ + c) * wide + code_ + c] = -1;
      for (std::size_t k = 0; k < code_; ++k) b.turn[c * wide + code_ + k] = gram[c * code_ + k];
    }
  }

  // Calls use(matrix, row numbers) for up to kRows rows at a time.
  template <std::size_t kRows, class Use>
  void for_each_block(const RowSet& rows, Use use) const {
    const data::SparseRows& matrix = rows_[rows.part()];
    const kernels::CompressedRows a{
        .offsets = matrix.offsets, .columns = matrix.columns, .values = matrix.values};
    std::array<std::uint32_t, kRows> ids{};
    for (std::size_t k = 0; k < rows.size(); k += kRows) {
      const std::size_t count = std::min(kRows, rows.size() - k);
      for (std::size_t r = 0; r < count; ++r) ids[r] = static_cast<std::uint32_t>(rows[k + r]);
      use(a, std::span<const std::uint32_t>(ids).first(count));
    }
  }

  struct RowOf {
    const kernels::CompressedRows& a;
    std::size_t row = 0;
  };
  // The gradient of one row a with code z and y = D^T (D z - a): 2 (D z - a) z^T and 2 y a^T.
  [[nodiscard]] UnitRow<T> unit_row(const RowOf& of, std::span<const double> zy, const Buffers& b,
                                    ProblemScratch<T>& scratch) const {
    const std::span<T> values = scratch.unit.take(2 * features_ * code_);
    const std::span<T> encoder = values.subspan(features_ * code_);
    const std::span<const double> z = zy.first(code_);
    const std::span<const double> y = zy.subspan(code_);
    const std::span<double> residual = b.residuals.first(features_);
    for (std::size_t j = 0; j < features_; ++j) {
      residual[j] = 0;
      for (std::size_t c = 0; c < code_; ++c) residual[j] += b.decoder[j * code_ + c] * z[c];
    }
    std::fill(encoder.begin(), encoder.end(), T{0});
    for (std::uint64_t e = of.a.offsets[of.row]; e < of.a.offsets[of.row + 1]; ++e) {
      const std::uint32_t j = of.a.columns[e];
      residual[j] -= of.a.values[e];
      for (std::size_t c = 0; c < code_; ++c) {
        encoder[c * features_ + j] = static_cast<T>(2 * (y[c] * of.a.values[e]));
      }
    }
    for (std::size_t j = 0; j < features_; ++j) {
      for (std::size_t c = 0; c < code_; ++c) {
        values[j * code_ + c] = static_cast<T>(2 * (residual[j] * z[c]));
      }
    }
    return {.indices = {}, .values = values};
  }

  // sums = 2 (D Z^T Z - A^T Z) and 2 (A^T Y)^T.
  void combine(const Buffers& b, std::span<double> sums) const {
    const std::size_t wide = 2 * code_;
    const std::span<double> decoder = sums.first(features_ * code_);
    const std::span<double> encoder = sums.subspan(features_ * code_);
    const std::span<double> square = b.turn.first(code_ * code_);  // Z^T Z
    for (std::size_t c = 0; c < code_; ++c) {
      for (std::size_t k = 0; k < code_; ++k) square[c * code_ + k] = b.cross[c * wide + k];
    }
    std::fill(decoder.begin(), decoder.end(), 0.0);
    kernels::gemm_nn<double>({.m = features_, .n = code_, .k = code_}, b.decoder, square, decoder);
    for (std::size_t j = 0; j < features_; ++j) {
      for (std::size_t c = 0; c < code_; ++c) {
        double& slope = decoder[j * code_ + c];
        slope = 2 * (slope - b.back[j * wide + c]);
        encoder[c * features_ + j] = 2 * b.back[j * wide + code_ + c];
      }
    }
  }

  SparseParts rows_;
  std::size_t features_;
  std::size_t code_;
  double scale_;
};

const Card kAutoencoderCard = {
    .kind = "problem",
    .name = "autoencoder",
    .summary = "linear autoencoder: mean of |D E a - a|^2 over the rows a",
    .formula = "f_i(D, E) = mean of |D E a - a|^2 over the rows a",
    .paper = "Richtarik et al. 2022, 3PC (arXiv 2202.00998), section on autoencoders",
    .params =
        {
            {.key = "code",
             .type = ParamType::kInteger,
             .default_text = "16",
             .help = "numbers per example between encoder and decoder",
             .min = 1,
             .max = 1024},
            {.key = "scale",
             .type = ParamType::kReal,
             .default_text = "1",
             .help = "starting entries are normal with deviation scale / sqrt(features)",
             .min = 0,
             .max = 1000000,
             .min_open = true},
        },
    .promises = "labels are not used; there is no accuracy; no constants are known",
};

}  // namespace

ProblemMethod autoencoder_method() {
  return method_of<Autoencoder>(kAutoencoderCard, {.needs_dataset = true, .unit_gradients = true});
}

}  // namespace laconic::problem
