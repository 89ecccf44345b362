#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tests of the documents from both sides: small documents that are right, and the same with one
thing wrong."""
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tidy")]
import fresh
import links
import markdown
import messages
import readme_commands
from tidy import Tree


def write(root, files):
    for name, text in files.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


class Markdown(unittest.TestCase):
    def anchors(self, *headings):
        return markdown.anchors("".join(f"{heading}\n\n" for heading in headings))

    def test_anchors_are_small_letters_and_hyphens(self):
        self.assertEqual(self.anchors("## Steps from theory"), {"steps-from-theory"})
        self.assertEqual(self.anchors("# A, B: what *else*?"), {"a-b-what-else"})
        self.assertEqual(self.anchors("## `[network]`"), {"network"})
        self.assertEqual(self.anchors("## randperm_block"), {"randperm_block"})
        self.assertEqual(self.anchors("## [Aggregators](aggregator.md)"), {"aggregators"})
        self.assertEqual(self.anchors("## A - B"), {"a---b"})

    def test_repeated_headings_are_numbered(self):
        self.assertEqual(self.anchors("## ef21", "## ef21+", "## ef21-pp"), {"ef21", "ef21-1", "ef21-pp"})

    def test_blocks_of_code_have_no_headings_and_no_links(self):
        text = "```sh\n# a comment [x](y.md)\n```\n\n`[x](z.md)` and [x](real.md)\n"
        self.assertEqual(markdown.anchors(text), set())
        self.assertEqual(list(markdown.links(text)), [(5, "real.md")])

    def test_images_and_references_are_links(self):
        text = '![a](a.png) [![b](b.png)](c.md "title")\n\n[d]: d.md\n'
        self.assertEqual([target for _, target in markdown.links(text)], ["a.png", "b.png", "c.md", "d.md"])

    def test_blocks_are_found_with_their_language(self):
        text = "a\n\n~~~sh\nx\n~~~\n\n````\n```\n````\n"
        self.assertEqual(list(markdown.blocks(text)), [(4, "sh", ["x"]), (8, "", ["```"])])


class Links(unittest.TestCase):
    GOOD = {"README.md": "[a](docs/a.md#one) [out](https://example.org/x) ![](docs/a.png) [d](docs/)\n",
            "docs/a.md": "# One\n\n[self](#one) [b](sub/b.md) [code](../src/x.cpp#L3)\n",
            "docs/sub/b.md": "[up](../a.md)\n", "docs/a.png": "", "src/x.cpp": "int x;\n"}

    def found(self, changes):
        with tempfile.TemporaryDirectory() as root:
            write(root, {**self.GOOD, **changes})
            return list(links.findings(Tree(root)))

    def test_a_good_tree_has_no_findings(self):
        self.assertEqual(self.found({}), [])

    def test_a_page_that_is_not_there(self):
        found = self.found({"docs/sub/b.md": "[x](a.md)\n"})
        self.assertEqual(found, ["docs/sub/b.md:1: a.md does not exist"])

    def test_a_heading_that_is_not_there(self):
        self.assertIn("no such heading", self.found({"docs/sub/b.md": "[x](../a.md#two)\n"})[0])
        self.assertIn("no such heading", self.found({"docs/sub/b.md": "[x](#here)\n"})[0])

    def test_a_link_from_the_root_of_a_server(self):
        self.assertIn("not relative", self.found({"docs/sub/b.md": "[x](/docs/a.md)\n"})[0])

    def test_a_page_that_nothing_leads_to(self):
        self.assertEqual(self.found({"docs/c.md": "text\n"}), ["docs/c.md: no link leads here from README.md"])


class Readme(unittest.TestCase):
    TEXT = "```sh\n# comment\nrun this   # and why\n\n```\n```toml\nx = 1\n```\n"

    def test_commands_are_lines_of_shell_blocks(self):
        self.assertEqual(list(readme_commands.commands_of(self.TEXT)), [(3, "run this")])

    def test_a_line_without_a_decision_is_found(self):
        found = list(readme_commands.undecided(self.TEXT, {}))
        self.assertEqual(found, ["README.md:3: nobody has decided about: run this"])

    def test_a_decision_without_a_line_is_found(self):
        decisions = {"run this": readme_commands.Run(), "old": readme_commands.LeaveOut("slow")}
        self.assertEqual(len(list(readme_commands.undecided(self.TEXT, decisions))), 1)


class Messages(unittest.TestCase):
    SOURCE = 'fail(fmt::format("{}: rank {} of {{x}} "\n    "is \\"lost\\"; do {:.3g}", a, b, c));\n'

    def says(self, message):
        return any(messages.says(text, messages.parts_of(message)) for text in messages.texts_of(self.SOURCE))

    def test_neighbouring_texts_are_one(self):
        self.assertTrue(self.says('rank ... of {x} is "lost"; do ...'))

    def test_another_text_is_another_message(self):
        self.assertFalse(self.says('rank ... of {y} is "lost"'))
        self.assertFalse(self.says("do ...: rank ..."))

    def test_headings_in_backticks_are_messages(self):
        self.assertEqual(list(messages.quoted("# T\n\n### `a ... b`\n\n`c`\n")), [(3, "a ... b")])


class Fresh(unittest.TestCase):
    def found(self, docs):
        with tempfile.TemporaryDirectory() as root:
            write(root, {"made/methods/a.md": "A\n", **docs})
            return list(fresh.findings(pathlib.Path(root) / "made", pathlib.Path(root) / "docs"))

    def test_the_same_pages_are_fresh(self):
        self.assertEqual(self.found({"docs/methods/a.md": "A\n", "docs/guide.md": "mine\n"}), [])

    def test_pages_that_differ_lack_or_are_left_over_are_not(self):
        self.assertIn("not what", self.found({"docs/methods/a.md": "B\n"})[0])
        self.assertIn("missing", self.found({})[0])
        self.assertIn("delete it", self.found({"docs/methods/a.md": "A\n", "docs/methods/b.md": "B\n"})[0])


if __name__ == "__main__":
    unittest.main()
