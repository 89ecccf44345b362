// SPDX-License-Identifier: Apache-2.0
#include "laconic/order/random_vectors.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <numeric>

#include "laconic/base/assert.hpp"
#include "laconic/base/error.hpp"
#include "laconic/kernels/kernels.hpp"
#include "laconic/order/balance_options.hpp"
#include "laconic/order/compose.hpp"
#include "laconic/order/coordinated_methods.hpp"
#include "laconic/order/draws.hpp"
#include "laconic/order/order_policy.hpp"
#include "laconic/order/pair_server.hpp"
#include "laconic/order/sketch.hpp"
#include "laconic/rng/stream.hpp"

namespace laconic {
namespace {

using Orders = std::vector<std::vector<std::uint32_t>>;
using Rows = WorkerVectors<double>;

UnitGradient<double> row_of(const Rows& rows, std::size_t worker, std::uint32_t unit) {
  const std::size_t row = worker * rows.units[0] + unit;
  return UnitGradient<double>::dense(rows.values.subspan(row * rows.dim, rows.dim));
}

void prefetch_row(const Rows& rows, std::size_t worker, std::uint32_t unit) {
  const double* row = rows.values.data() + (worker * rows.units[0] + unit) * rows.dim;
  __builtin_prefetch(row);
  __builtin_prefetch(row + 8);
}

// Orders without coordination: a policy per worker.
class Separate {
 public:
  Separate(const Spec& canonical, const RandomVectors& setup, const Rows& rows) : rows_(rows) {
    for (std::uint32_t w = 0; w < setup.workers; ++w) {
      policies_.push_back(orders().make(
          canonical, {.units = rows.units[w], .worker = w, .seed = setup.seed, .dim = setup.dim}));
    }
  }
  void next(std::uint32_t e, Orders& out) {
    for (std::size_t w = 0; w < policies_.size(); ++w) {
      const auto order = policies_[w]->epoch(e);
      out[w].assign(order.begin(), order.end());
    }
  }
  void observe(const Orders& orders) {
    for (std::size_t w = 0; w < policies_.size(); ++w) {
      if (!policies_[w]->observes()) return;
      const auto& order = orders[w];
      for (std::uint32_t j = 0; j < order.size(); ++j) {
        if (j + 4 < order.size()) prefetch_row(rows_, w, order[j + 4]);
        policies_[w]->observe(j, row_of(rows_, w, order[j]));
      }
    }
  }

 private:
  const Rows& rows_;
  std::vector<std::unique_ptr<OrderPolicy>> policies_ = {};
};

// cd-grab without a wire: the order server itself, which the exchange forms feed in the same order.
class Coordinated {
 public:
  Coordinated(const Spec& canonical, const RandomVectors& setup, const Rows& rows) : rows_(rows) {
    const order::BalanceOptions options = order::balance_options(Args(canonical), setup.seed, true);
    std::size_t dim = setup.dim;
    if (options.sketch > 0) {
      sketch_ = std::make_unique<SignSketch>(setup.seed, setup.dim, options.sketch);
      dim = options.sketch;
    }
    server_ = std::make_unique<order::PairServer<double>>(order::PairServerSetup{
        .units = {rows.units.begin(), rows.units.end()}, .dim = dim, .options = options});
    orders_.resize(setup.workers);
    for (std::uint32_t w = 0; w < setup.workers; ++w) {
      orders_[w].resize(rows.units[w]);
      if (options.random_start) {
        order_methods::fill_shuffled(
            {.units = rows.units[w], .worker = w, .seed = setup.seed, .dim = 0}, 0, orders_[w]);
      } else {
        order_methods::fill_identity(orders_[w]);
      }
    }
  }
  void next(std::uint32_t e, Orders& out) {
    if (e > 0) {
      server_->expect_complete();
      for (std::size_t w = 0; w < orders_.size(); ++w) {
        next_.resize(orders_[w].size());
        reorder_by_pairs(orders_[w], server_->signs(w), next_);
        std::swap(orders_[w], next_);
      }
    }
    server_->begin_epoch(e);
    out = orders_;
  }
  void observe(const Orders& orders) {
    const std::uint32_t steps = rows_.units[0];
    for (std::uint32_t j = 0; j < steps; ++j) {
      for (std::size_t w = 0; w < orders.size(); ++w) {
        if (j + 1 < steps) prefetch_row(rows_, w, orders[w][j + 1]);
        const auto gradient = row_of(rows_, w, orders[w][j]);
        server_->push(w, j, sketch_ ? sketch_->project(gradient) : gradient);
      }
    }
  }

