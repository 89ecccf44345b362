// SPDX-License-Identifier: Apache-2.0
// The public data sets that laconic knows by name: what they are, where their publishers keep them,
// and how to tell that a file is the right one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/data/dataset.hpp"
#include "laconic/data/places.hpp"
#include "laconic/data/series.hpp"
#include "laconic/data/text.hpp"

namespace laconic::data {

enum class FileFormat : std::uint8_t { kLibsvm, kIdx, kCifar, kText, kM4 };
// What KnownFile::rows counts: "rows", "images", "lines" or "series".
[[nodiscard]] std::string_view row_unit(FileFormat format);
enum class FileRole : std::uint8_t {
  kTrain,
  kTest,
  kTrainImages,
  kTrainLabels,
  kTestImages,
  kTestLabels
};
[[nodiscard]] std::string_view role_name(FileRole role);  // "train", "test", "train images", ...

struct KnownFile {
  FileRole role = FileRole::kTrain;
  std::string_view name = {};           // in the data set's folder, without .gz
  std::string_view remote_name = {};    // last part of the publisher's URL
  std::string_view sha256 = {};         // of the content, after decompression; empty: not known
  std::string_view remote_sha256 = {};  // of the bytes the publisher serves; empty: not known
  std::uint64_t bytes = 0;              // of the content; 0: not known
  std::uint32_t rows = 0;               // row_unit of the format says of what; 0: not known
};

struct KnownDataset {
  std::string_view name = {};
  std::string_view summary = {};  // one line
  std::string_view licence = {};
  std::string_view base_url = {};  // publisher; the URL of a file is base_url + remote_name
  std::vector<std::string_view> mirrors = {};  // used like base_url when the publisher fails
  std::string_view folder = {};                // empty: the name; several data sets may share one
  // Empty: `laconic data fetch` can bring it, and all its checksums are known. Else why not and
  // what to do by hand.
  std::string_view by_hand = {};
  FileFormat format = FileFormat::kLibsvm;
  LabelKind label_kind = LabelKind::kBinary;
  std::uint32_t class_count = 2;
  std::uint32_t features = 0;          // of texts and series: 0, it depends on the options
  TextLevel level = TextLevel::kChar;  // of texts: what their tokens are by default
  std::vector<KnownFile> files = {};   // in the order in which they are read

  [[nodiscard]] std::string_view folder_name() const { return folder.empty() ? name : folder; }
};

// How texts and series are cut into rows; the others have no options.
struct KnownOptions {
  std::optional<TextOptions> text = {};  // default: TextOptions of the level of the data set
  WindowOptions windows = {};
};

[[nodiscard]] std::span<const KnownDataset> known_datasets();
[[nodiscard]] const KnownDataset* find_known(std::string_view name);  // nullptr if there is none

// The first file of a role, nullptr if there is none.
[[nodiscard]] const KnownFile* find_role(const KnownDataset& dataset, FileRole role);

// Where the file lies now: PLACE/FOLDER/FILE or PLACE/FOLDER/FILE.gz in the order of Places.
[[nodiscard]] std::optional<std::filesystem::path> find_file(const KnownDataset& dataset,
                                                             const KnownFile& file,
                                                             const Places& places);
// As find_file, but ConfigError that names the places searched and what to do.
[[nodiscard]] std::filesystem::path require_file(const KnownDataset& dataset, const KnownFile& file,
                                                 const Places& places);

// Reads train and test set. ConfigError if a file is missing or malformed, or its number of rows is
// not that of the data set. Checksums are not compared; see checksum.hpp.
[[nodiscard]] Dataset load_known(const KnownDataset& known, const Places& places,
                                 const KnownOptions& options = {});
// The same by name; ConfigError if it is not known.
[[nodiscard]] Dataset load_named(std::string_view name,
                                 const Places& places = places_from_environment(),
                                 const KnownOptions& options = {});

}  // namespace laconic::data
