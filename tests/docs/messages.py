#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the program still says what docs/troubleshooting.md quotes: every heading in backticks is
a message, `...` in it what differs, and its parts have to stand in this order in one text of the
sources.

  messages.py [--root FOLDER]
"""
import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tidy")]
import markdown
from tidy import Tree

PAGE = "docs/troubleshooting.md"
STRINGS = re.compile(r'(?:"(?:[^"\\\n]|\\.)*"\s*)+')
ONE = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
FIELD = "\0"  # what is put in when the message is made


def texts_of(source):
    """The texts of a C++ source, neighbouring ones joined, fields of a format as FIELD."""
    for joined in STRINGS.findall(source):
        text = "".join(ONE.findall(joined))
        text = re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m.group(1), m.group(1)), text)
        yield re.sub(r"\{\{|\}\}|\{[^{}]*\}", lambda m: {"{{": "{", "}}": "}"}.get(m.group(0), FIELD), text)


def quoted(text):
    """(number of the line, message) of every heading that is one."""
    for number, line in enumerate(text.splitlines(), 1):
        heading = markdown.HEADING.match(line)
        message = heading and re.fullmatch(r"`(.+)`", heading.group(2))
        if message:
            yield number, message.group(1)


def parts_of(message):
    return [part for part in message.split("...") if part.strip()]


def says(text, parts):
    """Whether the parts stand in the text in this order, none across a field."""
    at = 0
    for part in parts:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def findings(tree):
    texts = {text for name in tree.having({".cpp", ".hpp"})
             if name.startswith(("src/", "cli/")) for text in texts_of(tree.text(name))}
    messages = list(quoted(tree.text(PAGE)))
    for number, message in messages:
        parts = parts_of(message)
        if max(len(part) for part in parts) < 10:
            yield f"{PAGE}:{number}: too little of a message to look for: {message}"
        elif not any(says(text, parts) for text in texts):
            yield f"{PAGE}:{number}: no text of the sources says: {message}"
    if not messages:
        yield f"{PAGE}: no message is quoted; they are headings in backticks"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=HERE.parents[1])
    tree = Tree(parser.parse_args().root)
    found = list(findings(tree))
    for finding in found:
        print(finding)
    print(f"messages: {len(list(quoted(tree.text(PAGE))))} quoted, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
