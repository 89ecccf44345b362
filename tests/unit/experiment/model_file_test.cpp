// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/model_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/comm/transports.hpp"
#include "laconic/experiment/run.hpp"
#include "laconic/rng/stream.hpp"

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

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A folder of this test's own, removed at the end.
class ModelFile : public testing::Test {
 protected:
  ModelFile() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("laconic-model-") + info->name() + "-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
  }
  ~ModelFile() override { std::filesystem::remove_all(folder_); }

  // Runs the plan and returns its summary; models lie in folder_.
  Summary save(const Experiment& experiment, std::uint32_t ranks) {
    ModelFolder models(folder_, experiment.plan(), experiment.dataset());
    Summary summary;
    run_on_threads(ranks, [&](Communicator& comm) {
      Summary mine = run(experiment, comm, models);
      if (comm.rank() == 0) summary = std::move(mine);
    });
    return summary;
  }

  std::filesystem::path folder_;
};

double accuracy_on(const SavedModel& model, const data::Examples& examples) {
  const Prediction prediction = predict(model, "model", examples);
  const std::vector<std::uint32_t> labels = examples.label_ids();
  std::size_t correct = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    correct += prediction.classes[i] == labels[i] ? 1U : 0U;
  return static_cast<double>(correct) / static_cast<double>(labels.size());
}

TEST_F(ModelFile, PredictsWithTheAccuracyOfTheLastRecord) {
  const char* const kJobs[] = {
      "problem = 'logistic'\ndata = 'synthetic-sparse:rows=300,test_rows=150,features=40'\n",
      "problem = 'logistic:bias=true'\nprecision = 'double'\n"
      "data = 'synthetic-sparse:rows=300,test_rows=150,features=40'\n",
      "problem = 'softmax'\ndata = 'synthetic-images:rows=300,test_rows=150,side=8'\n",
      "problem = 'softmax:bias=false'\n"
      "data = 'synthetic-sparse:rows=300,test_rows=150,features=40'\n",
      "problem = 'mlp:hidden=9'\ndata = 'synthetic-images:rows=300,test_rows=150,side=8'\n"};
  int zeros = 0;
  for (const char* job : kJobs) {
    const Experiment experiment(
        plan_of(std::string("name = 't'\nworkers = 3\nrounds = 40\n"
                            "batch = 10\nstep = 0.3\nrepeats = 2\n") +
                job +
                "[[method]]\nname = 'a / b'\naggregator = 'quantized:thr-clip'\n"
                "optimizer = 'adagrad-cmd:l1=1e-3'\n"));
    const Summary summary = save(experiment, 2);
    double train = 0;
    double test = 0;
    double density = 0;
    for (const char* name : {"1-a___b-r1.model", "1-a___b-r2.model"}) {
      const SavedModel model = read_model(folder_ / name);
      train += accuracy_on(model, experiment.dataset().train) / 2;
      test += accuracy_on(model, experiment.dataset().test) / 2;
      density += static_cast<double>(model.nonzeros()) / static_cast<double>(model.size()) / 2;
      EXPECT_EQ(model_text(model), contents(folder_ / name)) << "reading and writing again";
    }
    EXPECT_DOUBLE_EQ(train, *summary.methods[0].final.train_accuracy) << job;
    EXPECT_DOUBLE_EQ(test, *summary.methods[0].final.test_accuracy) << job;
    EXPECT_NEAR(density, *summary.methods[0].final.density, 1e-12) << job;
    zeros += density < 1 ? 1 : 0;
  }
  EXPECT_GT(zeros, 1) << "some models are sparse";
}

TEST_F(ModelFile, HasTheSameBytesOnAnyNumberOfRanks) {
  const Experiment experiment(
      plan_of("name = 't'\nworkers = 4\nrounds = 30\nbatch = 10\nstep = 0.3\n"
              "problem = 'logistic'\ndata = 'synthetic-sparse:rows=300,features=40'\n"
              "[[method]]\nname = 'm'\naggregator = 'quantized:van2'\n"
              "optimizer = 'adagrad-rda:l1=1e-3'\n"));
  std::string first;
  for (const std::uint32_t ranks : {1U, 2U, 4U}) {
    static_cast<void>(save(experiment, ranks));
    const std::string text = contents(folder_ / "1-m.model");
    if (first.empty()) first = text;
    EXPECT_EQ(text, first) << ranks;
  }
  EXPECT_EQ(first.find("laconic-model 1\nproblem logistic:bias=false,l2=0,nonconvex=0\n"
                       "precision float\nfeatures 40\nlabels -1 1\ntensor w 40 1 "),
            0U)
      << first;
}

