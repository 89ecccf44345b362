// SPDX-License-Identifier: Apache-2.0
// Quadratics whose heterogeneity over workers has a dial (3pc.md 5.2, the generator of the paper's
// experiments): f_i(x) = x^T A_i x / 2 - b_i x_1 with A_i = (nu_i^s / 4) tridiag(-1, 2, -1) + c I
// and b_i = (nu_i^s / 4)(nu_i^b - 1), nu_i^s = 1 + s xi_i, nu_i^b = s xi'_i. The shift c makes f
// exactly lambda-strongly convex; single f_i may be nonconvex. All constants are closed forms.
//
// golden=true replaces the normal draws by an equidistant grid (3pc.md 7), so that results do not
// depend on a random generator.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "laconic/base/exact_math.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/problem/methods.hpp"
#include "laconic/problem/synthetic_problem.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic::problem {
namespace {

struct Draw {
  double stiffness = 0;  // xi_i
  double pull = 0;       // xi'_i
};

std::vector<Draw> draw(std::uint32_t workers, bool golden, std::uint64_t seed) {
  std::vector<Draw> draws(workers);
  const double n = workers;
  for (std::uint32_t i = 0; i < workers; ++i) {
    if (golden) {
      const auto z = [n](double k) { return std::sqrt(12.0) * ((k + 0.5) / n - 0.5); };
      draws[i] = {z(i), z(n - 1.0 - i)};
    } else {
      rng::Reader reader(rng::Stream(seed, {.purpose = rng::Purpose::kData, .worker = i}));
      draws[i].stiffness = reader.normal();
      draws[i].pull = reader.normal();
    }
  }
  return draws;
}

struct WorkerTerm {
  double stiffness = 0;  // nu_i^s / 4
  double pull = 0;       // b_i
};

struct Spectrum {  // of tridiag(-1, 2, -1)
  double min = 0;
  double max = 0;
};

Spectrum spectrum_of(std::uint32_t d) {
  // 2 - 2 cos(2 t) = 4 sin^2 t without cancellation, t = pi / (2 (d + 1)).
  const auto [sine, cosine] = exact::sincos_2pi(0.25 / (1.0 + d));
  return {4 * sine * sine, 4 * cosine * cosine};
}

// min of x^T (a tridiag(-1, 2, -1) + c I) x / 2 - b x_1. Elimination from the last row upwards
// leaves one equation for x_1; stable because the matrix is positive definite.
double minimum(double a, double c, double b, std::uint32_t d) {
  const double diagonal = 2 * a + c;
  double pivot = diagonal;
  for (std::uint32_t j = 1; j < d; ++j) pivot = diagonal - a * a / pivot;
  return -0.5 * b * b / pivot;
}

template <class T>
class Quadratic final : public SyntheticProblem<T> {
 public:
  Quadratic(const Args& args, const ProblemSetup& setup)
      : SyntheticProblem<T>(static_cast<std::uint32_t>(args.integer("d")), setup.workers) {
    const double s = args.real("s");
    for (const Draw& xi : draw(setup.workers, args.flag("golden"), setup.seed)) {
      const double stiffness = (1 + s * xi.stiffness) / 4;
      terms_.push_back({.stiffness = stiffness, .pull = stiffness * (s * xi.pull - 1)});
    }
    set_constants(args.real("lambda"));
    this->description_ = fmt::format("quadratic, {} coordinates, {} workers, heterogeneity {}",
                                     this->layout().size(), setup.workers, shortest(s));
  }

  void initial_point(std::uint64_t /*seed*/, std::span<T> x) const override {
    LACONIC_EXPECTS(x.size() == this->layout().size());
    std::fill(x.begin(), x.end(), T{0});
    x[0] = static_cast<T>(std::sqrt(static_cast<double>(x.size())));
  }

  void full_gradient(std::uint32_t worker, std::span<const T> x, std::span<T> g,
                     ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x, g);
    const WorkerTerm& term = terms_[worker];
    kernels::tridiagonal(term.stiffness, shift_, x, g);
    g[0] = static_cast<T>(product(term, x, 0) - term.pull);
  }

  [[nodiscard]] double loss(std::uint32_t worker, std::span<const T> x,
                            ProblemScratch<T>& /*scratch*/) const override {
    this->check(worker, x);
    const WorkerTerm& term = terms_[worker];
    double sum = 0;
    for (std::size_t j = 0; j < x.size(); ++j) {
      sum += static_cast<double>(x[j]) * product(term, x, j);
    }
    return 0.5 * sum - term.pull * static_cast<double>(x[0]);
  }

