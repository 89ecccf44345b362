// SPDX-License-Identifier: Apache-2.0
// The readers of data for neural networks as methods of kind "data".
#include "laconic/data/readers.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <utility>

#include "laconic/base/error.hpp"
#include "laconic/data/cifar.hpp"
#include "laconic/data/load.hpp"

namespace laconic::data {
namespace {

std::vector<ParamCard> with_path(std::vector<ParamCard> params, bool has_test) {
  std::vector<ParamCard> out = {{"path", ParamType::kText, {}, kPathHelp}};
  if (has_test) out.push_back({"test", ParamType::kText, kNoFile, kTestPathHelp});
  out.insert(out.end(), params.begin(), params.end());
  return out;
}

ParamCard held_out_param(std::string_view help) {
  return {"held_out", ParamType::kReal, "0.1", help, 0, kMaxHeldOut};
}

// Empty if the argument is "none".
std::string test_path(const Args& args) {
  const std::string& path = args.text("test");
  if (path == kNoFile) return {};
  require_exists(args.spec().name, "test", path);
  return path;
}

std::unique_ptr<Dataset> load_cifar(const Args& args, const DataSetup&) {
  require_exists("cifar", "path", args.text("path"));
  const std::string test = test_path(args);
  return std::make_unique<Dataset>(
      cifar_dataset(read_cifar(args.text("path")), test.empty() ? Examples() : read_cifar(test)));
}

std::unique_ptr<Dataset> load_text(const Args& args, const DataSetup&) {
  require_exists("text", "path", args.text("path"));
  const std::string test = test_path(args);
  return std::make_unique<Dataset>(text_dataset(
      read_text({.train = args.text("path"), .test = test}, text_options(args, false))));
}

std::unique_ptr<Dataset> load_m4(const Args& args, const DataSetup&) {
  const std::string& path = args.text("path");
  require_exists("m4", "path", path);
  const WindowOptions options = window_options(args);
  return std::make_unique<Dataset>(
      series_dataset(cut_windows(read_m4(path), path, options), options));
}

}  // namespace

void require_exists(std::string_view method, std::string_view key, const std::string& path) {
  std::error_code code;
  if (std::filesystem::exists(path, code)) return;
  throw ConfigError(fmt::format(
      "{}: {}={}: no such file; check the path (from {}), and note that in a spec it cannot "
      "contain spaces or any of : , = ( ): rename or link such a file",
      method, key, path, std::filesystem::current_path(code).string()));
}

std::vector<ParamCard> text_params(TextLevel default_level, bool has_test_file) {
  std::vector<ParamCard> out = {
      {.key = "level",
       .type = ParamType::kChoice,
       .default_text = default_level == TextLevel::kChar ? "char" : "word",
       .help = "what a token is: a character, or a word and the end of a line",
       .choices = {"char", "word"}},
      {"context", ParamType::kInteger, "64", "the number of tokens of a row", 1, kMaxContext},
      {"vocabulary", ParamType::kInteger, "0",
       "how many of the most frequent types are kept; 0: all", 0, kMaxVocabulary - 1}};
  if (!has_test_file) {
    out.push_back(held_out_param("the last share of a text without test file, its test part"));
  }
  return out;
}

TextOptions text_options(const Args& args, bool has_test_file) {
  return {.level = args.text("level") == "word" ? TextLevel::kWord : TextLevel::kChar,
          .context = static_cast<std::uint32_t>(args.integer("context")),
          .vocabulary = static_cast<std::uint32_t>(args.integer("vocabulary")),
          .held_out = has_test_file ? 0 : args.real("held_out")};
}

Dataset text_dataset(TextData text) {
  Dataset out;
  out.label_kind = LabelKind::kClasses;
  out.class_count = static_cast<std::uint32_t>(text.types.size());
  out.tokens = true;
  out.train = std::move(text.train);
  out.test = std::move(text.test);
  return out;
}

std::vector<ParamCard> window_params() {
  return {{"lags", ParamType::kInteger, "20", "the values that a forecaster sees", 1, kMaxWindow},
          {"horizon", ParamType::kInteger, "6", "the values that it has to tell", 1, kMaxWindow},
          {"stride", ParamType::kInteger, "3", "from one window to the next", 1, kMaxWindow},
          held_out_param("the last share of the windows of each series, its test part")};
}

WindowOptions window_options(const Args& args) {
  return {.lags = static_cast<std::uint32_t>(args.integer("lags")),
          .horizon = static_cast<std::uint32_t>(args.integer("horizon")),
          .stride = static_cast<std::uint32_t>(args.integer("stride")),
          .held_out = args.real("held_out")};
}

Dataset series_dataset(SeriesWindows windows, const WindowOptions& options) {
  Dataset out;
  out.label_kind = LabelKind::kNone;
  out.class_count = 0;
  out.series_lags = options.lags;
  out.series_horizon = options.horizon;
  out.train = std::move(windows.train);
  out.test = std::move(windows.test);
  return out;
}

Dataset cifar_dataset(Examples train, Examples test) {
  Dataset out;
  out.label_kind = LabelKind::kClasses;
  out.class_count = kCifarClasses;
  out.image_height = kCifarSide;
  out.image_width = kCifarSide;
  out.train = std::move(train);
  out.test = std::move(test);
  return out;
}

DataMethod cifar_method() {
  static const Card card{.kind = "data",
                         .name = "cifar",
                         .summary = "Colour images from a file in the binary format of CIFAR-10",
                         .params = with_path({}, true)};
  return {&card, &load_cifar};
}

DataMethod text_method() {
  static const Card card{.kind = "data",
                         .name = "text",
                         .summary = "Windows of the characters or words of a text in UTF-8",
                         .params = with_path(text_params(TextLevel::kChar, false), true)};
  return {&card, &load_text};
}

DataMethod m4_method() {
  static const Card card{
      .kind = "data",
      .name = "m4",
      .summary = "Windows of the time series of a CSV file of the M4 competition",
      .params = with_path(window_params(), false)};
  return {&card, &load_m4};
}

}  // namespace laconic::data
