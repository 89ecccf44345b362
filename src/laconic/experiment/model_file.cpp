// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/model_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <iterator>
#include <system_error>

#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/experiment/catalog.hpp"
#include "laconic/experiment/line_file.hpp"
#include "laconic/problem/problem.hpp"

namespace laconic::experiment {
namespace {

bool takes_images(const Spec& problem) {
  return problem_traits(problem.name).takes == Takes::kImages;
}

constexpr std::string_view kMagic = "laconic-model";
constexpr std::string_view kVersion = "1";
constexpr std::int64_t kMaxFeatures = 100000000;
constexpr std::int64_t kMaxLabels = 1000000;
constexpr std::uint64_t kMaxWeights = std::uint64_t{1} << 31;

std::string_view name_of(Precision precision) {
  return precision == Precision::kFloat ? "float" : "double";
}

template <Real T>
void append_tensors(const Layout& layout, std::span<const T> x, std::vector<SavedTensor>& out) {
  for (const Tensor& tensor : layout.tensors()) {
    SavedTensor& saved = out.emplace_back();
    saved.name = tensor.name;
    saved.shape = tensor.shape;
    const std::span<const T> part = x.subspan(tensor.offset, tensor.shape.size());
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (part[i] == 0) continue;
      saved.indices.push_back(static_cast<std::uint32_t>(i));
      saved.values.push_back(static_cast<double>(part[i]));
    }
  }
}

// The text line by line; every complaint names the file and the line.
class Parser {
 public:
  Parser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  SavedModel parse() {
    const auto magic = words(kMagic, 1);
    if (magic[0] != kVersion)
      fail("version {} is not known; this program reads version {}", shown(magic[0]), kVersion);
    SavedModel out;
    out.problem = problem(rest_of("problem"));
    const auto precision = words("precision", 1);
    if (precision[0] != "float" && precision[0] != "double")
      fail("precision {} is not known; use float or double", shown(precision[0]));
    out.precision = precision[0] == "float" ? Precision::kFloat : Precision::kDouble;
    out.features = static_cast<std::uint32_t>(
        integer(words("features", 1)[0], "the number of features", {1, kMaxFeatures}));
    if (takes_images(out.problem)) {
      const auto sides = words("image", 2);
      const std::int64_t features = out.features;
      const std::int64_t height = integer(sides[0], "the height of an image", {1, features});
      const std::int64_t width = integer(sides[1], "the width of an image", {1, features});
      if (features % (height * width) != 0) {
        fail("{} features are not whole images of {} x {}", features, height, width);
      }
      out.image_height = static_cast<std::uint32_t>(height);
      out.image_width = static_cast<std::uint32_t>(width);
    }
    out.labels = labels();
    std::uint64_t weights = 0;
    while (!at_end_line()) {
      out.tensors.push_back(tensor(out.precision, weights));
      weights += out.tensors.back().shape.size();
    }
    if (position_ != text_.size()) {
      ++line_;
      fail("there is text behind the line `end`; remove it");
    }
    return out;
  }

 private:
  struct Range {
    std::int64_t low = 0;
    std::int64_t high = 0;
  };

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw ConfigError(fmt::format("{}: line {}: {}", name_, line_,
                                  fmt::format(format, std::forward<Args>(args)...)));
  }
  static std::string shown(std::string_view text) {
    constexpr std::size_t kMost = 40;
    std::string out;
    for (const char c : text.substr(0, kMost)) out += c >= ' ' && c <= '~' ? c : '?';
    return text.size() > kMost ? "'" + out + "...'" : "'" + out + "'";
  }

