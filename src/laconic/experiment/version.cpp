// SPDX-License-Identifier: Apache-2.0
#include "laconic/experiment/version.hpp"

namespace laconic::experiment {

std::string_view version() { return LACONIC_VERSION; }

std::string_view compiler() { return LACONIC_COMPILER; }

}  // namespace laconic::experiment
