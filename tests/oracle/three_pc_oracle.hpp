// SPDX-License-Identifier: Apache-2.0
// Naive versions of the methods of 3pc.md sections 2 and 4, written from their formulas, in double,
// on plain vectors and without messages. Every worker's estimate is kept; the server averages them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

namespace laconic::oracle {

using Vector = std::vector<double>;

inline double squared(const Vector& v) {
  double sum = 0;
  for (const double value : v) sum += value * value;
  return sum;
}
inline Vector plus(const Vector& a, const Vector& b, double factor = 1) {
  Vector out = a;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += factor * b[i];
  return out;
}
inline Vector minus(const Vector& a, const Vector& b) { return plus(a, b, -1); }

// K largest magnitudes, ties to the lower index.
inline Vector top_k(const Vector& v, std::size_t k) {
  std::vector<std::size_t> order(v.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(v[a]) > std::abs(v[b]); });
  Vector out(v.size(), 0.0);
  for (std::size_t j = 0; j < k; ++j) out[order[j]] = v[order[j]];
  return out;
}

// LAQ's grid with R as a float, 3pc.md section 4.
inline Vector uniform_grid(const Vector& v, int bits) {
  float r = 0;
  for (const double value : v) r = std::max(r, static_cast<float>(std::abs(value)));
  Vector out(v.size(), 0.0);
  if (r == 0) return out;
  const double levels = std::pow(2.0, bits) - 1;
  const double radius = static_cast<double>(r);
  // 2 tau R. Zero lies half way between two numbers, so the last digit of this product decides.
  const double distance = 2 * radius / levels;
  for (std::size_t i = 0; i < v.size(); ++i) {
    const double code = std::floor((v[i] + radius) / distance + 0.5);
    out[i] = distance * std::clamp(code, 0.0, levels) - radius;
  }
  return out;
}

struct Worker {
  Vector h = {};      // g_i
  Vector y = {};      // last gradient
  Vector error = {};  // ef14
  Vector moved = {};  // lag-ps: x_hat - x
  double last_error = 0;
  double age = 0;
};

struct Settings {
  std::string method = {};
  std::size_t k = 1;
  double zeta = 0;
  double alpha = 1;         // diana
  int bits = 4;             // laq
  std::size_t memory = 10;  // D
  double xi = 0.1;
  double step = 0;
  std::vector<double> l_worker = {};
};

// One run; gradient(worker, x) is grad f_i(x). Returns the iterates x_0 .. x_rounds.
class Run {
 public:
  Run(Settings settings, std::uint32_t workers,
      std::function<Vector(std::uint32_t, const Vector&)> gradient)
      : s_(std::move(settings)), workers_(workers), gradient_(std::move(gradient)) {}

  std::vector<Vector> iterate(const Vector& x0, std::uint32_t rounds) {
    std::vector<Vector> xs = {x0};
    for (std::uint32_t t = 0; t < rounds; ++t) {
      const Vector direction = round(t, xs.back());
      xs.push_back(plus(xs.back(), direction, -s_.step));
      steps_.push_front(squared(minus(xs[t + 1], xs[t])));
      if (steps_.size() > s_.memory) steps_.pop_back();
      last_step_ = minus(xs[t + 1], xs[t]);
    }
    return xs;
  }
  [[nodiscard]] std::uint64_t uploads() const { return uploads_; }

 private:
  Vector round(std::uint32_t t, const Vector& x) {
    Vector sum(x.size(), 0.0);
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
      const Vector g = gradient_(i, x);
      sum = plus(sum, estimate(t, i, workers_[i], g));
    }
    for (double& value : sum) value /= static_cast<double>(workers_.size());
    return sum;
  }

  Vector c(const Vector& v) const { return top_k(v, s_.k); }

  // What worker i contributes to the direction.
  Vector estimate(std::uint32_t t, std::uint32_t i, Worker& w, const Vector& g) {
    const std::string& m = s_.method;
    if (m == "dcgd") return c(g);
    if (m == "ef14") {
      if (t == 0) w.error.assign(g.size(), 0.0);
      const Vector p = plus(w.error, g, s_.step);  // e + gamma grad
      const Vector sent = c(p);
      w.error = minus(p, sent);
      return plus(Vector(g.size(), 0.0), sent, 1 / s_.step);
    }
    if (m == "diana") {
      if (t == 0) w.h.assign(g.size(), 0.0);
      const Vector message = minus(g, w.h);  // Q = identity
      const Vector out = plus(w.h, message);
      w.h = plus(w.h, message, s_.alpha);
      return out;
    }
    if (t == 0) {
      w.h = g;
      w.y = g;
      w.moved.assign(g.size(), 0.0);
      return g;
    }
    w.moved = plus(w.moved, last_step_, -1);
    next(t, i, w, g);
    w.y = g;
    return w.h;
  }

  void upload(Worker& w, const Vector& h) {
    w.h = h;
    ++uploads_;
  }

  void next(std::uint32_t t, std::uint32_t i, Worker& w, const Vector& g) {
    const std::string& m = s_.method;
    const Vector lag = minus(g, w.h);
    const double drift = squared(minus(g, w.y));
    if (m == "ef21") {
      upload(w, plus(w.h, c(lag)));
    } else if (m == "ef21+") {
      const Vector moved = plus(w.h, c(lag));
      const Vector fresh = c(g);
      upload(w, squared(minus(fresh, g)) < squared(minus(moved, g)) ? fresh : moved);
    } else if (m == "lag") {
      if (squared(lag) > s_.zeta * drift) upload(w, g);
    } else if (m == "clag") {
      if (squared(lag) > s_.zeta * drift) upload(w, plus(w.h, c(lag)));
    } else if (m == "3pcv1") {
      upload(w, plus(w.y, c(minus(g, w.y))));
    } else if (m == "3pcv4") {  // Top-1, then Top-K
      const Vector b = plus(w.h, top_k(lag, 1));
      upload(w, plus(b, c(minus(g, b))));
    } else if (m == "adacgd") {  // Top-1, then Top-K
      if (squared(lag) <= s_.zeta * drift) return;
      const Vector cheap = plus(w.h, top_k(lag, 1));
      upload(w, squared(minus(g, cheap)) <= s_.zeta * drift ? cheap : plus(w.h, c(lag)));
    } else if (m == "lag-wk") {
      if (t < s_.memory || squared(lag) > threshold()) upload(w, g);
    } else if (m == "lag-ps") {
      const double change = s_.l_worker[i] * s_.l_worker[i] * squared(w.moved);
      if (t < s_.memory || change > threshold()) {
        upload(w, g);
        w.moved.assign(g.size(), 0.0);
      }
    } else if (m == "laq") {
      const Vector q = plus(w.h, uniform_grid(lag, s_.bits));
      const double error = squared(minus(g, q));
      w.age += 1;
      if (squared(minus(q, w.h)) <= threshold() + 3 * (error + w.last_error) && w.age <= 100)
        return;
      upload(w, q);
      w.last_error = error;
      w.age = 0;
    }
  }

  [[nodiscard]] double threshold() const {
    double sum = 0;
    for (const double square : steps_) sum += s_.xi * square;
    return sum / (s_.step * s_.step);
  }

  Settings s_;
  std::vector<Worker> workers_;
  std::function<Vector(std::uint32_t, const Vector&)> gradient_;
  std::deque<double> steps_ = {};  // |x_t - x_{t-1}|^2, newest first
  Vector last_step_ = {};
  std::uint64_t uploads_ = 0;
};

}  // namespace laconic::oracle
