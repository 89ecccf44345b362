// SPDX-License-Identifier: Apache-2.0
// Records as flat tables for other tools: one line per record, in the order of the file. Columns
// are method, spec, repeat, then the columns of the table, then stopped (docs/report.md).
#pragma once

#include <string>

#include "laconic/report/record_reader.hpp"

namespace laconic::report {

// With a line of column names. Fields are quoted where RFC 4180 asks for it; absent values are
// empty; numbers have the digits that give the same double again. A text that a spreadsheet would
// take for a formula is quoted like any other: it stays what it is.
[[nodiscard]] std::string csv(const RecordTable& table);
// One JSON object per line; absent values are left out.
[[nodiscard]] std::string jsonl(const RecordTable& table);

}  // namespace laconic::report