  std::string_view next_line() {
    ++line_;
    const std::size_t end = text_.find('\n', position_);
    if (end == std::string_view::npos) {
      fail("the file ends here without a line `end`; it was cut off, get it again");
    }
    const std::string_view line = text_.substr(position_, end - position_);
    position_ = end + 1;
    return line;
  }
  bool at_end_line() {
    constexpr std::string_view kEnd = "end\n";
    if (text_.substr(position_, kEnd.size()) != kEnd) return false;
    position_ += kEnd.size();
    ++line_;
    return true;
  }
  // What stands behind the keyword of the next line.
  std::string_view rest_of(std::string_view keyword) {
    const std::string_view line = next_line();
    if (!line.starts_with(keyword) || line.size() <= keyword.size() + 1 ||
        line[keyword.size()] != ' ') {
      if (line_ == 1)
        fail("{} is not how a saved model begins; is this another file?", shown(line));
      fail("{} stands where `{} ...` is expected", shown(line), keyword);
    }
    return line.substr(keyword.size() + 1);
  }
  static std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> out;
    for (std::size_t at = 0; at <= text.size();) {
      const std::size_t end = std::min(text.find(' ', at), text.size());
      out.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    return out;
  }
  std::vector<std::string_view> words(std::string_view keyword, std::size_t count) {
    const auto out = split(rest_of(keyword));
    if (out.size() != count) fail("{} words stand behind `{}`, not {}", out.size(), keyword, count);
    return out;
  }
  std::int64_t integer(std::string_view text, std::string_view what, Range range) const {
    const auto value = parse_integer(text);
    if (!value || *value < range.low || *value > range.high)
      fail("{} is {}, not a whole number from {} to {}", what, shown(text), range.low, range.high);
    return *value;
  }
  double real(std::string_view text, std::string_view what) const {
    const auto value = parse_real(text);
    if (!value) fail("{} is {}, not a finite number", what, shown(text));
    return *value;
  }

  Spec problem(std::string_view text) const {
    const auto spec = parse_spec(text);
    if (!spec) fail("{}", spec.error());
    const auto problems = all_cards().problems(*spec, "problem");
    if (!problems.empty()) fail("{}", problems.front());
    if (!problem_traits(spec->name).predicts)
      fail("problem {} makes no predictions, so there are no models of it", shown(spec->name));
    return all_cards().canonical(*spec, "problem");
  }
  std::vector<double> labels() {
    std::vector<double> out;
    for (const std::string_view word : split(rest_of("labels"))) {
      const double label = real(word, "a label");
      if (!out.empty() && label <= out.back())
        fail("label {} comes after {}; labels increase", shortest(label), shortest(out.back()));
      out.push_back(label);
    }
    if (out.size() < 2 || static_cast<std::int64_t>(out.size()) > kMaxLabels)
      fail("{} labels are not from 2 to {}", out.size(), kMaxLabels);
    return out;
  }
  SavedTensor tensor(Precision precision, std::uint64_t before) {
    const auto head = words("tensor", 4);
    SavedTensor out;
    out.name = head[0];
    constexpr std::int64_t kMost = kMaxWeights;
    out.shape.rows =
        static_cast<std::uint32_t>(integer(head[1], "the number of rows", {1, kMost - 1}));
    out.shape.cols =
        static_cast<std::uint32_t>(integer(head[2], "the number of columns", {1, kMost - 1}));
    if (std::uint64_t{out.shape.rows} * out.shape.cols > kMaxWeights - before)
      fail("there are more than {} weights", kMaxWeights);
    const std::int64_t count = integer(head[3], "the number of weights that are not 0",
                                       {0, static_cast<std::int64_t>(out.shape.size())});
    for (std::int64_t k = 0; k < count; ++k) out = with_weight(std::move(out), precision);
    return out;
  }
  SavedTensor with_weight(SavedTensor out, Precision precision) {
    const auto pair = split(next_line());
    if (pair.size() != 2) fail("a line `INDEX VALUE` of tensor {} is expected", out.name);
    const std::int64_t index =
        integer(pair[0], "the index", {0, static_cast<std::int64_t>(out.shape.size()) - 1});
    if (!out.indices.empty() && index <= out.indices.back())
      fail("index {} comes after {}; indices increase", index, out.indices.back());
    const double value = real(pair[1], "the weight");
    const bool fits = precision == Precision::kDouble ||
                      (std::isfinite(static_cast<float>(value)) && static_cast<float>(value) != 0);
    if (value == 0) fail("the weight is 0; leave the line out and count it no longer");
    if (!fits) fail("the weight {} is no number in float; use precision double", shown(pair[1]));
    out.indices.push_back(static_cast<std::uint32_t>(index));
    const bool is_double = precision == Precision::kDouble;
    out.values.push_back(is_double ? value : static_cast<double>(static_cast<float>(value)));
    return out;
  }

