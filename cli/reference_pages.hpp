// SPDX-License-Identifier: Apache-2.0
// The reference in docs/, made from cards and from the keys that parse_config knows: Markdown, one
// page per kind of method, an index of them, and a page of the configuration's keys.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace laconic::cli {

struct ReferencePage {
  std::string path = {};  // below docs/
  std::string text = {};
};
[[nodiscard]] std::vector<ReferencePage> reference_pages();

// Plain text such that Markdown shows it as it is; what stands between backticks stays code.
[[nodiscard]] std::string escaped_for_markdown(std::string_view text);
// The anchor that forges give a heading of plain text.
[[nodiscard]] std::string anchor_of(std::string_view heading);

}  // namespace laconic::cli
