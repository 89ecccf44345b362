// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/registry.hpp"

#include <gtest/gtest.h>

namespace laconic {
namespace {

struct Product {
  double value = 0;
};
const Card kOne{.kind = "product",
                .name = "one",
                .summary = "its parameter",
                .params = {{.key = "v", .default_text = "2"}}};
const Card kTwo{.kind = "product", .name = "two", .summary = "what it is given"};

Registry<Product, double> registry() {
  return Registry<Product, double>(
      {{&kOne, [](const Args& args,
                  const double&) { return std::make_unique<Product>(Product{args.real("v")}); }},
       {&kTwo, [](const Args&, const double& setup) {
          return std::make_unique<Product>(Product{setup});
        }}});
}

TEST(Registry, MakesTheMethodThatTheSpecNames) {
  EXPECT_EQ(registry().make(Spec{.name = "one", .params = {{.key = "v", .text = "2"}}}, 7)->value,
            2);
  EXPECT_EQ(registry().make(Spec{.name = "two"}, 7)->value, 7);
}

TEST(Registry, ANameThatIsNotInTheListIsAnError) {
  EXPECT_THROW(static_cast<void>(registry().make(Spec{.name = "three"}, 0)), std::logic_error);
}

TEST(Registry, ListsInOrder) {
  const auto all = registry();
  ASSERT_EQ(all.methods().size(), 2U);
  EXPECT_EQ(all.methods()[0].card, &kOne);
  EXPECT_EQ(all.methods()[1].card, &kTwo);
}

}  // namespace
}  // namespace laconic
