// SPDX-License-Identifier: Apache-2.0
#include "laconic/data/checksum.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

#include "laconic/base/error.hpp"
#include "laconic/data/content.hpp"

namespace laconic::data {

std::string sha256(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int digest_bytes = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &digest_bytes, EVP_sha256(), nullptr) !=
      1) {
    throw Error("libcrypto: SHA-256 failed");
  }
  std::string out;
  for (unsigned int i = 0; i < digest_bytes; ++i) out += fmt::format("{:02x}", digest[i]);
  return out;
}

std::string sha256_of_content(const std::filesystem::path& path, std::uint64_t max_content_bytes) {
  return sha256(read_content(path, max_content_bytes));
}

}  // namespace laconic::data
