// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/idx.hpp"

#include <gtest/gtest.h>

#include <initializer_list>

#include "laconic/base/error.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::bytes_of;
using testing::error_of;
using testing::gzipped;
using testing::TemporaryFolder;

// Big-endian header words, then bytes.
std::string idx(std::initializer_list<std::uint32_t> header, std::string_view content) {
  std::string out;
  for (const std::uint32_t word : header) {
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((word >> shift) & 255);
  }
  return out.append(content);
}

const std::string kImages = idx({0x803, 2, 1, 3}, std::string("\0\1\2\3\4\xff", 6));
const std::string kLabels = idx({0x801, 2}, std::string("\0\x9", 2));

std::string images_error(std::string_view bytes, const IdxOptions& options = {}) {
  return error_of<ConfigError>([&] { (void)parse_idx_images(bytes_of(bytes), "f", options); });
}
std::string labels_error(std::string_view bytes, const IdxOptions& options = {}) {
  return error_of<ConfigError>([&] { (void)parse_idx_labels(bytes_of(bytes), "f", options); });
}

TEST(Idx, ReadsImages) {
  const IdxImages images = parse_idx_images(bytes_of(kImages), "f");
  EXPECT_EQ(images.count, 2U);
  EXPECT_EQ(images.height, 1U);
  EXPECT_EQ(images.width, 3U);
  EXPECT_EQ(images.pixels, (std::vector<std::uint8_t>{0, 1, 2, 3, 4, 255}));
}

TEST(Idx, ReadsLabels) {
  EXPECT_EQ(parse_idx_labels(bytes_of(kLabels), "f"), (std::vector<std::uint8_t>{0, 9}));
}

TEST(Idx, ReadsGzipByContent) {
  EXPECT_EQ(parse_idx_labels(bytes_of(gzipped(kLabels)), "f").size(), 2U);
}

TEST(Idx, ScalesPixelsToOne) {
  const TemporaryFolder folder;
  const IdxExamples read =
      read_idx({.images = folder.write("i", kImages), .labels = folder.write("l", kLabels)});
  const auto& rows = std::get<DenseRows>(read.examples.rows);
  EXPECT_EQ(rows.rows(), 2U);
  EXPECT_EQ(rows.features, 3U);
  EXPECT_EQ(rows.row(1)[0], 3.0F / 255.0F);
  EXPECT_EQ(rows.row(1)[2], 1.0F);
  EXPECT_EQ(read.examples.classes, (std::vector<std::uint32_t>{0, 9}));
  EXPECT_EQ(read.height, 1U);
  EXPECT_EQ(read.width, 3U);
}

TEST(Idx, RefusesAnotherMagicNumber) {
  EXPECT_EQ(images_error(kLabels),
            "f: byte 0: magic number 0x00000801 is not 0x00000803; this is no IDX file of images");
  EXPECT_EQ(labels_error(kImages),
            "f: byte 0: magic number 0x00000803 is not 0x00000801; this is no IDX file of labels");
}

TEST(Idx, RefusesATruncatedHeader) {
  for (std::size_t size = 0; size < 16; ++size) {
    EXPECT_EQ(images_error(kImages.substr(0, size)),
              "f: byte " + std::to_string(size) +
                  ": the file ends within its header; it is truncated, get it again");
  }
}

TEST(Idx, RefusesTruncatedPixels) {
  EXPECT_EQ(
      images_error(kImages.substr(0, 21)),
      "f: byte 21: the file ends after 1 of 2 images of 1 x 3; it is truncated, get it again");
}

TEST(Idx, RefusesTruncatedLabels) {
  EXPECT_EQ(labels_error(kLabels.substr(0, 9)),
            "f: byte 9: the file ends after 1 of 2 labels; it is truncated, get it again");
}

TEST(Idx, RefusesTrailingBytes) {
  EXPECT_EQ(images_error(kImages + "ab"),
            "f: byte 22: 2 bytes follow the last of 2 images of 1 x 3; the file or its header is "
            "damaged");
  EXPECT_EQ(labels_error(kLabels + "a"),
            "f: byte 10: 1 bytes follow the last of 2 labels; the file or its header is damaged");
}

TEST(Idx, RefusesAbsurdHeadersWithoutAllocatingForThem) {
  EXPECT_EQ(images_error(idx({0x803, 0xffffffff, 65535, 65535}, "abc")),
            "f: byte 19: the file ends after 0 of 4294967295 images of 65535 x 65535; it is "
            "truncated, get it again");
  EXPECT_EQ(images_error(idx({0x803, 1, 65536, 1}, "abc")),
            "f: byte 8: height 65536 is not in [1, 65535]; the header is damaged");
  EXPECT_EQ(images_error(idx({0x803, 1, 1, 0}, "")),
            "f: byte 12: width 0 is not in [1, 65535]; the header is damaged");
}

TEST(Idx, RefusesFilesWithoutElements) {
  EXPECT_EQ(images_error(idx({0x803, 0, 1, 1}, "")),
            "f: byte 4: there are no images; name another file");
  EXPECT_EQ(labels_error(idx({0x801, 0}, "")), "f: byte 4: there are no labels; name another file");
}

TEST(Idx, RefusesALabelOutOfRange) {
  EXPECT_EQ(labels_error(kLabels, {.class_count = 9}),
            "f: byte 9: label 9 is not below the number of classes, 9; raise it (classes=...)");
}

TEST(Idx, RefusesMoreThanTheLimit) {
  const std::string expected =
      "f: the content is longer than the limit of 9 bytes; if this is the right file, raise the "
      "limit";
  EXPECT_EQ(labels_error(kLabels, {.max_content_bytes = 9}), expected);
  EXPECT_EQ(labels_error(gzipped(kLabels), {.max_content_bytes = 9}), expected);
}

TEST(Idx, RefusesFilesThatDoNotBelongTogether) {
  const TemporaryFolder folder;
  const auto images = folder.write("i", kImages);
  const auto labels = folder.write("l", idx({0x801, 3}, std::string("\0\1\2", 3)));
  EXPECT_EQ(error_of<ConfigError>([&] { (void)read_idx({.images = images, .labels = labels}); }),
            labels.string() + ": 3 labels for the 2 images of " + images.string() +
                "; the two files do not belong together");
}

}  // namespace
}  // namespace laconic::data
