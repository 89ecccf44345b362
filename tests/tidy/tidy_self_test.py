#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each rule of tidy.py from both sides: a small tree that keeps all of them, and the same tree with
one file changed so that exactly one of them is broken."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tidy

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"
LICENCE_CMAKE = "# SPDX-License-Identifier: Apache-2.0\n"
GOOD = {
    "CMakeLists.txt": LICENCE_CMAKE + "add_subdirectory(src)\n",
    "README.md": "A project.\n",
    "cli/CMakeLists.txt": LICENCE_CMAKE + "add_executable(laconic main.cpp)\n",
    "cli/main.cpp": LICENCE + "int main() { std::printf(\"hello\"); }\n",
    "src/laconic/base/CMakeLists.txt":
        LICENCE_CMAKE + "laconic_layer(base\n  SOURCES error.cpp\n  HEADERS error.hpp)\n",
    "src/laconic/base/error.hpp": LICENCE + "#include <string>\n",
    "src/laconic/base/error.cpp": LICENCE + "#include \"laconic/base/error.hpp\"\n"
                                  "// A word like printf( may stand in a comment, and in a string:\n"
                                  "const char* text = \"std::shuffle(\";\nstatic_assert(true);\n",
    "src/laconic/compress/CMakeLists.txt":
        LICENCE_CMAKE + "laconic_layer(compress\n  SOURCES sign.cpp top_k.cpp\n  HEADERS compressor.hpp\n"
        "  DEPENDS base  # and nothing else\n  LIBRARIES fmt::fmt)\n",
    "src/laconic/compress/compressor.hpp": LICENCE + "#include \"laconic/base/error.hpp\"\n",
    "src/laconic/compress/private.hpp": LICENCE + "#include <vector>\n",
    "src/laconic/compress/sign.cpp": LICENCE + "#include \"laconic/compress/private.hpp\"\n"
                                     "Card card = {.name = \"sign\"};\n",
    "src/laconic/compress/top_k.cpp": LICENCE + "Card card = {.name = \"top-k\"};\n",
    "src/laconic/compress/methods.def": LICENCE + "X(sign)\nX(top_k)\n",
    "tests/unit/base/CMakeLists.txt": LICENCE_CMAKE + "laconic_test(base_test SOURCES error_test.cpp)\n",
    "tests/unit/base/error_test.cpp": LICENCE + "TEST(Error, Works) {}\n",
    "fuzz/CMakeLists.txt": LICENCE_CMAKE + "laconic_fuzz(spec)\n",
    "fuzz/fuzz_spec.cpp": LICENCE + "int x;\n",
    "fuzz/corpus/spec/odd": "\xff no licence, no line break, a path /ro" "ot/x",
}


