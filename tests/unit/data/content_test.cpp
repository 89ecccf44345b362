// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/content.hpp"

#include <gtest/gtest.h>

#include "laconic/base/error.hpp"
#include "laconic/data/checksum.hpp"
#include "tests/unit/data/support.hpp"

namespace laconic::data {
namespace {

using testing::bytes_of;
using testing::error_of;
using testing::gzipped;
using testing::TemporaryFolder;

std::string unzip_error(std::string_view bytes, std::uint64_t max_bytes = 1000) {
  return error_of<ConfigError>([&] { (void)gunzip(bytes_of(bytes), "x.gz", max_bytes); });
}

TEST(Content, DecompressesGzip) {
  EXPECT_EQ(gunzip(bytes_of(gzipped("hello")), "x.gz", 5), bytes_of("hello"));
}

TEST(Content, DecompressesSeveralMembers) {
  EXPECT_EQ(gunzip(bytes_of(gzipped("hello ") + gzipped("") + gzipped("world")), "x.gz", 11),
            bytes_of("hello world"));
}

TEST(Content, DecompressesMoreThanOneBuffer) {
  std::string text;
  for (int i = 0; text.size() < 1'000'000; ++i) text += std::to_string(i * 7919);
  EXPECT_EQ(gunzip(bytes_of(gzipped(text)), "x.gz", text.size()), bytes_of(text));
}

TEST(Content, RefusesMoreThanTheLimit) {
  const std::string bomb = gzipped(std::string(50'000'000, 'a'));
  ASSERT_LT(bomb.size(), 100'000U);
  EXPECT_EQ(unzip_error(bomb),
            "x.gz: the content is longer than the limit of 1000 bytes; if this is the right file, "
            "raise the limit");
}

TEST(Content, RefusesEveryTruncation) {
  const std::string whole = gzipped("hello world");
  for (std::size_t size = 2; size < whole.size(); ++size) {
    EXPECT_EQ(unzip_error(whole.substr(0, size)),
              "x.gz: byte " + std::to_string(size) +
                  ": the file ends before its content does; the gzip file is "
                  "damaged, get it again");
  }
}

TEST(Content, RefusesTrailingBytes) {
  const std::string text = unzip_error(gzipped("hello") + "garbage");
  EXPECT_NE(text.find("incorrect header check; the gzip file is damaged, get it again"),
            std::string::npos)
      << text;
}

TEST(Content, RefusesAWrongChecksum) {
  std::string bytes = gzipped("hello");
  bytes[bytes.size() - 5] = static_cast<char>(bytes[bytes.size() - 5] ^ 1);
  const std::string text = unzip_error(bytes);
  EXPECT_NE(text.find("incorrect data check; the gzip file is damaged, get it again"),
            std::string::npos)
      << text;
}

TEST(Content, RefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  const std::string missing = (folder.path() / "missing").string();
  EXPECT_EQ(error_of<ConfigError>([&] { (void)read_file(missing, 10); }),
            missing + ": no such file");
  const std::string path = folder.path().string();
  EXPECT_EQ(error_of<ConfigError>([&] { (void)read_file(path, 10); }),
            path + ": not a regular file; name the data file itself");
}

TEST(Content, RefusesAFileLongerThanTheLimit) {
  const TemporaryFolder folder;
  const std::string path = folder.write("long", "0123456789").string();
  EXPECT_EQ(read_file(path, 10), bytes_of("0123456789"));
  EXPECT_EQ(error_of<ConfigError>([&] { (void)read_file(path, 9); }),
            path +
                ": the content is longer than the limit of 9 bytes; if this is the right file, "
                "raise the limit");
}

TEST(Content, ShowsForeignTextInOneShortLine) {
  EXPECT_EQ(shown("a\nb\x80"), "a?b?");
  EXPECT_EQ(shown(std::string(50, 'x')), std::string(40, 'x') + "...");
}

// FIPS 180-4 examples.
TEST(Checksum, GivesTheKnownAnswers) {
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256(bytes_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Checksum, IsOfTheContentNotOfItsCompression) {
  const TemporaryFolder folder;
  const auto plain = folder.write("plain", "hello");
  const auto packed = folder.write("packed", gzipped("hello"));
  EXPECT_EQ(sha256_of_content(plain), sha256_of_content(packed));
}

}  // namespace
}  // namespace laconic::data
