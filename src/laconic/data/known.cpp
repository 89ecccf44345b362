// SPDX-License-Identifier: Apache-2.0
// The known data sets of catalog.cpp, read.
#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/catalog.hpp"
#include "laconic/data/cifar.hpp"
#include "laconic/data/idx.hpp"
#include "laconic/data/libsvm.hpp"
#include "laconic/data/readers.hpp"

namespace laconic::data {
namespace {

void check_rows(const KnownDataset& dataset, const KnownFile& file,
                const std::filesystem::path& path, std::size_t rows) {
  if (file.rows == 0 || rows == file.rows) return;
  throw ConfigError(fmt::format(
      "{}: {} {}, but {} of {} has {}; the file is damaged or another one, get it again",
      path.string(), rows, row_unit(dataset.format), file.name, dataset.name, file.rows));
}

Dataset labelled(const KnownDataset& known) {
  Dataset out;
  out.label_kind = known.label_kind;
  out.class_count = known.class_count;
  return out;
}

// Binary pairs and class values are those of the training file: a test part may lack some.
Dataset load_libsvm(const KnownDataset& known, const Places& places) {
  Dataset out = labelled(known);
  LibsvmOptions options{.features = known.features, .labels = known.label_kind};
  for (const FileRole role : {FileRole::kTrain, FileRole::kTest}) {
    const KnownFile* file = find_role(known, role);
    if (file == nullptr) continue;
    const std::filesystem::path path = require_file(known, *file, places);
    LibsvmFile content = read_libsvm(path, options);
    check_rows(known, *file, path, content.examples.size());
    options.label_values = std::move(content.label_values);
    out.label_values = options.label_values;
    (role == FileRole::kTrain ? out.train : out.test) = std::move(content.examples);
  }
  return out;
}

Dataset load_idx(const KnownDataset& known, const Places& places) {
  Dataset out = labelled(known);
  struct Part {
    FileRole images;
    FileRole labels;
    Examples* examples;
  };
  for (const Part& part : {Part{FileRole::kTrainImages, FileRole::kTrainLabels, &out.train},
                           Part{FileRole::kTestImages, FileRole::kTestLabels, &out.test}}) {
    const KnownFile* images = find_role(known, part.images);
    const KnownFile* labels = find_role(known, part.labels);
    if (images == nullptr || labels == nullptr) continue;
    const IdxPair pair{.images = require_file(known, *images, places),
                       .labels = require_file(known, *labels, places)};
    IdxExamples content = read_idx(pair, {.class_count = known.class_count});
    check_rows(known, *images, pair.images, content.examples.size());
    if (content.examples.features() != known.features) {
      throw ConfigError(fmt::format(
          "{}: images of {} pixels, but those of {} have {}; the file is another one, get it again",
          pair.images.string(), content.examples.features(), known.name, known.features));
    }
    out.image_height = content.height;
    out.image_width = content.width;
    *part.examples = std::move(content.examples);
  }
  return out;
}

// Files of one role, one after the other.
Examples read_batches(const KnownDataset& known, FileRole role, const Places& places) {
  Examples out;
  DenseRows all;
  all.features = known.features;
  std::size_t images = 0;
  for (const KnownFile& file : known.files) images += file.role == role ? file.rows : 0;
  all.values.reserve(images * known.features);
  for (const KnownFile& file : known.files) {
    if (file.role != role) continue;
    const std::filesystem::path path = require_file(known, file, places);
    const Examples part = read_cifar(path);
    check_rows(known, file, path, part.size());
    const std::vector<float>& values = std::get<DenseRows>(part.rows).values;
    all.values.insert(all.values.end(), values.begin(), values.end());
    out.classes.insert(out.classes.end(), part.classes.begin(), part.classes.end());
  }
  out.rows = std::move(all);
  return out;
}

Dataset load_cifar(const KnownDataset& known, const Places& places) {
  return cifar_dataset(read_batches(known, FileRole::kTrain, places),
                       read_batches(known, FileRole::kTest, places));
}

Dataset load_text(const KnownDataset& known, const Places& places, const TextOptions& options) {
  const KnownFile& train = *find_role(known, FileRole::kTrain);
  const KnownFile* test = find_role(known, FileRole::kTest);
  TextPaths paths{.train = require_file(known, train, places), .test = {}};
  if (test != nullptr) paths.test = require_file(known, *test, places);
  TextData text = read_text(paths, options);
  check_rows(known, train, paths.train, text.train_lines);
  if (test != nullptr) check_rows(known, *test, paths.test, text.test_lines);
  return text_dataset(std::move(text));
}

Dataset load_m4(const KnownDataset& known, const Places& places, const WindowOptions& options) {
  const KnownFile& file = *find_role(known, FileRole::kTrain);
  const std::filesystem::path path = require_file(known, file, places);
  const std::vector<Series> series = read_m4(path);
  check_rows(known, file, path, series.size());
  return series_dataset(cut_windows(series, path.string(), options), options);
}

}  // namespace

Dataset load_known(const KnownDataset& known, const Places& places, const KnownOptions& options) {
  Dataset out;
  switch (known.format) {
    case FileFormat::kLibsvm:
      out = load_libsvm(known, places);
      break;
    case FileFormat::kIdx:
      out = load_idx(known, places);
      break;
    case FileFormat::kCifar:
      out = load_cifar(known, places);
      break;
    case FileFormat::kText:
      out = load_text(known, places, options.text.value_or(TextOptions{.level = known.level}));
      break;
    case FileFormat::kM4:
      out = load_m4(known, places, options.windows);
      break;
  }
  out.name = known.name;
  out.description = summarize(out);
  return out;
}

Dataset load_named(std::string_view name, const Places& places, const KnownOptions& options) {
  const KnownDataset* known = find_known(name);
  if (known == nullptr) {
    std::vector<std::string_view> names;
    for (const KnownDataset& d : known_datasets()) names.push_back(d.name);
    throw ConfigError(fmt::format("'{}' is not a known data set; use {}", name, join_or(names)));
  }
  return load_known(*known, places, options);
}

}  // namespace laconic::data