  std::string_view text_;
  std::string_view name_;
  std::size_t position_ = 0;
  std::uint64_t line_ = 0;
};

// The rows with exactly `features` columns.
data::SparseRows with_features(const data::SparseRows& rows, std::uint32_t features) {
  data::SparseRows out;
  out.features = features;
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const data::SparseRows::Row row = rows.row(i);
    for (std::size_t j = 0; j < row.columns.size() && row.columns[j] < features; ++j) {
      out.columns.push_back(row.columns[j]);
      out.values.push_back(row.values[j]);
    }
    out.offsets.push_back(out.columns.size());
  }
  return out;
}
data::DenseRows with_features(const data::DenseRows& rows, std::uint32_t features) {
  data::DenseRows out;
  out.features = features;
  out.values.resize(rows.rows() * features, 0.0F);
  const std::size_t common = std::min(features, rows.features);
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const auto row = rows.row(i).first(common);
    std::copy(row.begin(), row.end(),
              out.values.begin() + static_cast<std::ptrdiff_t>(i * features));
  }
  return out;
}

template <Real T>
std::vector<T> weights_of(const SavedModel& model, std::string_view name, const Layout& layout) {
  const auto tensors = layout.tensors();
  if (model.tensors.size() != tensors.size()) {
    throw ConfigError(fmt::format("{}: {} tensors, but a model of {} has {}; train it again", name,
                                  model.tensors.size(), print(model.problem), tensors.size()));
  }
  std::vector<T> out(layout.size(), T{0});
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const SavedTensor& saved = model.tensors[t];
    if (saved.name != tensors[t].name || saved.shape != tensors[t].shape) {
      throw ConfigError(fmt::format(
          "{}: tensor {} of {} x {}, but a model of {} with {} features and {} labels has {} of "
          "{} x {} there; train it again",
          name, saved.name, saved.shape.rows, saved.shape.cols, print(model.problem),
          model.features, model.labels.size(), tensors[t].name, tensors[t].shape.rows,
          tensors[t].shape.cols));
    }
    for (std::size_t j = 0; j < saved.indices.size(); ++j)
      out[tensors[t].offset + saved.indices[j]] = static_cast<T>(saved.values[j]);
  }
  return out;
}

std::uint32_t class_of(std::span<const double> scores) {
  if (scores.size() == 1) return scores[0] > 0 ? 1 : 0;
  return static_cast<std::uint32_t>(std::max_element(scores.begin(), scores.end()) -
                                    scores.begin());
}

template <Real T>
Prediction predict_in(const SavedModel& model, std::string_view name,
                      const data::Examples& examples) {
  data::Dataset dataset;
  dataset.name = name;
  dataset.label_kind = data::LabelKind::kClasses;
  dataset.class_count = static_cast<std::uint32_t>(model.labels.size());
  dataset.image_height = model.image_height;
  dataset.image_width = model.image_width;
  dataset.train.classes.resize(examples.size(), 0);  // scores do not depend on labels
  std::visit([&](const auto& rows) { dataset.train.rows = with_features(rows, model.features); },
             examples.rows);
  std::vector<std::uint32_t> all(examples.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint32_t>(i);
  const auto problem =
      problems<T>().make(model.problem, {.dataset = &dataset, .shards = {std::move(all)}});
  const std::vector<T> x = weights_of<T>(model, name, problem->layout());
  Prediction out;
  out.width = problem->score_count();
  out.scores.resize(examples.size() * out.width);
  ProblemScratch<T> scratch;
  problem->scores(0, x, out.scores, scratch);
  for (std::size_t i = 0; i < examples.size(); ++i)
    out.classes.push_back(class_of(std::span(out.scores).subspan(i * out.width, out.width)));
  return out;
}

std::string file_name(std::string_view name) {
  constexpr std::size_t kMost = 60;
  std::string out;
  for (const char c : name.substr(0, kMost)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '=' || c == '-';
    out += plain ? c : '_';
  }
  return out;
}

}  // namespace