constexpr std::string_view kModel =
    "laconic-model 1\nproblem logistic:bias=true\nprecision float\nfeatures 5\nlabels 0 1\n"
    "tensor w 5 1 2\n1 0.5\n4 -2\ntensor b 1 1 1\n0 0.25\nend\n";

TEST(ModelText, HoldsWhatItSays) {
  const SavedModel model = parse_model(kModel, "f");
  EXPECT_EQ(print(model.problem), "logistic:bias=true,l2=0,nonconvex=0");
  EXPECT_EQ(model.features, 5U);
  EXPECT_EQ(model.labels, (std::vector<double>{0, 1}));
  ASSERT_EQ(model.tensors.size(), 2U);
  EXPECT_EQ(model.tensors[0].indices, (std::vector<std::uint32_t>{1, 4}));
  EXPECT_EQ(model.tensors[0].values, (std::vector<double>{0.5, -2}));
  EXPECT_EQ(model.size(), 6U);
  EXPECT_EQ(model.nonzeros(), 3U);
}

TEST(ModelText, FloatsAndDoublesComeBackAsTheyWere) {
  for (const Precision precision : {Precision::kFloat, Precision::kDouble}) {
    SavedModel model = parse_model(kModel, "f");
    model.precision = precision;
    SavedTensor& tensor = model.tensors[0];
    tensor.shape = {4000, 1};
    tensor.indices.clear();
    tensor.values.clear();
    rng::Reader random(rng::Stream(3, {rng::Purpose::kTest, 0, 0, 0}));
    for (std::uint32_t i = 0; i < 2000; ++i) {
      tensor.indices.push_back(2 * i);
      const double value = random.normal() * std::exp(12 * random.normal());
      tensor.values.push_back(
          precision == Precision::kFloat ? static_cast<double>(static_cast<float>(value)) : value);
    }
    const SavedModel again = parse_model(model_text(model), "f");
    EXPECT_EQ(again.tensors[0].values, tensor.values);
    EXPECT_EQ(again.tensors[0].indices, tensor.indices);
  }
}

std::string error_of(const std::string& text) {
  try {
    static_cast<void>(parse_model(text, "f"));
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

// The model with one line in place of another.
std::string with(std::string_view old, std::string_view replacement) {
  std::string text(kModel);
  const std::size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), replacement);
}

