// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/cifar.hpp"

#include <gtest/gtest.h>

#include "laconic/base/error.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::bytes_of;
using testing::error_of;
using testing::gzipped;
using testing::TemporaryFolder;

// Red 0, 1, 2, ..., green all 255, blue all 51.
std::string record(char label) {
  std::string out(1, label);
  for (int i = 0; i < 1024; ++i) out += static_cast<char>(i % 256);
  out.append(1024, '\xff');
  return out.append(1024, '\x33');
}

std::string error(std::string_view bytes, const CifarOptions& options = {}) {
  return error_of<ConfigError>([&] { (void)parse_cifar(bytes_of(bytes), "f", options); });
}

TEST(Cifar, ReadsLabelsAndChannelsInTheOrderOfTheFile) {
  const Examples read = parse_cifar(bytes_of(record(9) + record(0)), "f");
  EXPECT_EQ(read.size(), 2U);
  EXPECT_EQ(read.classes, (std::vector<std::uint32_t>{9, 0}));
  const auto row = std::get<DenseRows>(read.rows).row(1);
  ASSERT_EQ(row.size(), 3072U);
  EXPECT_EQ(row[0], 0.0F);
  EXPECT_EQ(row[255], 1.0F);
  EXPECT_EQ(row[256], 0.0F);
  EXPECT_EQ(row[257], 1.0F / 255.0F);
  EXPECT_EQ(row[1023], 1.0F);
  EXPECT_EQ(row[1024], 1.0F);
  EXPECT_EQ(row[2048], 51.0F / 255.0F);
}

TEST(Cifar, ReadsGzipByContent) {
  const TemporaryFolder folder;
  const Examples read = read_cifar(folder.write("batch.bin", gzipped(record(3))));
  EXPECT_EQ(read.classes, (std::vector<std::uint32_t>{3}));
}

TEST(Cifar, RefusesAnEmptyFile) {
  EXPECT_EQ(error(""), "f: byte 0: the file is empty; name a CIFAR-10 binary file");
}

TEST(Cifar, RefusesATruncatedRecord) {
  EXPECT_EQ(error(record(1) + record(2).substr(0, 100)),
            "f: byte 3173: the file ends after 100 of the 3073 bytes of record 1; it is truncated, "
            "get it again");
}

TEST(Cifar, RefusesALabelThatIsNone) {
  EXPECT_EQ(
      error(record(1) + record(10)),
      "f: byte 3073: record 1 has label 10, which is not below 10; this is no CIFAR-10 binary "
      "file, or it is damaged");
}

TEST(Cifar, RefusesMoreBytesThanTheLimit) {
  EXPECT_EQ(error(record(1), {.max_content_bytes = 3072}),
            "f: the content is longer than the limit of 3072 bytes; if this is the right file, "
            "raise the limit");
}

}  // namespace
}  // namespace laconic::data
