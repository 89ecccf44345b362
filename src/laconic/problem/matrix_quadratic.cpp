// SPDX-License-Identifier: Apache-2.0
// f(W) = 1/2 |W - W*|^2 on every worker, W a matrix, W* of low rank, with Gaussian gradient noise
// of one deviation per entry and worker: the quadratic on which low-rank methods are tested
// (laser.md section 7, E6). W* = A B^T / sqrt(rank) with normal A and B, so that its entries have
// variance 1.
#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "laconic/problem/methods.hpp"
#include "laconic/problem/synthetic_problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

template <class T>
class MatrixQuadratic final : public SyntheticProblem<T> {
 public:
  MatrixQuadratic(const Args& args, const ProblemSetup& setup)
      : SyntheticProblem<T>(Layout({{.name = "w",
                                     .shape = {static_cast<std::uint32_t>(args.integer("rows")),
                                               static_cast<std::uint32_t>(args.integer("cols"))}}}),
                            setup.workers),
        sigma_(args.real("sigma")) {
    const Shape shape = this->layout().tensors()[0].shape;
    const auto rank = static_cast<std::size_t>(args.integer("rank"));
    std::vector<double> a(rank * shape.rows);
    std::vector<double> b(rank * shape.cols);
    rng::fill_normal(rng::Stream(setup.seed, {.purpose = rng::Purpose::kData, .tensor = 0}), {},
                     std::span<double>(a));
    rng::fill_normal(rng::Stream(setup.seed, {.purpose = rng::Purpose::kData, .tensor = 1}), {},
                     std::span<double>(b));
    const double scale = 1 / std::sqrt(static_cast<double>(rank));
    for (std::size_t i = 0; i < shape.rows; ++i) {
      for (std::size_t k = 0; k < shape.cols; ++k) {
        double sum = 0;
        for (std::size_t j = 0; j < rank; ++j) sum += a[i * rank + j] * b[k * rank + j];
        target_.push_back(scale * sum);
      }
    }
    this->constants_ = {.l_minus = 1.0,
                        .l_plus = 1.0,
                        .l_plus_minus = 0.0,
                        .l_worker = std::vector<double>(setup.workers, 1.0),
                        .l_coordinate = std::vector<double>(target_.size(), 1.0),
                        .mu = 1.0,
                        .f_star = 0.0};
    this->description_ = fmt::format("quadratic around a {} x {} matrix of rank {}, {} workers",
                                     shape.rows, shape.cols, rank, setup.workers);
  }

  void initial_point(std::uint64_t /*seed*/, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == target_.size());
    for (T& value : x) value = 0;
  }

  void full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g,
                     ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x, g);
    for (std::size_t i = 0; i < x.size(); ++i) {
      g[i] = static_cast<T>(static_cast<double>(x[i]) - target_[i]);
    }
  }

  // Entry i uses the i-th normal number of the stream.
  void noisy_gradient(std::uint64_t seed, std::uint32_t round, std::uint32_t worker,
                      std::span<const T> x, std::span<T> g,
                      ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x, g);
    rng::Reader reader(
        rng::Stream(seed, {.purpose = rng::Purpose::kNoise, .worker = worker, .round = round}));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = static_cast<double>(x[i]) - target_[i];
      g[i] = static_cast<T>(exact + sigma_ * reader.normal());
    }
  }

  [[nodiscard]] double loss(std::uint32_t worker, std::span<const T> x,
                            ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x);
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double rest = static_cast<double>(x[i]) - target_[i];
      sum += rest * rest;
    }
    return 0.5 * sum;
  }

 private:
  double sigma_;
  std::vector<double> target_ = {};  // row-major
};

const Card kMatrixQuadraticCard = {
    .kind = "problem",
    .name = "matrix-quadratic",
    .summary = "distance to a matrix of low rank, with Gaussian gradient noise",
    .formula =
        "f(W) = |W - A B^T / sqrt(rank)|^2 / 2, A and B of N(0, 1)\n"
        "gradients have noise of N(0, sigma^2) per entry and worker",
    .paper = "Makkuva et al.: LASER, ICML 2024, arXiv 2310.13033",
    .params = {{.key = "rows",
                .type = ParamType::kInteger,
                .default_text = "100",
                .help = "rows of the matrix",
                .min = 1,
                .max = 4096},
               {.key = "cols",
                .type = ParamType::kInteger,
                .default_text = "100",
                .help = "columns of the matrix",
                .min = 1,
                .max = 4096},
               {.key = "rank",
                .type = ParamType::kInteger,
                .default_text = "5",
                .help = "rank of the matrix that is looked for (at most its smaller side)",
                .min = 1,
                .max = 4096},
               {.key = "sigma",
                .type = ParamType::kReal,
                .default_text = "0.02",
                .help = "deviation of the noise of an entry of a worker's gradient",
                .min = 0,
                .max = 1e9}},
    .promises = "smoothness 1, strongly convex with constant 1, minimum 0, unbiased noise",
};

}  // namespace

ProblemMethod matrix_quadratic_method() {
  return method_of<MatrixQuadratic>(kMatrixQuadraticCard, {.synthetic_noise = true});
}

}  // namespace laconic::problem
