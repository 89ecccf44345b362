// SPDX-License-Identifier: Apache-2.0
// What every optimizer promises, whatever the method, in float and in double.
#include <gtest/gtest.h>

#include <cstring>

#include "laconic/optim/optimizer.hpp"
#include "laconic/rng/stream.hpp"
#include "tests/contract/allocations.hpp"

namespace laconic {
namespace {

template <Real T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <Real T>
std::vector<T> normals(std::size_t size, std::uint32_t round) {
  std::vector<T> out(size);
  rng::fill_normal(rng::Stream(3, {rng::Purpose::kTest, 0, round, 0}), {}, std::span<T>(out));
  return out;
}

template <class T>
class OptimizerContract : public testing::Test {
 protected:
  // Every optimizer, with its defaults and with decay as given.
  template <class Body>
  void for_each_method(const std::string& decay, Body body) const {
    Catalog catalog;
    add_optimizer_cards(catalog);
    for (const auto& method : optimizers<T>().methods()) {
      const std::string text = std::string(method.card->name) + (decay.empty() ? "" : ":" + decay);
      SCOPED_TRACE(text);
      name_ = method.card->name;
      const Spec spec = catalog.canonical(parse_spec(text).value_or_throw(), "optimizer");
      ASSERT_TRUE(optimizer_problems(spec).empty());
      body([&](const Layout& layout) { return optimizers<T>().make(spec, {.layout = &layout}); });
    }
  }
  static Layout layout(std::uint32_t size) { return Layout({{.name = "x", .shape = {size, 1}}}); }
  mutable std::string_view name_ = {};  // of the optimizer in turn
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(OptimizerContract, Types);

TYPED_TEST(OptimizerContract, NothingMovesWithoutADirection) {
  using T = TypeParam;
  this->for_each_method("", [&](auto make) {
    for (const std::uint32_t size : {1U, 63U, 200U}) {
      const Layout layout = this->layout(size);
      const auto optimizer = make(layout);
      const std::vector<T> start = normals<T>(size, 0);
      std::vector<T> x = start;
      for (int round = 0; round < 5; ++round) optimizer->step(x, std::vector<T>(size, T{0}), 0.5);
      EXPECT_TRUE(same_bits(x, start));
    }
  });
}

TYPED_TEST(OptimizerContract, TwoOfAKindTakeTheSameSteps) {
  using T = TypeParam;
  this->for_each_method("decay=both,lambda=0.1,wd_lh=0.2", [&](auto make) {
    const Layout layout = this->layout(100);
    const auto first = make(layout);
    const auto second = make(layout);
    std::vector<T> x = normals<T>(100, 0);
    std::vector<T> y = x;
    for (std::uint32_t round = 1; round < 20; ++round) {
      first->step(x, normals<T>(100, round), 0.1);
      second->step(y, normals<T>(100, round), 0.1);
    }
    EXPECT_TRUE(same_bits(x, y));
  });
}

template <class Optimizer>
void take_over(Optimizer& old, Optimizer& fresh) {
  std::vector<std::byte> bytes;
  wire::StateArchive saved(bytes);
  old.state(saved);
  wire::StateArchive loaded{wire::Bytes(bytes)};
  fresh.state(loaded);
  loaded.finish();
}

TYPED_TEST(OptimizerContract, GoesOnFromASavedState) {
  using T = TypeParam;
  for (const char* params : {"decay=both,lambda=0.1,wd_lh=0.2", ""}) {
    this->for_each_method(params, [&](auto make) {
      const Layout layout = this->layout(100);
      const auto whole = make(layout);
      auto parts = make(layout);
      std::vector<T> x = normals<T>(100, 0);
      std::vector<T> y = x;
      for (std::uint32_t round = 1; round < 20; ++round) {
        if (round % 7 == 0) {
          auto fresh = make(layout);
          take_over(*parts, *fresh);
          parts = std::move(fresh);
        }
        whole->step(x, normals<T>(100, round), 0.1 / round);
        parts->step(y, normals<T>(100, round), 0.1 / round);
      }
      EXPECT_TRUE(same_bits(x, y));
    });
  }
}

TYPED_TEST(OptimizerContract, GoesOnSparselyFromASavedState) {
  using T = TypeParam;
  this->for_each_method("", [&](auto make) {
    const Layout layout = this->layout(100);
    const auto whole = make(layout);
    auto parts = make(layout);
    if (!whole->steps_sparsely()) return;
    std::vector<T> x(100, T{0});
    std::vector<T> y = x;
    for (std::uint32_t round = 1; round < 20; ++round) {
      if (round % 7 == 0) {
        auto fresh = make(layout);
        take_over(*parts, *fresh);
        parts = std::move(fresh);
      }
      const std::uint32_t at[] = {round, round + 3 * (round % 5) + 1};
      const std::vector<T> values = normals<T>(2, round);
      const SparseView<T> direction = {.dim = 100, .indices = at, .values = values};
      whole->step_sparse(x, direction, 0.1);
      parts->step_sparse(y, direction, 0.1);
    }
    EXPECT_TRUE(same_bits(x, y));
  });
}

TYPED_TEST(OptimizerContract, RefusesTheStateOfALongerModel) {
  this->for_each_method("", [&](auto make) {
    const Layout longer = this->layout(11);
    const Layout layout = this->layout(10);
    std::vector<std::byte> bytes;
    wire::StateArchive saved(bytes);
    make(longer)->state(saved);
    wire::StateArchive loaded{wire::Bytes(bytes)};
    const auto optimizer = make(layout);
    if (bytes.size() < 100) return;  // remembers nothing by coordinate
    EXPECT_THROW(optimizer->state(loaded), ConfigError);
  });
}

TYPED_TEST(OptimizerContract, CoordinatesDoNotInfluenceEachOther) {
  using T = TypeParam;
  this->for_each_method("lambda=0.1", [&](auto make) {
    const Layout whole = this->layout(70);
    const Layout part = this->layout(33);
    const auto of_whole = make(whole);
    const auto of_part = make(part);
    std::vector<T> x = normals<T>(70, 0);
    std::vector<T> y(x.begin() + 20, x.begin() + 53);
    for (std::uint32_t round = 1; round < 20; ++round) {
      const std::vector<T> u = normals<T>(70, round);
      of_whole->step(x, u, 0.1);
      of_part->step(y, std::span<const T>(u).subspan(20, 33), 0.1);
    }
    EXPECT_TRUE(same_bits(y, std::vector<T>(x.begin() + 20, x.begin() + 53)));
  });
}

TYPED_TEST(OptimizerContract, DecoupledDecayShrinksTheOldX) {
  using T = TypeParam;
  this->for_each_method("lambda=0.25", [&](auto make) {
    const Layout layout = this->layout(50);
    const auto optimizer = make(layout);
    std::vector<T> x = normals<T>(50, 0);
    std::vector<T> expected = x;
    for (T& value : expected) value *= static_cast<T>(1 - 0.1 * 0.25);
    optimizer->step(x, std::vector<T>(50, T{0}), 0.1);
    EXPECT_TRUE(same_bits(x, expected));
  });
}

TYPED_TEST(OptimizerContract, DecoupledDecayLeavesGradientsAlone) {
  using T = TypeParam;
  this->for_each_method("lambda=0.25", [&](auto make) {
    const Layout layout = this->layout(50);
    const std::vector<T> x = normals<T>(50, 0);
    std::vector<T> g = normals<T>(50, 1);
    make(layout)->couple_decay(x, g);
    EXPECT_TRUE(same_bits(g, normals<T>(50, 1)));
  });
}

TYPED_TEST(OptimizerContract, CoupledDecayAddsLambdaXToGradients) {
  using T = TypeParam;
  for (const char* decay : {"decay=coupled,lambda=0.3", "decay=both,lambda=0.3"}) {
    this->for_each_method(decay, [&](auto make) {
      const Layout layout = this->layout(50);
      const auto optimizer = make(layout);
      std::vector<T> x = normals<T>(50, 0);
      std::vector<T> g = normals<T>(50, 1);
      std::vector<T> expected = g;
      for (std::size_t i = 0; i < 50; ++i) {
        const T product = static_cast<T>(0.3) * x[i];
        expected[i] = expected[i] + product;
      }
      optimizer->couple_decay(x, g);
      EXPECT_TRUE(same_bits(g, expected));
      optimizer->step(x, std::vector<T>(50, T{0}), 0.1);
      EXPECT_TRUE(same_bits(x, normals<T>(50, 0)))
          << "coupled decay acts through the direction alone";
    });
  }
}

TYPED_TEST(OptimizerContract, ALongWalkOnAParabolaGoesDown) {
  using T = TypeParam;
  this->for_each_method("", [&](auto make) {
    const Layout layout = this->layout(40);
    const auto optimizer = make(layout);
    std::vector<T> x = normals<T>(40, 0);
    const auto value = [&] {
      double sum = 0;
      for (const T xi : x) sum += static_cast<double>(xi) * static_cast<double>(xi);
      return sum;
    };
    const double before = value();
    // AdaGrad's steps become shorter by themselves: t of them go as far as about sqrt(t).
    const int rounds = this->name_.starts_with("adagrad") ? 50000 : 500;
    for (int round = 0; round < rounds; ++round) optimizer->step(x, std::vector<T>(x), 0.01);
    EXPECT_LT(value(), 0.01 * before);
  });
}

TYPED_TEST(OptimizerContract, AStepDoesNotAllocate) {
  using T = TypeParam;
  this->for_each_method("decay=both,lambda=0.1,wd_lh=0.1", [&](auto make) {
    const Layout layout = this->layout(1000);
    const auto optimizer = make(layout);
    std::vector<T> x = normals<T>(1000, 0);
    std::vector<T> g = normals<T>(1000, 1);
    optimizer->couple_decay(x, g);
    optimizer->step(x, g, 0.1);
    const std::size_t before = test::allocations();
    for (int round = 0; round < 10; ++round) {
      optimizer->couple_decay(x, g);
      optimizer->step(x, g, 0.1);
    }
    EXPECT_EQ(test::allocations(), before);
  });
}

}  // namespace
}  // namespace laconic
