// SPDX-License-Identifier: Apache-2.0
#include "laconic/base/args.hpp"

#include <gtest/gtest.h>

namespace laconic {
namespace {

Args args_of(std::string_view text) { return Args(parse_spec(text).value_or_throw()); }

TEST(Args, ReadsEachType) {
  const Args args = args_of("m:a=0.25,b=-7,c=true,d=false,e=text,f=(n:x=1),g=8/4:inner");
  EXPECT_EQ(args.real("a"), 0.25);
  EXPECT_EQ(args.integer("b"), -7);
  EXPECT_TRUE(args.flag("c"));
  EXPECT_FALSE(args.flag("d"));
  EXPECT_EQ(args.text("e"), "text");
  EXPECT_EQ(args.integers("b"), (std::vector<std::int64_t>{-7}));
  EXPECT_EQ(args.integers("g"), (std::vector<std::int64_t>{8, 4}));
  EXPECT_EQ(args.nested("f"), parse_spec("n:x=1").value_or_throw());
  EXPECT_EQ(args.inner().name, "inner");
  EXPECT_EQ(args.spec().name, "m");
}

TEST(Args, AskingForWhatTheCardDoesNotHaveIsAnError) {
  const Args args = args_of("m:a=1");
  EXPECT_THROW(static_cast<void>(args.real("b")), std::logic_error);
  EXPECT_THROW(static_cast<void>(args.inner()), std::logic_error);
}

}  // namespace
}  // namespace laconic
