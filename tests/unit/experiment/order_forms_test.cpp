// SPDX-License-Identifier: Apache-2.0
// The three ways of exchanging what CD-GraB learns choose the same orders on real data, on any
// number of ranks. Server and
// replicated must, bit for bit; sharded adds its inner products up in another order and could
// differ where a decision hangs on a rounding, which on these data it does not.
#include <gtest/gtest.h>

#include <cstdlib>
#include <ostream>
#include <string>
#include <vector>

#include "laconic/comm/transports.hpp"
#include "laconic/experiment/run.hpp"

namespace laconic::experiment {
namespace {

Plan plan_of(const std::string& text) {
  const ParsedConfig parsed = parse_config(text, "test");
  for (const Diagnostic& d : parsed.diagnostics) ADD_FAILURE() << text_of(d);
  for (const Diagnostic& d : validate(parsed.config)) {
    if (d.severity == Severity::kError) ADD_FAILURE() << text_of(d);
  }
  return make_plan(parsed.config);
}

class Losses final : public Observer {
 public:
  explicit Losses(std::size_t methods) : of_method(methods), sums(methods) {}
  void advanced(const Progress&) override {}
  void recorded(const Record& record) override {
    of_method[record.method].push_back(*record.metrics.loss);
    if (record.order) sums[record.method].push_back(record.order->largest_sum);
  }
  void diverged(const Divergence&) override { ADD_FAILURE() << "diverged"; }
  std::vector<std::vector<double>> of_method;
  std::vector<std::vector<double>> sums;
};

struct Case {
  const char* name;
  bool real;
  const char* settings;
};

void PrintTo(const Case& tested, std::ostream* out) { *out << tested.name; }

class OrderForms : public testing::TestWithParam<Case> {};

TEST_P(OrderForms, ChooseTheSameOrders) {
  const bool real = GetParam().real;
  if (real && std::getenv("LACONIC_DATA") == nullptr) GTEST_SKIP() << "LACONIC_DATA is not set";
  for (const char* precision : {"float", "double"}) {
    std::string text = R"(name = "t"
epochs = 3
step = 0.2
record_every = "epoch"
record_gradient = false
aggregator = "dense"
)";
    text += std::string("precision = '") + precision + "'\n" + GetParam().settings;
    for (const char* form : {"server", "replicated", "sharded"}) {
      text += std::string("[[method]]\nname = '") + form + "'\norder = 'cd-grab:exchange=" + form +
              "'\n";
    }
    text += "[[method]]\nname = 'none'\norder = 'once'\n";
    const Experiment experiment(plan_of(text));
    std::vector<std::vector<double>> first;
    for (const std::uint32_t ranks : {1U, 2U, 4U}) {
      Losses losses(4);
      run_on_threads(ranks,
                     [&](Communicator& comm) { static_cast<void>(run(experiment, comm, losses)); });
      EXPECT_EQ(losses.of_method[0].size(), 4U);
      if (first.empty()) first = losses.of_method;
      EXPECT_EQ(losses.of_method, first) << ranks << " ranks";
      EXPECT_EQ(losses.of_method[1], losses.of_method[0]);
      EXPECT_EQ(losses.of_method[2], losses.of_method[0]) << precision;
      EXPECT_EQ(losses.sums[1], losses.sums[0]);
      // The orders do change: from the second epoch on they are not those of the first.
      EXPECT_EQ(losses.of_method[3][1], losses.of_method[0][1]);
      EXPECT_NE(losses.of_method[3][2], losses.of_method[0][2]);
    }
  }
}

constexpr Case kCases[] = {
    {"a9a", true,
     "workers = 16\nbatch = 4\nshard = 'shuffled:multiple=128'\ndata = 'a9a'\n"
     "problem = 'logistic:l2=1e-3,bias=true'\n"},
    {"w8a", true,
     "workers = 8\nbatch = 8\nshard = 'shuffled:multiple=128'\ndata = 'w8a'\n"
     "problem = 'logistic:l2=1e-3,bias=true'\n"},
    {"mnist", true,
     "workers = 4\nbatch = 16\nshard = 'shuffled:rows=4096'\ndata = 'mnist'\n"
     "problem = 'softmax'\n"},
    {"generated_rows", false,
     "workers = 16\nbatch = 4\nproblem = 'logistic:l2=1e-3,bias=true'\n"
     "data = 'synthetic-sparse:rows=4096,features=123'\n"},
    {"generated_images", false,
     "workers = 4\nbatch = 16\nproblem = 'softmax'\ndata = 'synthetic-images:rows=2048'\n"},
};

INSTANTIATE_TEST_SUITE_P(Data, OrderForms, testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace laconic::experiment