std::size_t SavedModel::size() const {
  std::size_t sum = 0;
  for (const SavedTensor& tensor : tensors) sum += tensor.shape.size();
  return sum;
}
std::size_t SavedModel::nonzeros() const {
  std::size_t sum = 0;
  for (const SavedTensor& tensor : tensors) sum += tensor.indices.size();
  return sum;
}

bool can_save(const Plan& plan) { return problem_traits(plan.problem.name).predicts; }

SavedModel saved_model(const Plan& plan, const data::Dataset& dataset, const TrainedModel& model) {
  LACONIC_EXPECTS(can_save(plan) && model.layout != nullptr);
  SavedModel out = {.problem = plan.problem,
                    .precision = plan.precision,
                    .features = dataset.train.features(),
                    .labels = label_values(dataset)};
  if (takes_images(plan.problem)) {
    out.image_height = dataset.image_height;
    out.image_width = dataset.image_width;
  }
  std::visit([&](const auto x) { append_tensors(*model.layout, x, out.tensors); }, model.x);
  return out;
}

std::string model_text(const SavedModel& model) {
  std::string out = fmt::format("{} {}\nproblem {}\nprecision {}\nfeatures {}\n", kMagic, kVersion,
                                print(model.problem), name_of(model.precision), model.features);
  if (model.image_height > 0) {
    out += fmt::format("image {} {}\n", model.image_height, model.image_width);
  }
  out += "labels";
  for (const double label : model.labels) out += ' ' + shortest(label);
  out += '\n';
  for (const SavedTensor& tensor : model.tensors) {
    out += fmt::format("tensor {} {} {} {}\n", tensor.name, tensor.shape.rows, tensor.shape.cols,
                       tensor.indices.size());
    for (std::size_t j = 0; j < tensor.indices.size(); ++j) {
      if (model.precision == Precision::kFloat) {
        out += fmt::format("{} {}\n", tensor.indices[j], static_cast<float>(tensor.values[j]));
      } else {
        out += fmt::format("{} {}\n", tensor.indices[j], tensor.values[j]);
      }
    }
  }
  return out + "end\n";
}

SavedModel parse_model(std::string_view text, std::string_view name) {
  return Parser(text, name).parse();
}

SavedModel read_model(const std::filesystem::path& path) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code))
    throw ConfigError(fmt::format("'{}' is a folder; name one of the models in it", path.string()));
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw ConfigError(
        fmt::format("'{}' cannot be read: {}; `laconic run FILE --save-model` writes models",
                    path.string(), std::error_code(errno, std::generic_category()).message()));
  }
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  return parse_model(text, path.string());
}

ModelFolder::ModelFolder(std::filesystem::path folder, const Plan& plan,
                         const data::Dataset& dataset)
    : folder_(std::move(folder)), plan_(plan), dataset_(dataset) {
  LACONIC_EXPECTS(can_save(plan));
  make_output_folder(folder_);
}

void ModelFolder::trained(const TrainedModel& model) {
  std::string name =
      fmt::format("{}-{}", model.method + 1, file_name(plan_.methods[model.method].name));
  if (plan_.repeats > 1) name += fmt::format("-r{}", model.repeat + 1);
  write_whole_file(folder_ / (name + ".model"), model_text(saved_model(plan_, dataset_, model)));
}

Prediction predict(const SavedModel& model, std::string_view name, const data::Examples& examples) {
  if (examples.size() == 0) return {};
  return model.precision == Precision::kFloat ? predict_in<float>(model, name, examples)
                                              : predict_in<double>(model, name, examples);
}

void write_scores(const SavedModel& model, const Prediction& prediction,
                  const std::filesystem::path& path) {
  std::string text;
  for (std::size_t i = 0; i < prediction.size(); ++i) {
    text += shortest(model.labels[prediction.classes[i]]);
    for (std::size_t c = 0; c < prediction.width; ++c)
      text += ' ' + shortest(prediction.scores[i * prediction.width + c]);
    text += '\n';
  }
  write_whole_file(path, text);
}

}  // namespace laconic::experiment