TEST(ModelText, RefusesWhatNoWriterWrites) {
  const std::map<std::string, std::string> cases = {
      {with("laconic-model 1", "hello"),
       "f: line 1: 'hello' is not how a saved model begins; is this another file?"},
      {with("laconic-model 1", "laconic-model 2"),
       "f: line 1: version '2' is not known; this program reads version 1"},
      {with("problem logistic:bias=true", "problem quadratic"),
       "f: line 2: problem 'quadratic' makes no predictions, so there are no models of it"},
      {with("precision float", "precision half"),
       "f: line 3: precision 'half' is not known; use float or double"},
      {with("precision float", "labels 1"),
       "f: line 3: 'labels 1' stands where `precision ...` is expected"},
      {with("features 5", "features 0"),
       "f: line 4: the number of features is '0', not a whole number from 1 to 100000000"},
      {with("labels 0 1", "labels 1 0"), "f: line 5: label 0 comes after 1; labels increase"},
      {with("labels 0 1", "labels 1"), "f: line 5: 1 labels are not from 2 to 1000000"},
      {with("labels 0 1", "labels 0 x"), "f: line 5: a label is 'x', not a finite number"},
      {with("tensor w 5 1 2", "tensor w 5 2"), "f: line 6: 3 words stand behind `tensor`, not 4"},
      {with("tensor w 5 1 2", "tensor w 5 1 6"),
       "f: line 6: the number of weights that are not 0 is '6', not a whole number from 0 to 5"},
      {with("tensor w 5 1 2", "tensor w 2147483647 2 2"),
       "f: line 6: there are more than 2147483648 weights"},
      {with("4 -2", "5 -2"), "f: line 8: the index is '5', not a whole number from 0 to 4"},
      {with("4 -2", "1 -2"), "f: line 8: index 1 comes after 1; indices increase"},
      {with("4 -2", "4 nan"), "f: line 8: the weight is 'nan', not a finite number"},
      {with("4 -2", "4 0"),
       "f: line 8: the weight is 0; leave the line out and count it no longer"},
      {with("4 -2", "4 1e300"),
       "f: line 8: the weight '1e300' is no number in float; use precision double"},
      {with("4 -2", "4"), "f: line 8: a line `INDEX VALUE` of tensor w is expected"},
      {with("4 -2\n", ""), "f: line 8: a line `INDEX VALUE` of tensor w is expected"},
      {with("end\n", ""),
       "f: line 11: the file ends here without a line `end`; it was cut off, get it again"},
      {std::string(kModel) + "x", "f: line 12: there is text behind the line `end`; remove it"}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(error_of(text), expected) << text;
}

TEST(ModelText, SaysOfImagesHowHighAndWideTheyAre) {
  const std::string images = with("problem logistic:bias=true", "problem lenet");
  const auto sized = [&](const std::string& line) {
    std::string text = images;
    return text.replace(text.find("features 5\n"), 11, "features 24\n" + line);
  };
  const SavedModel model = parse_model(sized("image 4 2\n"), "f");
  EXPECT_EQ(model.image_height, 4U);
  EXPECT_EQ(model.image_width, 2U);
  EXPECT_EQ(parse_model(model_text(model), "f").image_width, 2U);
  EXPECT_EQ(error_of(sized("")), "f: line 5: 'labels 0 1' stands where `image ...` is expected");
  EXPECT_EQ(error_of(sized("image 5 2\n")), "f: line 5: 24 features are not whole images of 5 x 2");
  EXPECT_EQ(error_of(sized("image 0 2\n")),
            "f: line 5: the height of an image is '0', not a whole number from 1 to 24");
}

TEST(ModelText, EveryCutAndEveryFlippedByteIsRefusedOrAModel) {
  for (std::size_t length = 0; length < kModel.size(); ++length)
    EXPECT_NE(error_of(std::string(kModel.substr(0, length))), "") << length;
  for (std::size_t i = 0; i < kModel.size(); ++i) {
    for (const char c : {'\0', ' ', '\n', '9', '-', 'e', '\x80'}) {
      std::string text(kModel);
      text[i] = c;
      const std::string error = error_of(text);  // no other exception
      if (error.empty()) {
        EXPECT_NO_THROW(static_cast<void>(model_text(parse_model(text, "f"))));
      } else {
        EXPECT_EQ(error.rfind("f: line ", 0), 0U) << error;
      }
    }
  }
}

data::Examples rows_of(std::uint32_t features) {
  data::Examples out;
  data::SparseRows rows;
  rows.features = features;
  for (std::uint32_t j = 0; j < features; ++j) {
    rows.columns.push_back(j);
    rows.values.push_back(1);
  }
  rows.offsets.push_back(features);
  out.rows = rows;
  out.signs = {1};
  return out;
}

TEST(Predict, LeavesOutFeaturesThatTheModelLacksAndTakesMissingOnesAsZero) {
  const SavedModel model = parse_model(kModel, "f");
  EXPECT_EQ(predict(model, "f", rows_of(5)).scores, (std::vector<double>{-1.25}));
  EXPECT_EQ(predict(model, "f", rows_of(9)).scores, (std::vector<double>{-1.25}));
  const Prediction few = predict(model, "f", rows_of(3));
  EXPECT_EQ(few.scores, (std::vector<double>{0.75}));
  EXPECT_EQ(few.classes, (std::vector<std::uint32_t>{1}));
  data::Examples dense;
  dense.rows = data::DenseRows{.values = {0, 1, 0, 0, 1, 7, 0, 2, 0, 0, 0, 7}, .features = 6};
  dense.signs = {1, -1};
  EXPECT_EQ(predict(model, "f", dense).scores, (std::vector<double>{-1.25, 1.25}));
  EXPECT_EQ(predict(model, "f", data::Examples{}).size(), 0U);
}

TEST(Predict, RefusesTensorsOfAnotherModel) {
  const auto error = [](const std::string& text) {
    try {
      static_cast<void>(predict(parse_model(text, "f"), "f", rows_of(5)));
    } catch (const ConfigError& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_EQ(error(with("features 5", "features 6")),
            "f: tensor w of 5 x 1, but a model of logistic:bias=true,l2=0,nonconvex=0 with 6 "
            "features and 2 labels has w of 6 x 1 there; train it again");
  EXPECT_EQ(error(with("logistic:bias=true", "logistic")),
            "f: 2 tensors, but a model of logistic:bias=false,l2=0,nonconvex=0 has 1; train it "
            "again");
  EXPECT_NE(error(with("labels 0 1", "labels 0 1 2")), "");
}

}  // namespace
}  // namespace laconic::experiment