 private:
  const Rows& rows_;
  std::unique_ptr<SignSketch> sketch_ = {};
  std::unique_ptr<order::PairServer<double>> server_ = {};
  Orders orders_ = {};
  std::vector<std::uint32_t> next_ = {};
};

template <class Ordering>
RandomVectorRounds run(Ordering& ordering, const Rows& rows, std::uint32_t rounds) {
  using Clock = std::chrono::steady_clock;
  RandomVectorRounds result;
  Orders orders(rows.units.size());
  Clock::duration spent{};
  for (std::uint32_t e = 0; e <= rounds; ++e) {
    const auto start = Clock::now();
    ordering.next(e, orders);
    spent += Clock::now() - start;
    result.bounds.push_back(
        herding_bound(rows, std::span<const std::vector<std::uint32_t>>(orders)));
    if (e == rounds) break;
    const auto again = Clock::now();
    ordering.observe(orders);
    spent += Clock::now() - again;
  }
  result.ordering_seconds = std::chrono::duration<double>(spent).count();
  return result;
}

bool is_coordinated(const Spec& canonical) {
#define X(method) \
  if (canonical.name == order_methods::method().card->name) return true;
#include "laconic/order/coordinated.def"
#undef X
  return false;
}

void check(const RandomVectors& setup) {
  if (setup.workers > 0 && setup.dim > 0 && setup.vectors > 0 &&
      setup.vectors % setup.workers == 0) {
    return;
  }
  throw ConfigError(fmt::format(
      "random vectors: {} vectors of {} numbers cannot be dealt to {} workers; give a multiple of "
      "the workers, and no zeros",
      setup.vectors, setup.dim, setup.workers));
}

}  // namespace

std::vector<double> draw_random_vectors(const RandomVectors& setup) {
  check(setup);
  const std::size_t units = setup.vectors / setup.workers;
  std::vector<double> out(std::size_t{setup.vectors} * setup.dim);
  for (std::uint32_t w = 0; w < setup.workers; ++w) {
    const std::span<double> mine = std::span(out).subspan(w * units * setup.dim, units * setup.dim);
    rng::fill_normal(
        rng::Stream(setup.seed,
                    {.purpose = rng::Purpose::kOrder, .worker = w, .tensor = order::kVectorDraws}),
        {}, mine);
    std::vector<double> mean(setup.dim);
    for (std::size_t j = 0; j < units; ++j) {
      const std::span<double> row = mine.subspan(j * setup.dim, setup.dim);
      const double length = std::sqrt(kernels::squared_norm<double>(row));
      kernels::scale<double>(1 / length, row);
      kernels::add<double>(row, mean);
    }
    kernels::scale<double>(1 / static_cast<double>(units), mean);
    for (std::size_t j = 0; j < units; ++j) {
      const std::span<double> row = mine.subspan(j * setup.dim, setup.dim);
      kernels::subtract<double>(row, mean, row);
    }
  }
  return out;
}

RandomVectorRounds random_vector_bounds(const Spec& canonical, const RandomVectors& setup,
                                        std::uint32_t rounds) {
  const std::vector<double> values = draw_random_vectors(setup);
  const std::vector<std::uint32_t> units(setup.workers, setup.vectors / setup.workers);
  const Rows rows{.values = values, .units = units, .dim = setup.dim};
  if (is_coordinated(canonical)) {
    Coordinated ordering(canonical, setup, rows);
    return run(ordering, rows, rounds);
  }
  Separate ordering(canonical, setup, rows);
  return run(ordering, rows, rounds);
}

}  // namespace laconic
