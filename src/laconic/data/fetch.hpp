// SPDX-License-Identifier: Apache-2.0
// Download of known data sets into the cache. A file is received as NAME.part, resumed when an
// earlier attempt left one, checked against its SHA-256, flushed to disk and only then renamed:
// nothing half-written or wrong ever has the final name. Only http and https, at most five
// redirects.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/base/error.hpp"
#include "laconic/data/catalog.hpp"

namespace laconic::data {

// The network or the server failed, or what came is not the file. One problem per line.
class FetchError : public Error {
 public:
  using Error::Error;
};

struct FetchProgress {
  std::string_view url = {};
  std::uint64_t received_bytes = 0;               // with what an earlier attempt had received
  std::optional<std::uint64_t> total_bytes = {};  // unknown: the server does not say
};

struct FetchOptions {
  std::filesystem::path cache = places_from_environment().cache;
  std::string base_url = {};  // instead of the publisher and its mirrors; http://HOST/FOLDER
  std::function<void(const FetchProgress&)> progress = {};  // called often, on the calling thread
  std::uint32_t connect_seconds = 20;
  std::uint32_t stall_seconds = 30;  // give up when nothing arrives for so long
};

struct Download {
  std::string url = {};
  std::filesystem::path target = {};
  std::string sha256 = {};          // of the content, after decompression if it is gzip
  std::uint64_t content_bytes = 0;  // of the content; limits what is received
};

// Brings one file to download.target; does nothing if it is there with the right content.
// FetchError on failure (a usable part stays behind for the next attempt); ConfigError if the
// folder cannot be written or another process is downloading the same file.
void download(const Download& download, const FetchOptions& options);

// Brings every file of the data set that is not in the cache with the right content, from the
// publisher, else from its mirrors. Returns where the files lie. ConfigError if the data set cannot
// be fetched (KnownDataset::by_hand); FetchError if every source failed.
std::vector<std::filesystem::path> fetch(const KnownDataset& dataset, const FetchOptions& options);

}  // namespace laconic::data
