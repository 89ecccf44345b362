// SPDX-License-Identifier: Apache-2.0
// Promises in words, and what is refused before anything is compressed.
#include "tests/unit/compress/support.hpp"

namespace laconic::test {
namespace {

std::vector<std::string> problems(const std::string& spec, std::uint32_t workers = 4) {
  return compressor_problems(canonical(spec), workers);
}
std::string promise(const std::string& spec, std::uint32_t workers = 4) {
  return compressor_promise_text(canonical(spec), workers, {1000, 1});
}

TEST(Count, IsAFractionBelowOneAndANumberFromOneOn) {
  const auto kept = [](const char* k, std::size_t size) {
    return *make<double>(std::string("topk:k=") + k)->traits(shape_of(size)).alpha *
           static_cast<double>(size);
  };
  EXPECT_DOUBLE_EQ(kept("0.01", 1000), 10);
  EXPECT_DOUBLE_EQ(kept("0.0149", 1000), 15);
  EXPECT_DOUBLE_EQ(kept("0.001", 10), 1);
  EXPECT_DOUBLE_EQ(kept("0.999", 10), 10);
  EXPECT_DOUBLE_EQ(kept("1", 10), 1);
  EXPECT_DOUBLE_EQ(kept("10", 10), 10);
}

TEST(Count, AnythingElseIsRefusedInOneLine) {
  EXPECT_EQ(make<double>("topk:k=200")->misfit(shape_of(123)),
            "topk: k=200 is more than the 123 entries of the tensor; use a number from 1 to 123 or "
            "a fraction below 1");
  EXPECT_EQ(make<double>("topk:k=123")->misfit(shape_of(123)), "");
  EXPECT_EQ(make<double>("bernoulli:shrink:randk:k=8")->misfit(shape_of(7)).substr(0, 11),
            "randk: k=8 ");
  EXPECT_EQ(make<double>("randperm_block:k=4", 7)->misfit(shape_of(22)).substr(0, 62),
            "randperm_block: k=4 is more than the 3 entries of a worker's s");
  EXPECT_EQ(problems("crandk:k=2.5"),
            std::vector<std::string>{
                "crandk: k=2.5 is neither a fraction below 1 nor a whole number; use k=2"});
  EXPECT_FALSE(
      compressor_catalog().problems(parse_spec("topk:k=0").value_or_throw(), "compressor").empty());
}

TEST(Promise, IsSaidInWordsWithTheRemedy) {
  EXPECT_EQ(promise("randk:k=0.01"),
            "unbiased (omega=99), not contractive; try shrink:randk:k=0.01");
  EXPECT_EQ(promise("topk:k=0.01"), "contractive (alpha=0.01), not unbiased; try randk:k=0.1");
  EXPECT_EQ(promise("natural"), "unbiased (omega=0.125) and contractive (alpha=0.875)");
  EXPECT_EQ(promise("uniform"), "neither unbiased nor contractive; try topk:k=0.1 or randk:k=0.1");
  EXPECT_EQ(promise("shrink:randk:k=0.01"),
            "contractive (alpha=0.01), not unbiased; try randk:k=0.1");
}

TEST(Promise, QuotesSpecsWithoutSwitchesThatAreOff) {
  EXPECT_EQ(compressor_text(canonical("randk:k=0.01")), "randk:k=0.01");
  EXPECT_EQ(compressor_text(canonical("randk:k=0.01,correlated=true")),
            "randk:correlated=true,k=0.01");
  EXPECT_EQ(compressor_text(canonical("compose:first=(topk:k=3):natural")),
            "compose:first=(topk:k=3):natural");
}

TEST(Wrappers, RefuseWhatHasNoPromise) {
  EXPECT_EQ(problems("shrink:topk:k=0.5"),
            std::vector<std::string>{"shrink needs an unbiased compressor; topk:k=0.5 is "
                                     "contractive (alpha=0.5), not unbiased; try randk:k=0.1"});
  EXPECT_EQ(problems("bernoulli:topk:k=0.5"),
            std::vector<std::string>{
                "bernoulli: scale=true needs an unbiased compressor; topk:k=0.5 is contractive "
                "(alpha=0.5), not unbiased; try randk:k=0.1, or scale=false"});
  EXPECT_EQ(problems("bernoulli:scale=false:randk:k=0.5").size(), 1U);
  EXPECT_EQ(problems("compose:first=(randk):topk").size(), 1U);
  EXPECT_EQ(problems("compose:first=(sign):topk").size(), 1U);
  EXPECT_EQ(problems("compose:first=(topk):sign").size(), 1U);
  EXPECT_EQ(problems("compose:first=(uniform):natural").size(), 1U);
  // Those inside are told once.
  EXPECT_EQ(problems("shrink:bernoulli:randk:k=2.5"),
            std::vector<std::string>{
                "randk: k=2.5 is neither a fraction below 1 nor a whole number; use k=2"});
  EXPECT_EQ(problems("compose:first=(topk:k=1.5):topk:k=3.5").size(), 2U);
}

TEST(Wrappers, PromiseWhatTheFormulasSay) {
  const auto traits = [](const char* spec) {
    EXPECT_TRUE(problems(spec).empty()) << spec;
    return make<double>(spec, 4)->traits({1000, 1});
  };
  EXPECT_DOUBLE_EQ(*traits("shrink:randk:k=0.01").alpha, 0.01);
  EXPECT_DOUBLE_EQ(*traits("bernoulli:p=0.5:randk:k=0.01").omega, 199);
  EXPECT_DOUBLE_EQ(*traits("bernoulli:p=0.5,scale=false:topk:k=0.01").alpha, 0.005);
  EXPECT_DOUBLE_EQ(*traits("compose:first=(randk:k=0.1):natural").omega, 10 * 1.125 - 1);
  EXPECT_DOUBLE_EQ(*traits("compose:first=(topk:k=0.1):natural").alpha, 0.1 * 0.875);
  EXPECT_DOUBLE_EQ(*traits("compose:first=(crandk:k=0.1):topk:k=0.5").alpha, 0.05);
  EXPECT_DOUBLE_EQ(*traits("compose:first=(identity):sign").alpha, 1.0 / 1000);
  EXPECT_FALSE(traits("compose:first=(randk:k=0.1):natural").alpha.has_value());
}

TEST(Correlated, PayloadsOfRandKMayBeAddedUndecoded) {
  const auto compressor = make<double>("randk:correlated=true,k=3", 2);
  EXPECT_EQ(compressor->traits(shape_of(10)).combine, Combine::kSumPayloads);
  const Vector a = sample(Family::kGaussian, 10, 1);
  const Vector b = sample(Family::kGaussian, 10, 2);
  const Vector sum = oracle::plus(through(*compressor, a, context(4, 0, 2)),
                                  through(*compressor, b, context(4, 1, 2)));
  const Vector together = through(*compressor, oracle::plus(a, b), context(4, 0, 2));
  for (std::size_t j = 0; j < 10; ++j) EXPECT_NEAR(sum[j], together[j], 1e-13);
}

TEST(Contexts, ServerAndWorkersDrawApart) {
  const auto compressor = make<double>("crandk:k=10");
  const Vector v(1000, 1.0);
  CompressContext server = context(3);
  server.purpose = rng::Purpose::kServer;
  EXPECT_NE(through(*compressor, v, context(3)), through(*compressor, v, server));
  EXPECT_NE(through(*compressor, v, context(3)), through(*compressor, v, context(3, 1, 2)));
  EXPECT_NE(through(*compressor, v, context(3)), through(*compressor, v, child(context(3), 0)));
}

TEST(ValuesF32, NumbersBeyondTheRangeBecomeTheLargest) {
  const Vector v = {1e300, -1e-300, 2.0};
  const Vector c = through(*make<double>("topk:k=3,values=f32"), v, context(0));
  EXPECT_EQ(c, (Vector{static_cast<double>(std::numeric_limits<float>::max()), 0.0, 2.0}));
}

// The largest numbers, which a factor of the decoder (d/k, n, 1/p) carries beyond the range:
// refused as a whole, before anything is added.
template <Real T>
void refuses_overflow(const std::string& text, std::uint32_t refused_at_least) {
  SCOPED_TRACE(text);
  const auto compressor = make<T>(text);
  const std::vector<T> v(40, std::numeric_limits<T>::max());
  std::uint32_t refused = 0;
  for (std::uint32_t round = 0; round < 16; ++round) {
    CompressContext c = context(round);
    c.workers = 4;
    wire::Message message;
    compressor->encode({v, {40, 1}}, c, message);
    std::vector<T> y(40, T{0.5});
    wire::WireReader reader(message.bytes);
    const Status status = compressor->decode_add(reader, c, T{1}, {y, {40, 1}});
    if (status) {
      for (const T number : y) ASSERT_TRUE(std::isfinite(number));
      continue;
    }
    ++refused;
    EXPECT_EQ(status.fault(), Fault::kNonFinite);
    EXPECT_EQ(y, std::vector<T>(40, T{0.5}));
  }
  EXPECT_GE(refused, refused_at_least);
}

TEST(Overflow, IsRefusedBeforeAnythingIsAdded) {
  for (const char* text : {"randk:k=0.1", "randk:correlated=true,k=0.1", "randperm_block:k=2",
                           "randperm_global:k=4"}) {
    refuses_overflow<float>(text, 16);
    refuses_overflow<double>(text, 16);
  }
  for (const char* text : {"bernoulli:p=0.5:identity", "bernoulli:p=0.5:natural",
                           "bernoulli:p=0.5:vaninf"}) {  // when the coin is heads
    refuses_overflow<float>(text, 1);
    refuses_overflow<double>(text, 1);
  }
  refuses_overflow<double>("dithering:s=7", 16);
  for (const char* text : {"identity", "topk:k=4", "crandk:k=4", "natdithering", "van2", "vaninf",
                           "thr-clip", "two-bit", "uniform", "sign"}) {
    refuses_overflow<float>(text, 0);
    refuses_overflow<double>(text, 0);
  }
}

}  // namespace
}  // namespace laconic::test
