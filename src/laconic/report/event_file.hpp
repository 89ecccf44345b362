// SPDX-License-Identifier: Apache-2.0
// TensorBoard's event files. A file is a sequence of records: the length (8 bytes), the masked
// CRC32C of the length's bytes, the payload, the masked CRC32C of the payload; all little-endian.
// A payload is an Event of TensorFlow's event.proto in protobuf's encoding, of which five fields
// are needed: wall_time, step, file_version, and in its summary the tag and value of scalars.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "laconic/report/record_reader.hpp"

namespace laconic::report {

// Castagnoli's polynomial, reflected, as in RFC 3720.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes);
// Rotated by 15 bits and shifted by a constant: a checksum of data that hold checksums.
[[nodiscard]] std::uint32_t masked_crc32c(std::string_view bytes);

// All records of a series: every column that it has but the round, which is the step. Wall-clock
// times count from 0, the start of the run, so the file depends on the records alone.
[[nodiscard]] std::string event_file(const RecordTable& table, const Series& series);

// One folder per series below `folder`, which TensorBoard takes for runs: NUMBER-METHOD, with
// letters that file systems know, each with one event file. Replaces event files that are there.
// ConfigError if a folder cannot be made, Error if a file cannot be written.
void write_event_files(const std::filesystem::path& folder, const RecordTable& table);
[[nodiscard]] std::string event_folder_name(std::size_t index, const Series& series);

}  // namespace laconic::report
