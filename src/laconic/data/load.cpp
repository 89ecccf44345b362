// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/load.hpp"

#include <fmt/format.h>

#include <list>

#include "laconic/base/error.hpp"
#include "laconic/data/catalog.hpp"
#include "laconic/data/idx.hpp"
#include "laconic/data/libsvm.hpp"
#include "laconic/data/readers.hpp"

namespace laconic::data {

#define X(name) DataMethod name##_method();
#include "laconic/data/methods.def"
#undef X

namespace {

std::unique_ptr<Dataset> load_libsvm(const Args& args, const DataSetup&) {
  LibsvmOptions options{
      .features = static_cast<std::uint32_t>(args.integer("features")),
      .labels = args.text("labels") == "classes" ? LabelKind::kClasses : LabelKind::kBinary};
  const std::string& path = args.text("path");
  const std::string& test_path = args.text("test");
  require_exists("libsvm", "path", path);
  if (test_path != kNoFile) require_exists("libsvm", "test", test_path);
  auto out = std::make_unique<Dataset>();
  out->label_kind = options.labels;
  LibsvmFile train = read_libsvm(path, options);
  out->train = std::move(train.examples);
  out->class_count = static_cast<std::uint32_t>(train.label_values.size());
  out->label_values = train.label_values;
  if (test_path != kNoFile) {
    options.features = out->train.features();
    options.label_values = std::move(train.label_values);
    out->test = read_libsvm(test_path, options).examples;
  }
  return out;
}

std::unique_ptr<Dataset> load_idx(const Args& args, const DataSetup&) {
  const IdxOptions options{.class_count = static_cast<std::uint32_t>(args.integer("classes"))};
  const bool has_test_images = args.text("test_images") != kNoFile;
  if (has_test_images != (args.text("test_labels") != kNoFile)) {
    throw ConfigError("idx: test_images and test_labels belong together; give both or none");
  }
  for (const std::string_view key : {"images", "labels"})
    require_exists("idx", key, args.text(key));
  auto out = std::make_unique<Dataset>();
  out->label_kind = LabelKind::kClasses;
  out->class_count = options.class_count;
  IdxExamples train =
      read_idx({.images = args.text("images"), .labels = args.text("labels")}, options);
  out->train = std::move(train.examples);
  out->image_height = train.height;
  out->image_width = train.width;
  if (has_test_images) {
    for (const std::string_view key : {"test_images", "test_labels"})
      require_exists("idx", key, args.text(key));
    IdxExamples test =
        read_idx({.images = args.text("test_images"), .labels = args.text("test_labels")}, options);
    if (test.height != train.height || test.width != train.width) {
      throw ConfigError(fmt::format(
          "idx: test images of {} x {} pixels, training images of {} x {}; they do not belong "
          "together",
          test.height, test.width, train.height, train.width));
    }
    out->test = std::move(test.examples);
  }
  return out;
}

// What a known data set can be asked for, by the format of its files.
std::vector<ParamCard> params_of(const KnownDataset& known) {
  if (known.format == FileFormat::kText)
    return text_params(known.level, find_role(known, FileRole::kTest) != nullptr);
  if (known.format == FileFormat::kM4) return window_params();
  return {};
}

// One method for each known data set.
std::unique_ptr<Dataset> make_known(const Args& args, const DataSetup& setup) {
  const KnownDataset& known = *find_known(args.spec().name);
  KnownOptions options;
  if (known.format == FileFormat::kText)
    options.text = text_options(args, find_role(known, FileRole::kTest) != nullptr);
  if (known.format == FileFormat::kM4) options.windows = window_options(args);
  return std::make_unique<Dataset>(
      load_known(known, setup.places ? *setup.places : places_from_environment(), options));
}

std::vector<DataMethod> all_methods() {
  std::vector<DataMethod> out = {
#define X(name) name##_method(),
#include "laconic/data/methods.def"
#undef X
  };
  static const std::list<Card> known_cards = [] {
    std::list<Card> cards;
    for (const KnownDataset& d : known_datasets()) {
      cards.push_back(
          {.kind = "data", .name = d.name, .summary = d.summary, .params = params_of(d)});
    }
    return cards;
  }();
  for (const Card& card : known_cards) out.push_back({&card, &make_known});
  return out;
}

}  // namespace

DataMethod libsvm_method() {
  static const Card card{
      .kind = "data",
      .name = "libsvm",
      .summary = "Rows from a file in LIBSVM text format",
      .params = {{"path", ParamType::kText, {}, kPathHelp},
                 {"test", ParamType::kText, kNoFile, kTestPathHelp},
                 {"features", ParamType::kInteger, "0",
                  "the number of features; 0: the largest index of the file", 0, 2147483647},
                 {.key = "labels",
                  .type = ParamType::kChoice,
                  .default_text = "binary",
                  .help = "two labels, or whole numbers as classes",
                  .choices = {"binary", "classes"}}}};
  return {&card, &load_libsvm};
}

DataMethod idx_method() {
  static const Card card{.kind = "data",
                         .name = "idx",
                         .summary = "Images and labels from files in the IDX format of MNIST",
                         .params = {{"images", ParamType::kText, {}, kPathHelp},
                                    {"labels", ParamType::kText, {}, kPathHelp},
                                    {"test_images", ParamType::kText, kNoFile, kTestPathHelp},
                                    {"test_labels", ParamType::kText, kNoFile, kTestPathHelp},
                                    {"classes", ParamType::kInteger, "10",
                                     "the number of classes; labels are below it", 1, 256}}};
  return {&card, &load_idx};
}

const Registry<Dataset, DataSetup>& data_registry() {
  static const Registry<Dataset, DataSetup> registry(all_methods());
  return registry;
}

std::vector<const Card*> data_cards() {
  std::vector<const Card*> out;
  for (const DataMethod& method : data_registry().methods()) out.push_back(method.card);
  return out;
}

Dataset load(const Spec& canonical, const DataSetup& setup) {
  const std::unique_ptr<Dataset> dataset = data_registry().make(canonical, setup);
  dataset->name = print(canonical);
  dataset->description = summarize(*dataset);
  return std::move(*dataset);
}

}  // namespace laconic::data
