// SPDX-License-Identifier: Apache-2.0
// The problems once more, written from methods/3pc.md and the textbook formulas: dense matrices,
// doubles, the C library's functions, no regard for speed. Shares no code with the library.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace laconic::oracle {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

struct Value {
  double loss = 0;
  Vector gradient = {};
};

inline double inner(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

inline Vector product(const Matrix& a, const Vector& x) {
  Vector out;
  for (const Vector& row : a) out.push_back(inner(row, x));
  return out;
}

// Eigenvalues of a symmetric matrix, increasing, by cyclic Jacobi rotations.
inline Vector eigenvalues(Matrix a) {
  const std::size_t n = a.size();
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        off += a[p][q] * a[p][q];
        if (a[p][q] == 0) continue;
        const double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const double t =
            (theta >= 0 ? 1.0 : -1.0) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1);
        const double s = t * c;
        for (std::size_t k = 0; k < n; ++k) {
          const double left = a[k][p];
          const double right = a[k][q];
          a[k][p] = c * left - s * right;
          a[k][q] = s * left + c * right;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double upper = a[p][k];
          const double lower = a[q][k];
          a[p][k] = c * upper - s * lower;
          a[q][k] = s * upper + c * lower;
        }
      }
    }
    if (off < 1e-30) break;
  }
  Vector out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(a[i][i]);
  std::sort(out.begin(), out.end());
  return out;
}

inline double spectral_norm(const Matrix& a) {
  const Vector values = eigenvalues(a);
  return std::max(std::fabs(values.front()), std::fabs(values.back()));
}

// Largest |eigenvalue| of a symmetric matrix by power iteration with its square, so that
// eigenvalues of equal size and opposite sign do not keep it from converging.
inline double power_iteration(const Matrix& a, int iterations) {
  Vector v;
  for (std::size_t i = 0; i < a.size(); ++i)
    v.push_back(1 + std::fmod(0.618 * static_cast<double>(i + 1), 1.0));
  double square = 0;
  for (int k = 0; k < iterations; ++k) {
    const Vector next = product(a, product(a, v));
    const double length = std::sqrt(inner(next, next));
    if (length == 0) return 0;
    square = inner(v, next) / inner(v, v);
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = next[i] / length;
  }
  return std::sqrt(square);
}

// Solves a x = b by Gaussian elimination with partial pivoting.
inline Vector solve(Matrix a, Vector b) {
  const std::size_t n = a.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k; i < n; ++i) {
      if (std::fabs(a[i][k]) > std::fabs(a[pivot][k])) pivot = i;
    }
    std::swap(a[k], a[pivot]);
    std::swap(b[k], b[pivot]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = a[i][k] / a[k][k];
      for (std::size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
      b[i] -= factor * b[k];
    }
  }
  for (std::size_t k = n; k-- > 0;) {
    for (std::size_t j = k + 1; j < n; ++j) b[k] -= a[k][j] * b[j];
    b[k] /= a[k][k];
  }
  return b;
}

// The generator of 3pc.md 5.2 from its numbers xi^s, xi^b.
struct Quadratics {
  std::vector<Matrix> a = {};
  std::vector<Vector> b = {};
  [[nodiscard]] Matrix mean_a() const {
    Matrix mean(a[0].size(), Vector(a[0].size()));
    for (const Matrix& m : a) {
      for (std::size_t j = 0; j < m.size(); ++j) {
        for (std::size_t k = 0; k < m.size(); ++k) {
          mean[j][k] += m[j][k] / static_cast<double>(a.size());
        }
      }
    }
    return mean;
  }
  [[nodiscard]] Vector mean_b() const {
    Vector mean(b[0].size());
    for (const Vector& v : b) {
      for (std::size_t j = 0; j < v.size(); ++j) mean[j] += v[j] / static_cast<double>(b.size());
    }
    return mean;
  }
  [[nodiscard]] Value at(std::size_t worker, const Vector& x) const {
    Vector ax = product(a[worker], x);
    const double loss = 0.5 * inner(x, ax) - inner(b[worker], x);
    for (std::size_t j = 0; j < x.size(); ++j) ax[j] -= b[worker][j];
    return {loss, ax};
  }
};

struct QuadraticDial {
  std::size_t d = 1;
  double s = 0;
  double lambda = 1;
};

inline Quadratics quadratics(const Vector& xi_s, const Vector& xi_b, QuadraticDial dial) {
  Quadratics out;
  for (std::size_t i = 0; i < xi_s.size(); ++i) {
    const double nu_s = 1 + dial.s * xi_s[i];
    const double nu_b = dial.s * xi_b[i];
    Matrix a(dial.d, Vector(dial.d));
    for (std::size_t j = 0; j < dial.d; ++j) {
      a[j][j] = nu_s / 4 * 2;
      if (j + 1 < dial.d) a[j][j + 1] = a[j + 1][j] = -nu_s / 4;
    }
    Vector b(dial.d);
    b[0] = nu_s / 4 * (-1 + nu_b);
    out.a.push_back(a);
    out.b.push_back(b);
  }
  const double shift = dial.lambda - eigenvalues(out.mean_a()).front();
  for (Matrix& a : out.a) {
    for (std::size_t j = 0; j < dial.d; ++j) a[j][j] += shift;
  }
  return out;
}

struct Penalty {
  double l2 = 0;
  double nonconvex = 0;
};