 private:
  // Coordinate j of A_i x.
  [[nodiscard]] double product(const WorkerTerm& term, std::span<const T> x, std::size_t j) const {
    const double left = j > 0 ? static_cast<double>(x[j - 1]) : 0.0;
    const double right = j + 1 < x.size() ? static_cast<double>(x[j + 1]) : 0.0;
    const double middle = static_cast<double>(x[j]);
    return term.stiffness * (2 * middle - left - right) + shift_ * middle;
  }

  void set_constants(double lambda) {
    const auto d = static_cast<std::uint32_t>(this->layout().size());
    const auto n = static_cast<double>(terms_.size());
    const Spectrum t = spectrum_of(d);
    double stiffness = 0;
    double pull = 0;
    for (const WorkerTerm& term : terms_) {
      stiffness += term.stiffness / n;
      pull += term.pull / n;
    }
    shift_ = lambda - std::min(stiffness * t.min, stiffness * t.max);
    // Eigenvalues are a t + c; |a t + c| and (a t + c)^2 are largest at an end of the spectrum.
    double square_at_min = 0;
    double square_at_max = 0;
    double variance = 0;
    Constants& constants = this->constants_;
    for (const WorkerTerm& term : terms_) {
      const double at_min = term.stiffness * t.min + shift_;
      const double at_max = term.stiffness * t.max + shift_;
      constants.l_worker.push_back(std::max(std::fabs(at_min), std::fabs(at_max)));
      square_at_min += at_min * at_min / n;
      square_at_max += at_max * at_max / n;
      variance += (term.stiffness - stiffness) * (term.stiffness - stiffness) / n;
    }
    constants.l_minus =
        std::max(std::fabs(stiffness * t.min + shift_), std::fabs(stiffness * t.max + shift_));
    constants.l_plus = std::sqrt(std::max(square_at_min, square_at_max));
    constants.l_plus_minus = std::sqrt(variance) * t.max;
    constants.mu = lambda;
    constants.f_star = minimum(stiffness, shift_, pull, d);
    // diag(sum_k |H_jk|) - H is diagonally dominant, hence positive semidefinite.
    const double diagonal = std::fabs(2 * stiffness + shift_);
    for (std::uint32_t j = 0; j < d; ++j) {
      const double neighbours = (j > 0 ? 1.0 : 0.0) + (j + 1 < d ? 1.0 : 0.0);
      constants.l_coordinate.push_back(diagonal + neighbours * std::fabs(stiffness));
    }
  }

  std::vector<WorkerTerm> terms_;
  double shift_ = 0;  // c
};

const Card kQuadraticCard = {
    .kind = "problem",
    .name = "quadratic",
    .summary = "heterogeneous tridiagonal quadratics, strongly convex on average",
    .formula =
        "f_i(x) = x^T A_i x / 2 - b_i x_1\n"
        "A_i = (v_i / 4) tridiag(-1, 2, -1) + c I, b_i = (v_i / 4) (u_i - 1)\n"
        "v_i = 1 + s N(0, 1), u_i = s N(0, 1), c so that f is lambda-strongly convex",
    .paper = "Richtarik et al. 2022, 3PC (arXiv 2202.00998), section on quadratics",
    .params =
        {
            {.key = "d",
             .type = ParamType::kInteger,
             .default_text = "100",
             .help = "number of coordinates",
             .min = 1,
             .max = 16777216},
            {.key = "s",
             .type = ParamType::kReal,
             .default_text = "1",
             .help = "heterogeneity of the workers",
             .min = 0,
             .max = 1000000},
            {.key = "lambda",
             .type = ParamType::kReal,
             .default_text = "0.01",
             .help = "strong convexity of the mean",
             .min = 0,
             .max = 1000000,
             .min_open = true},
            {.key = "golden",
             .type = ParamType::kFlag,
             .default_text = "false",
             .help = "an equidistant grid instead of normal draws"},
        },
    .promises = "closed forms of L_-, L_i, L_+, L_+-, mu and the minimum",
};

}  // namespace

ProblemMethod quadratic_method() { return method_of<Quadratic>(kQuadraticCard, {}); }

}  // namespace laconic::problem
