# SPDX-License-Identifier: Apache-2.0
# cmake -D HTML=FILE -D CPP=FILE -P embed_bundle.cmake: a file's bytes as a C++ source.
file(READ ${HTML} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE ${CPP} "// Made from report/bundle.html by embed_bundle.cmake.
#include \"laconic/report/bundle.hpp\"

namespace laconic::report {
namespace {
constexpr char kBytes[] = {
${bytes}
};
}  // namespace

std::string_view bundle() { return {kBytes, sizeof(kBytes)}; }

}  // namespace laconic::report
")