inline void add_penalty(const Vector& x, std::size_t first, std::size_t count, Penalty penalty,
                        Value& value) {
  for (std::size_t j = first; j < first + count; ++j) {
    value.loss +=
        penalty.l2 / 2 * x[j] * x[j] + penalty.nonconvex * x[j] * x[j] / (1 + x[j] * x[j]);
    value.gradient[j] +=
        penalty.l2 * x[j] + penalty.nonconvex * 2 * x[j] / std::pow(1 + x[j] * x[j], 2);
  }
}

// Mean over the rows. x = weights, then the intercept if there is one more element. signs: -1 or 1.
inline Value logistic(const Matrix& rows, const Vector& signs, const Vector& x, Penalty penalty) {
  Value value{0, Vector(x.size())};
  const auto m = static_cast<double>(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Vector row = rows[i];
    if (x.size() > row.size()) row.push_back(1);
    const double margin = signs[i] * inner(row, x);
    value.loss += std::log1p(std::exp(-margin)) / m;
    for (std::size_t j = 0; j < x.size(); ++j) {
      value.gradient[j] -= signs[i] * row[j] / (1 + std::exp(margin)) / m;
    }
  }
  add_penalty(x, 0, rows[0].size(), penalty, value);
  return value;
}

inline Vector softmax(const Vector& logits) {
  Vector out;
  for (const double z : logits) out.push_back(std::exp(z));
  const double sum = std::accumulate(out.begin(), out.end(), 0.0);
  for (double& p : out) p /= sum;
  return out;
}

// Mean over the rows of the cross-entropy of a network. widths: inputs, (hidden units,) classes.
// x = for each layer its weights (outputs x inputs), then its biases.
struct Network {
  std::vector<std::size_t> widths = {};
  bool relu = true;
  double l2 = 0;
};

inline Value cross_entropy(const Network& network, const Matrix& rows,
                           const std::vector<std::uint32_t>& labels, const Vector& x) {
  Value value{0, Vector(x.size())};
  const auto m = static_cast<double>(rows.size());
  const std::size_t layers = network.widths.size() - 1;
  std::vector<std::size_t> offsets = {0};
  for (std::size_t l = 0; l < layers; ++l) {
    offsets.push_back(offsets[l] + network.widths[l + 1] * (network.widths[l] + 1));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Matrix activations = {rows[i]};
    for (std::size_t l = 0; l < layers; ++l) {
      const std::size_t in = network.widths[l];
      const std::size_t out = network.widths[l + 1];
      Vector next;
      for (std::size_t o = 0; o < out; ++o) {
        double z = x[offsets[l] + out * in + o];
        for (std::size_t j = 0; j < in; ++j) z += x[offsets[l] + o * in + j] * activations[l][j];
        if (l + 1 < layers) z = network.relu ? std::fmax(z, 0) : std::tanh(z);
        next.push_back(z);
      }
      activations.push_back(next);
    }
    Vector slopes = softmax(activations.back());
    value.loss -= std::log(slopes[labels[i]]) / m;
    slopes[labels[i]] -= 1;
    for (std::size_t l = layers; l-- > 0;) {
      const std::size_t in = network.widths[l];
      const std::size_t out = network.widths[l + 1];
      Vector previous(in);
      for (std::size_t o = 0; o < out; ++o) {
        for (std::size_t j = 0; j < in; ++j) {
          value.gradient[offsets[l] + o * in + j] += slopes[o] * activations[l][j] / m;
          previous[j] += slopes[o] * x[offsets[l] + o * in + j];
        }
        value.gradient[offsets[l] + out * in + o] += slopes[o] / m;
      }
      for (std::size_t j = 0; j < in && l > 0; ++j) {
        const double a = activations[l][j];
        previous[j] *= network.relu ? (a > 0 ? 1.0 : 0.0) : 1 - a * a;
      }
      slopes = previous;
    }
  }
  for (std::size_t l = 0; l < layers; ++l) {
    add_penalty(x, offsets[l], network.widths[l] * network.widths[l + 1], {.l2 = network.l2},
                value);
  }
  return value;
}

// Mean over the rows of |D E a - a|^2 (3pc.md 5.3). x = D (features x code), then E (code x
// features), both by rows.
inline Value autoencoder(const Matrix& rows, std::size_t code, const Vector& x) {
  Value value{0, Vector(x.size())};
  const auto m = static_cast<double>(rows.size());
  const std::size_t features = rows[0].size();
  const auto decoder = [&](std::size_t j, std::size_t c) { return j * code + c; };
  const auto encoder = [&](std::size_t c, std::size_t j) {
    return features * code + c * features + j;
  };
  for (const Vector& a : rows) {
    Vector z(code);
    for (std::size_t c = 0; c < code; ++c) {
      for (std::size_t j = 0; j < features; ++j) z[c] += x[encoder(c, j)] * a[j];
    }
    Vector back(code);  // D^T r
    for (std::size_t j = 0; j < features; ++j) {
      double r = -a[j];
      for (std::size_t c = 0; c < code; ++c) r += x[decoder(j, c)] * z[c];
      value.loss += r * r / m;
      for (std::size_t c = 0; c < code; ++c) {
        value.gradient[decoder(j, c)] += 2 * r * z[c] / m;
        back[c] += x[decoder(j, c)] * r;
      }
    }
    for (std::size_t c = 0; c < code; ++c) {
      for (std::size_t j = 0; j < features; ++j) {
        value.gradient[encoder(c, j)] += 2 * back[c] * a[j] / m;
      }
    }
  }
  return value;
}

}  // namespace laconic::oracle
