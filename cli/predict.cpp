// SPDX-License-Identifier: Apache-2.0
// laconic predict: what a saved model says about data.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/libsvm.hpp"
#include "laconic/data/load.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/model_file.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::cli {
namespace {

using experiment::Prediction;
using experiment::SavedModel;

struct PredictArguments {
  std::string model = {};
  std::string data = {};
  std::string part = {};  // train, test; empty: test where there is one
  std::string scores = {};
  std::uint64_t seed = 1;
};

struct Rows {
  data::Examples examples = {};  // labels are classes of the model
  std::string title = {};
};

std::string joined(const std::vector<double>& labels) {
  constexpr std::size_t kMost = 10;
  std::string out;
  for (std::size_t i = 0; i < std::min(labels.size(), kMost); ++i)
    out += (i == 0 ? "" : " ") + shortest(labels[i]);
  return labels.size() > kMost ? out + " ..." : out;
}

// A LIBSVM file by its path, with the labels of the model, all of which need not occur.
Rows rows_of_file(const SavedModel& model, const PredictArguments& options) {
  if (options.part == "train" || options.part == "test")
    throw ConfigError(
        fmt::format("--part {} is for data by name; a file has no parts", options.part));
  data::LibsvmFile file = data::read_libsvm(
      options.data, {.labels = data::LabelKind::kClasses, .label_values = model.labels});
  return {std::move(file.examples), options.data};
}

Rows rows_by_name(const SavedModel& model, const PredictArguments& options) {
  const Catalog& catalog = experiment::all_cards();
  const auto spec = parse_spec(options.data);
  if (!spec) throw ConfigError(fmt::format("DATA: no such file, and {}", spec.error()));
  const auto problems = catalog.problems(*spec, "data");
  if (!problems.empty())
    throw ConfigError(fmt::format("DATA: no such file, and {}", problems.front()));
  data::Dataset dataset = data::load(catalog.canonical(*spec, "data"), {.seed = options.seed});
  check_suits(model.problem.name, problem_traits(model.problem.name), dataset);
  if (const auto labels = label_values(dataset); labels != model.labels) {
    throw ConfigError(
        fmt::format("'{}' has the labels {}, the model has {}; take data like those "
                    "that it was trained on",
                    options.data, joined(labels), joined(model.labels)));
  }
  const bool has_test = dataset.test.size() > 0;
  if (options.part == "test" && !has_test)
    throw ConfigError(fmt::format("'{}' has no test part; use --part train", options.data));
  const bool test = options.part == "test" || (options.part.empty() && has_test);
  data::Examples& part = test ? dataset.test : dataset.train;
  part.classes = part.label_ids();
  part.signs.clear();
  return {std::move(part), fmt::format("{}, {} part", options.data, test ? "test" : "training")};
}

int predict(const PredictArguments& options) {
  const SavedModel model = experiment::read_model(options.model);
  std::error_code code;
  const Rows rows = std::filesystem::is_regular_file(options.data, code)
                        ? rows_of_file(model, options)
                        : rows_by_name(model, options);
  const Prediction prediction = experiment::predict(model, options.model, rows.examples);
  std::size_t correct = 0;
  for (std::size_t i = 0; i < prediction.size(); ++i)
    correct += prediction.classes[i] == rows.examples.classes[i] ? 1U : 0U;
  if (!options.scores.empty()) experiment::write_scores(model, prediction, options.scores);
  std::string out =
      fmt::format("model: {}, {} features, {} of {} weights are not 0\n", print(model.problem),
                  model.features, model.nonzeros(), model.size());
  out += fmt::format("data: {}, {} features\n", rows.title, rows.examples.features());
  if (prediction.size() == 0) {
    print_out(out + "accuracy: - (no rows)\n");
    return kDone;
  }
  out += fmt::format("accuracy: {:.2f} % ({} of {})\n",
                     100 * static_cast<double>(correct) / static_cast<double>(prediction.size()),
                     correct, prediction.size());
  if (!options.scores.empty()) out += fmt::format("scores: {}\n", options.scores);
  print_out(out);
  return kDone;
}

}  // namespace

void add_predict(CLI::App& app, Action& chosen) {
  auto options =
      std::make_shared<PredictArguments>();  // lives as long as the application's callbacks
  CLI::App* command =
      app.add_subcommand("predict", "Predict with a model that `laconic run --save-model` wrote");
  command->add_option("MODEL", options->model, "Saved model (docs/models.md)")->required();
  command
      ->add_option("DATA", options->data,
                   "A LIBSVM file, plain or gzip, or data by name: a9a, one-vs-rest:label=1:...")
      ->required();
  command
      ->add_option("--part", options->part,
                   "Of data by name: train or test; default: test where there is one")
      ->type_name("train|test")
      ->check(CLI::IsMember({"train", "test"}));
  command
      ->add_option("--scores", options->scores,
                   "Write a line per example: the predicted label and the scores")
      ->type_name("FILE");
  command->add_option("--seed", options->seed, "Of generated data; that of the run, default 1")
      ->type_name("N")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{INT64_MAX}));
  command->callback([options, &chosen] { chosen = [options] { return predict(*options); }; });
}

}  // namespace laconic::cli
