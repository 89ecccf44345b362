// SPDX-License-Identifier: Apache-2.0
// Rows, bytes and checksums were computed from files that agree with the publishers' checksums
// where there are any (MNIST, Fashion-MNIST). The LIBSVM page publishes none. The whole CIFAR-10
// and the training file of WikiText-2 were not at hand: their checksums are not known.
#include "laconic/data/catalog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "laconic/base/card.hpp"
#include "laconic/base/error.hpp"
#include "laconic/data/cifar.hpp"

namespace laconic::data {
namespace {

// The tests of the competition (Weekly-test.csv, ...) are not used: they fix the horizon.
constexpr std::string_view kM4Url =
    "https://raw.githubusercontent.com/Mcompetitions/M4-methods/master/Dataset/Train/";
constexpr std::string_view kWikitextUrl =
    "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/";

// One of the files of 10,000 images of CIFAR-10.
KnownFile cifar_batch(std::string_view name, FileRole role) {
  constexpr std::uint32_t kImages = 10000;
  return {.role = role,
          .name = name,
          .remote_name = name,
          .bytes = std::uint64_t{kImages} * (1 + kCifarFeatures),
          .rows = kImages};
}

KnownFile wikitext_test() {
  return {.role = FileRole::kTest,
          .name = "test.txt",
          .remote_name = "test.txt",
          .sha256 = "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
          .bytes = 1256449,
          .rows = 4358};
}

const std::vector<KnownDataset>& table() {
  static const std::vector<KnownDataset> kTable = {
      {.name = "a9a",
       .summary = "Adult census income, binarised: does a person earn more than 50,000 dollars",
       .licence = "UCI Adult, CC BY 4.0; the LIBSVM page asks for citation",
       .base_url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/",
       .format = FileFormat::kLibsvm,
       .features = 123,
       .files = {{.role = FileRole::kTrain,
                  .name = "a9a",
                  .remote_name = "a9a",
                  .sha256 = "f5d5ffd8d865ff41328e7ee043e4b020816914ff6843ff15b98905ddbedce906",
                  .bytes = 2329875,
                  .rows = 32561},
                 {.role = FileRole::kTest,
                  .name = "a9a.t",
                  .remote_name = "a9a.t",
                  .sha256 = "1f448a153f0320399a7e40836eb207655b0bde0f21fc941cc472193daa9f5de9",
                  .bytes = 1164628,
                  .rows = 16281}}},
      {.name = "w7a",
       .summary = "Web pages by keywords (Platt 1998); with its test part the same rows as w8a",
       .licence = "no explicit licence; from the LIBSVM page",
       .base_url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/",
       .format = FileFormat::kLibsvm,
       .features = 300,
       .files = {{.role = FileRole::kTrain,
                  .name = "w7a",
                  .remote_name = "w7a",
                  .sha256 = "bd02f445a1a2f4aaefd27d7dcc31f1f6a8521f904157f2ee7c96d1294cd26e36",
                  .bytes = 1729215,
                  .rows = 24692},
                 {.role = FileRole::kTest,
                  .name = "w7a.t",
                  .remote_name = "w7a.t",
                  .sha256 = "a52edcfe9871e3b0db5d864959bf32230491ddfeca3334cfec93c1d932ea32b9",
                  .bytes = 1749023,
                  .rows = 25057}}},
      {.name = "w8a",
       .summary = "Web pages by keywords (Platt 1998)",
       .licence = "no explicit licence; from the LIBSVM page",
       .base_url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/",
       .format = FileFormat::kLibsvm,
       .features = 300,
       .files = {{.role = FileRole::kTrain,
                  .name = "w8a",
                  .remote_name = "w8a",
                  .sha256 = "6a9fa8fd5f524303240a5db07d4b3d4a51e8b7b4b20a914105d8e3e8c81640f2",
                  .bytes = 3478238,
                  .rows = 49749},
                 {.role = FileRole::kTest,
                  .name = "w8a.t",
                  .remote_name = "w8a.t",
                  .sha256 = "618929ecb01bebb841daec4cae4aa07b97832d29b08652452775598929547fde",
                  .bytes = 1045870,
                  .rows = 14951}}},
      {.name = "phishing",
       .summary = "Phishing web sites; no test part",
       .licence = "UCI Phishing Websites, CC BY 4.0",
       .base_url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/",
       .format = FileFormat::kLibsvm,
       .features = 68,
       .files = {{.role = FileRole::kTrain,
                  .name = "phishing",
                  .remote_name = "phishing",
                  .sha256 = "0cf66ef36604c393da9359b2e5d894a2df8aee31fd184633cefa138add2ef08a",
                  .bytes = 3620168,
                  .rows = 11055}}},
      {.name = "mushrooms",
       .summary = "Edible or poisonous mushrooms; no test part",
       .licence = "UCI Mushroom, CC BY 4.0",
       .base_url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/",
       .format = FileFormat::kLibsvm,
       .features = 112,
       .files = {{.role = FileRole::kTrain,
                  .name = "mushrooms",
                  .remote_name = "mushrooms",
                  .sha256 = "f39a4eb628dc61a7d43760815b061c9e497aa728ce1ad8bde57a09ef6043b538",
                  .bytes = 879712,
                  .rows = 8124}}},
      {.name = "ijcnn1",
       .summary = "IJCNN 2001 challenge (Prokhorov), training and validation part joined",
       .licence = "no explicit licence; from the LIBSVM page",
       .base_url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/",
       .by_hand = "the publisher serves bzip2 only, which laconic does not read; take "
                  "binary/ijcnn1/ijcnn1.trn.bz2 and ijcnn1.tst.bz2 of "
                  "https://github.com/X-DataInitiative/tick-datasets, decompress them with bunzip2 "
                  "and name them ijcnn1 and ijcnn1.t",
       .format = FileFormat::kLibsvm,
       .features = 22,
       .files = {{.role = FileRole::kTrain,
                  .name = "ijcnn1",
                  .remote_name = "ijcnn1",
                  .sha256 = "7fe291672c3fefe6a7e3c51529becd23f0e985ba05ffb8d53c9c648c1e91cc19",
                  .bytes = 7844877,
                  .rows = 49990},
                 {.role = FileRole::kTest,
                  .name = "ijcnn1.t",
                  .remote_name = "ijcnn1.t",
                  .sha256 = "e7b0bbd518641980dc322746c6bc59d019d3153934e6258e48f9d8cfae2c4bb8",
                  .bytes = 14213968,
                  .rows = 91701}}},
      {.name = "lasvm-reuters",
       .summary = "Reuters-21578 newswire topics (LASVM paper), sparse text",
       .licence = "derived from Reuters-21578, research use",
       .base_url = "http://leon.bottou.org/_media/papers/",
       .by_hand = "the publisher serves an archive whose rows repeat indices; take "
                  "binary/reuters/reuters.trn.bz2 and reuters.tst.bz2 of "
                  "https://github.com/X-DataInitiative/tick-datasets, which are repaired, and "
                  "decompress them with bunzip2",
       .format = FileFormat::kLibsvm,
       .features = 8315,
       .files = {{.role = FileRole::kTrain,
                  .name = "reuters.trn",
                  .remote_name = "reuters.trn",
                  .sha256 = "caacd2baf041b15b51ab65c0ec2ac834a439a561fb6708427c1c002c10ac7215",
                  .bytes = 8274096,
                  .rows = 7770},
                 {.role = FileRole::kTest,
                  .name = "reuters.tst",
                  .remote_name = "reuters.tst",
                  .sha256 = "6e267dcb1f83c68bcb1c3f30d7a70dd9fe059e1da39b9c191456ff827507539f",
                  .bytes = 2241732,
                  .rows = 3299}}},
      {.name = "news20-multiclass",
       .summary = "20 Newsgroups, sparse text, 20 classes; no test part",
       .licence = "20 Newsgroups, research use",
       .base_url = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",
       .by_hand = "the publisher serves bzip2 only, which laconic does not read; take "
                  "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/news20.bz2 "
                  "and decompress it with bunzip2",
       .format = FileFormat::kLibsvm,
       .label_kind = LabelKind::kClasses,
       .class_count = 20,
       .features = 62061,
       .files = {{.role = FileRole::kTrain,
                  .name = "news20",
                  .remote_name = "news20",
                  .sha256 = "1d6eb77c42e1c78e86f36af834268de933da3607f38e3703aef15f7a9f11e506",
                  .bytes = 9003251,
                  .rows = 15935}}},
      {.name = "mnist",
       .summary = "Handwritten digits, 28 x 28 pixels (LeCun, Cortes, Burges)",
       .licence = "usually stated as CC BY-SA 3.0",
       .base_url = "http://yann.lecun.com/exdb/mnist/",
       .mirrors = {"https://ossci-datasets.s3.amazonaws.com/mnist/",
                   "https://storage.googleapis.com/cvdf-datasets/mnist/"},
       .format = FileFormat::kIdx,
       .label_kind = LabelKind::kClasses,
       .class_count = 10,
       .features = 784,
       .files =
           {
               {.role = FileRole::kTrainImages,
                .name = "train-images-idx3-ubyte",
                .remote_name = "train-images-idx3-ubyte.gz",
                .sha256 = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                .remote_sha256 = "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                .bytes = 47040016,
                .rows = 60000},
               {.role = FileRole::kTrainLabels,
                .name = "train-labels-idx1-ubyte",
                .remote_name = "train-labels-idx1-ubyte.gz",
                .sha256 = "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                .remote_sha256 = "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                .bytes = 60008,
                .rows = 60000},
               {.role = FileRole::kTestImages,
                .name = "t10k-images-idx3-ubyte",
                .remote_name = "t10k-images-idx3-ubyte.gz",
                .sha256 = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                .remote_sha256 = "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                .bytes = 7840016,
                .rows = 10000},
               {.role = FileRole::kTestLabels,
                .name = "t10k-labels-idx1-ubyte",
                .remote_name = "t10k-labels-idx1-ubyte.gz",
                .sha256 = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                .remote_sha256 = "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                .bytes = 10008,
                .rows = 10000}}},
      {.name = "fashion-mnist",
       .summary = "Articles of clothing, 28 x 28 pixels (Zalando Research)",
       .licence = "MIT, Zalando SE",
       .base_url = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
       .mirrors = {"https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/"},
       .format = FileFormat::kIdx,
       .label_kind = LabelKind::kClasses,
       .class_count = 10,
       .features = 784,
       .files =
           {
               {.role = FileRole::kTrainImages,
                .name = "train-images-idx3-ubyte",
                .remote_name = "train-images-idx3-ubyte.gz",
                .sha256 = "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                .remote_sha256 = "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                .bytes = 47040016,
                .rows = 60000},
               {.role = FileRole::kTrainLabels,
                .name = "train-labels-idx1-ubyte",
                .remote_name = "train-labels-idx1-ubyte.gz",
                .sha256 = "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                .remote_sha256 = "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                .bytes = 60008,
                .rows = 60000},
               {.role = FileRole::kTestImages,
                .name = "t10k-images-idx3-ubyte",
                .remote_name = "t10k-images-idx3-ubyte.gz",
                .sha256 = "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                .remote_sha256 = "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                .bytes = 7840016,
                .rows = 10000},
               {.role = FileRole::kTestLabels,
                .name = "t10k-labels-idx1-ubyte",
                .remote_name = "t10k-labels-idx1-ubyte.gz",
                .sha256 = "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                .remote_sha256 = "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                .bytes = 10008,
                .rows = 10000}}},
      {.name = "cifar10",
       .summary = "Colour images of ten classes, 32 x 32 pixels (Krizhevsky 2009)",
       .licence = "no explicit licence; the publisher asks for citation",
       .base_url = "https://www.cs.toronto.edu/~kriz/",
       .by_hand = "the publisher serves a tar archive, which laconic does not read; take "
                  "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, unpack it with tar xzf "
                  "and take the six files whose names end in .bin",
       .format = FileFormat::kCifar,
       .label_kind = LabelKind::kClasses,
       .class_count = kCifarClasses,
       .features = kCifarFeatures,
       .files = {cifar_batch("data_batch_1.bin", FileRole::kTrain),
                 cifar_batch("data_batch_2.bin", FileRole::kTrain),
                 cifar_batch("data_batch_3.bin", FileRole::kTrain),
                 cifar_batch("data_batch_4.bin", FileRole::kTrain),
                 cifar_batch("data_batch_5.bin", FileRole::kTrain),
                 cifar_batch("test_batch.bin", FileRole::kTest)}},
      {.name = "cifar10-subset",
       .summary = "The first 4,000 images of the first file of CIFAR-10; no test part",
       .licence = "no explicit licence; the publisher asks for citation",
       .base_url = "https://www.cs.toronto.edu/~kriz/",
       .by_hand = "it is cut from the archive of cifar10: head -c 12292000 data_batch_1.bin > "
                  "data_batch_1_first4000.bin",
       .format = FileFormat::kCifar,
       .label_kind = LabelKind::kClasses,
       .class_count = kCifarClasses,
       .features = kCifarFeatures,
       .files = {{.role = FileRole::kTrain,
                  .name = "data_batch_1_first4000.bin",
                  .remote_name = "data_batch_1_first4000.bin",
                  .sha256 = "0993cf8b8e43bc207603aef9787006995746513f5e3fa5a52e06d1b069926330",
                  .bytes = 12292000,
                  .rows = 4000}}},
      {.name = "tinyshakespeare",
       .summary = "Plays of Shakespeare as one text (Karpathy's char-rnn)",
       .licence = "the text is in the public domain",
       .base_url =
           "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/",
       .format = FileFormat::kText,
       .label_kind = LabelKind::kClasses,
       .level = TextLevel::kChar,
       .files = {{.role = FileRole::kTrain,
                  .name = "input.txt",
                  .remote_name = "input.txt",
                  .sha256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                  .bytes = 1115394,
                  .rows = 40000}}},
      {.name = "wikitext-2",
       .summary = "Articles of Wikipedia, split into words (Merity et al. 2016)",
       .licence = "CC BY-SA 3.0 and GFDL, Salesforce",
       .base_url = kWikitextUrl,
       .by_hand = "the checksum of its training file is not known to laconic; take train.txt and "
                  "test.txt of word_language_model/data/wikitext-2 in "
                  "https://github.com/pytorch/examples",
       .format = FileFormat::kText,
       .label_kind = LabelKind::kClasses,
       .level = TextLevel::kWord,
       .files = {{.role = FileRole::kTrain, .name = "train.txt", .remote_name = "train.txt"},
                 wikitext_test()}},
      {.name = "wikitext-2-small",
       .summary = "wikitext-2 with its validation part, a tenth as long, for training",
       .licence = "CC BY-SA 3.0 and GFDL, Salesforce",
       .base_url = kWikitextUrl,
       .folder = "wikitext-2",
       .format = FileFormat::kText,
       .label_kind = LabelKind::kClasses,
       .level = TextLevel::kWord,
       .files = {{.role = FileRole::kTrain,
                  .name = "valid.txt",
                  .remote_name = "valid.txt",
                  .sha256 = "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                  .bytes = 1121681,
                  .rows = 3760},
                 wikitext_test()}},
      {.name = "m4-weekly",
       .summary = "Weekly time series of the M4 competition (Makridakis et al. 2020)",
       .licence = "no explicit licence; from the repository of the competition",
       .base_url = kM4Url,
       .folder = "m4",
       .format = FileFormat::kM4,
       .label_kind = LabelKind::kNone,
       .class_count = 0,
       .files = {{.role = FileRole::kTrain,
                  .name = "Weekly-train.csv",
                  .remote_name = "Weekly-train.csv",
                  .sha256 = "d478d3f6ed673e6ed3c2cb0fbed5425f72eedd51318ebebeb0b5ecfcefc37714",
                  .bytes = 4015067,
                  .rows = 359}}},
      {.name = "m4-hourly",
       .summary = "Hourly time series of the M4 competition (Makridakis et al. 2020)",
       .licence = "no explicit licence; from the repository of the competition",
       .base_url = kM4Url,
       .folder = "m4",
       .format = FileFormat::kM4,
       .label_kind = LabelKind::kNone,
       .class_count = 0,
       .files = {{.role = FileRole::kTrain,
                  .name = "Hourly-train.csv",
                  .remote_name = "Hourly-train.csv",
                  .sha256 = "ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",
                  .bytes = 2347115,
                  .rows = 414}}}};
  return kTable;
}

}  // namespace

std::string_view role_name(FileRole role) {
  switch (role) {
    case FileRole::kTrain:
      return "train";
    case FileRole::kTest:
      return "test";
    case FileRole::kTrainImages:
      return "train images";
    case FileRole::kTrainLabels:
      return "train labels";
    case FileRole::kTestImages:
      return "test images";
    case FileRole::kTestLabels:
      return "test labels";
  }
  return "";
}

std::string_view row_unit(FileFormat format) {
  switch (format) {
    case FileFormat::kLibsvm:
    case FileFormat::kIdx:
      return "rows";
    case FileFormat::kCifar:
      return "images";
    case FileFormat::kText:
      return "lines";
    case FileFormat::kM4:
      return "series";
  }
  return "";
}

std::span<const KnownDataset> known_datasets() { return table(); }

const KnownDataset* find_known(std::string_view name) {
  const auto it = std::find_if(table().begin(), table().end(),
                               [&](const KnownDataset& d) { return d.name == name; });
  return it == table().end() ? nullptr : &*it;
}

std::optional<std::filesystem::path> find_file(const KnownDataset& dataset, const KnownFile& file,
                                               const Places& places) {
  for (const std::filesystem::path& place : {places.data, places.cache}) {
    if (place.empty()) continue;
    for (const std::string_view ending : {"", ".gz"}) {
      std::filesystem::path path =
          place / dataset.folder_name() / fmt::format("{}{}", file.name, ending);
      std::error_code code;  // a place that cannot be looked into does not have the file
      if (std::filesystem::is_regular_file(path, code)) return path;
    }
  }
  return std::nullopt;
}

std::filesystem::path require_file(const KnownDataset& dataset, const KnownFile& file,
                                   const Places& places) {
  if (auto path = find_file(dataset, file, places)) return *std::move(path);
  const auto place = [&](std::string_view what, const std::filesystem::path& folder) {
    if (folder.empty()) return fmt::format("{} (not set)", what);
    return fmt::format("{} ({})", what, (folder / dataset.folder_name()).string());
  };
  const std::string remedy =
      dataset.by_hand.empty()
          ? fmt::format(
                "run `laconic data fetch {}`, or set LACONIC_DATA to a folder that holds {}/{}",
                dataset.name, dataset.folder_name(), file.name)
          : fmt::format("it cannot be fetched: {}; put them below LACONIC_DATA as {}/{}",
                        dataset.by_hand, dataset.folder_name(), file.name);
  throw ConfigError(fmt::format("{}: neither {} nor {}.gz is in {} or in {}; {}", dataset.name,
                                file.name, file.name, place("$LACONIC_DATA", places.data),
                                place("the cache", places.cache), remedy));
}

const KnownFile* find_role(const KnownDataset& dataset, FileRole role) {
  const auto it = std::find_if(dataset.files.begin(), dataset.files.end(),
                               [&](const KnownFile& f) { return f.role == role; });
  return it == dataset.files.end() ? nullptr : &*it;
}

}  // namespace laconic::data
