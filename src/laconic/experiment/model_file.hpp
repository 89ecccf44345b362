// SPDX-License-Identifier: Apache-2.0
// Trained models as files: what of the weights is not 0, and what it takes to predict with them.
// The format is a text (docs/models.md); the reader is strict.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/spec.hpp"
#include "laconic/data/dataset.hpp"
#include "laconic/experiment/config.hpp"
#include "laconic/experiment/observer.hpp"
#include "laconic/experiment/plan.hpp"
#include "laconic/tensor/layout.hpp"

namespace laconic::experiment {

struct SavedTensor {
  std::string name = {};
  Shape shape = {};
  std::vector<std::uint32_t> indices = {};  // of what is not 0; row by row, increasing
  std::vector<double> values = {};          // one per index
};

struct SavedModel {
  Spec problem = {};  // canonical
  Precision precision = Precision::kFloat;
  std::uint32_t features = 0;
  std::uint32_t image_height = 0;  // of problems that take images, else 0
  std::uint32_t image_width = 0;
  std::vector<double> labels = {};  // class i is called labels[i]; increasing
  std::vector<SavedTensor> tensors = {};

  [[nodiscard]] std::size_t size() const;      // weights
  [[nodiscard]] std::size_t nonzeros() const;  // weights that are not 0
};

// Whether models of the problem can be saved: whether it predicts.
[[nodiscard]] bool can_save(const Plan& plan);
// Precondition: can_save(plan); the data are those of the experiment.
[[nodiscard]] SavedModel saved_model(const Plan& plan, const data::Dataset& dataset,
                                     const TrainedModel& model);
[[nodiscard]] std::string model_text(const SavedModel& model);
// ConfigError "NAME: line N: ..." where the text is not a model. `name` stands for the file.
[[nodiscard]] SavedModel parse_model(std::string_view text, std::string_view name);
// ConfigError, likewise, or when the file cannot be read.
[[nodiscard]] SavedModel read_model(const std::filesystem::path& path);

// Observes a run and writes its models: FOLDER/M-NAME.model of method M of the plan, counted from
// 1, with repeats FOLDER/M-NAME-rR.model.
class ModelFolder final : public Observer {
 public:
  // Makes the folder. References outlive it; ConfigError if the folder cannot be made.
  ModelFolder(std::filesystem::path folder, const Plan& plan, const data::Dataset& dataset);
  void advanced(const Progress&) override {}
  void recorded(const Record&) override {}
  void diverged(const Divergence&) override {}
  void trained(const TrainedModel& model) override;

 private:
  std::filesystem::path folder_;
  const Plan& plan_;
  const data::Dataset& dataset_;
};

// What a model says about examples, in order.
struct Prediction {
  std::size_t width = 0;               // numbers per example, see Problem::score_count
  std::vector<double> scores = {};     // width per example
  std::vector<std::uint32_t> classes;  // one per example
  [[nodiscard]] std::size_t size() const { return classes.size(); }
};
// Features that the model does not have are left out, those that the rows lack are 0. ConfigError,
// which names the model's file, if the model is not one of its problem.
[[nodiscard]] Prediction predict(const SavedModel& model, std::string_view name,
                                 const data::Examples& examples);
// One line per example: the predicted label, then the scores, with spaces between. Error when the
// file cannot be written.
void write_scores(const SavedModel& model, const Prediction& prediction,
                  const std::filesystem::path& path);

}  // namespace laconic::experiment