def findings_in(changes):
    """The findings in GOOD with some files replaced, added, or (None) left out."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**GOOD, **changes}.items():
            if text is not None:
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        tree = tidy.Tree(root)
        return [finding for rule in tidy.RULES for finding in rule(tree)]


class Tidy(unittest.TestCase):
    def breaks(self, name, text, expected):
        """The changed file gives one finding, which says `expected` and where."""
        found = findings_in({name: text})
        self.assertEqual(len(found), 1, found)
        self.assertIn(expected, found[0])
        return found[0]

    def code_breaks(self, line, expected, name="src/laconic/base/error.cpp"):
        found = self.breaks(name, LICENCE + line + "\n", expected)
        self.assertTrue(found.startswith(f"{name}:2:"), found)

    def code_keeps(self, line, name="src/laconic/base/error.cpp"):
        self.assertEqual(findings_in({name: LICENCE + line + "\n"}), [])

    def test_a_good_tree_has_no_findings(self):
        self.assertEqual(findings_in({}), [])

    def test_a_lower_layer_does_not_include_a_higher_one(self):
        self.code_breaks('#include "laconic/compress/compressor.hpp"', "base may not include compress")

    def test_what_is_included_is_declared_in_cmake(self):
        self.code_breaks('#include "laconic/rng/stream.hpp"', "rng is not under DEPENDS",
                         name="src/laconic/compress/private.hpp")

    def test_cmake_declares_lower_layers_only(self):
        self.breaks("src/laconic/base/CMakeLists.txt",
                    GOOD["src/laconic/base/CMakeLists.txt"].replace(")", "\n  DEPENDS rng)"),
                    "base may not depend on rng")

    def test_a_new_layer_is_in_the_table(self):
        found = findings_in({"src/laconic/novel/a.hpp": LICENCE + '#include "laconic/base/error.hpp"\n'})
        self.assertEqual(len(found), 1)
        self.assertIn("novel is not in the table", found[0])

    def test_the_table_has_only_lower_layers(self):
        order = list(tidy.MAY)
        for layer, lower in tidy.MAY.items():
            for used in lower.split():
                self.assertLess(order.index(used), order.index(layer))

    def test_a_public_header_includes_public_headers_only(self):
        self.code_breaks('#include "laconic/compress/private.hpp"', "not under HEADERS",
                         name="src/laconic/compress/compressor.hpp")

    def test_a_public_header_includes_no_third_party_header(self):
        for header in ("<toml++/toml.h>", "<nlohmann/json.hpp>", '"hwy/highway.h"', "<curl/curl.h>"):
            self.code_breaks(f"#include {header}", "in a public header",
                             name="src/laconic/compress/compressor.hpp")

    def test_a_source_that_nobody_builds_is_found(self):
        self.breaks("src/laconic/base/lost.cpp", LICENCE, "in no CMakeLists.txt")

    def test_a_test_that_nobody_builds_is_found(self):
        self.breaks("tests/unit/base/rror_test.cpp", LICENCE, "in no CMakeLists.txt")

    def test_a_fuzz_target_that_nobody_builds_is_found(self):
        self.breaks("fuzz/fuzz_idx.cpp", LICENCE, "no target")

    def test_a_method_without_card_is_found(self):
        self.breaks("src/laconic/compress/methods.def", LICENCE + "X(sign)\nX(top_k)\nX(randk)\n",
                    "randk has 0 cards")

    def test_a_method_in_a_file_of_another_is_found(self):
        found = findings_in({
            "src/laconic/compress/top_k.cpp": LICENCE,
            "src/laconic/compress/sign.cpp":
                LICENCE + 'Card card = {.name = "sign"};\nCard other = {.name = "top-k"};\n'})
        self.assertEqual(len(found), 1)
        self.assertIn("give it src/laconic/compress/top_k.cpp", found[0])

    def test_banned_words_are_found(self):
        for line, instead in [
                ("std::shuffle(a, b, g);", "permute"),
                ("std::random_device d;", "rng::Stream"),
                ("std::mt19937_64 g;", "rng::Stream"),
                ("int i = rand();", "rng::Stream"),
                ("#include <random>", "rng::Stream"),
                ("auto* p = reinterpret_cast<int*>(q);", "WireReader"),
                ("std::cout << 1;", "never prints"),
                ("std::printf(\"x\");", "never prints"),
                ("fprintf(stderr, \"x\");", "never prints"),
                ("fmt::print(\"x\");", "never prints"),
                ("std::exit(1);", "never exits"),
                ("std::abort();", "never exits"),
                ("assert(x);", "LACONIC_ASSERT"),
                ("#include <cassert>", "LACONIC_ASSERT"),
                ("volatile int i;", "std::atomic"),
                ("std::thread t;", "std::jthread"),
                ("using namespace std;", "name what is used"),
                ("#include <mpi.h>", "laconic/comm"),
                ("#include \"../base/error.hpp\"", "include root"),
                ("TEST(A, DISABLED" "_B) {}", "disabled test"),
        ]:
            with self.subTest(line):
                self.code_breaks(line, instead)

    def test_words_that_only_look_banned_are_not_found(self):
        for line in ["static_assert(sizeof(int) == 4);", "operand(1);", "std::snprintf(a, 1, b);",
                     "// std::cout", "/* rand() */", "auto s = \"assert(\";", "fmt::format(\"x\");",
                     "std::thread::id i;", "const char c = '\"'; f(); const char d = '\"';",
                     "int i = 1'000'000;"]:
            with self.subTest(line):
                self.code_keeps(line)

    def test_where_a_banned_word_is_allowed_it_is_not_found(self):
        self.code_keeps("std::cout << 1;", name="cli/main.cpp")
        self.code_keeps("std::exit(1);", name="tests/unit/base/error_test.cpp")

    def test_libtorch_stays_in_folders_of_its_own(self):
        for header in ("<torch/torch.h>", "<ATen/core/Tensor.h>", "<c10/core/Device.h>",
                       '"laconic/base/torch/model.hpp"'):
            self.code_breaks(f"#include {header}", "a folder named torch")
            for name in ("src/laconic/base/torch/error.cpp", "examples/mnist_torch.cpp"):
                found = findings_in({name: LICENCE + f"#include {header}\n"})
                self.assertEqual([f for f in found if "libtorch" in f], [])

    def test_flags_that_change_bits_are_found(self):
        self.breaks("CMakeLists.txt", LICENCE_CMAKE + "add_compile_options(-march=native)\n", "changes bits")

    def test_a_file_without_licence_line_is_found(self):
        self.breaks("src/laconic/base/error.cpp", "int x;\n", "licence line")
        self.breaks("CMakeLists.txt", "project(x)\n", "licence line")
        self.breaks("tool", "#!/bin/sh\n", "licence line")

    def test_text_rules(self):
        self.code_breaks("// caf\u00e9", "not ASCII")
        self.code_breaks("// TO" "DO: later", "unfinished")
        self.code_breaks("int x; ", "white space")
        self.breaks("README.md", "See /ho" "me/me/x.\n", "a path of one machine")
        self.breaks("README.md", "No line break", "no line break")

    def test_an_address_or_a_variable_is_no_path_of_one_machine(self):
        self.assertEqual(findings_in({"README.md": "https://example.org/home/x ~/ho" "me/x ${root}/ho" "me/x\n"}), [])

    def test_layout_is_checked(self):
        if not tidy.shutil.which("clang-format"):
            self.skipTest("clang-format is not installed")
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "good.cpp").write_text("int x;\n")
            (root / "bad.cpp").write_text("int  x;\n")
            self.assertEqual([f.split(":")[0] for f in tidy.check_layout(tidy.Tree(root))], ["bad.cpp"])


if __name__ == "__main__":
    unittest.main()
