#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs Doxygen on copies of headers and documents: in headers plain // comments are Doxygen's, in
documents links lead to pages that Doxygen has. Lines keep their numbers. The exit code is Doxygen's.

  doxygen.py DOXYGEN DOXYFILE ROOT COPIES HEADER...

Headers are named from ROOT, documents are those of ROOT and docs; COPIES is made anew.
"""
import pathlib
import re
import shutil
import subprocess
import sys

LINK = re.compile(r"(?<!!)\[((?:[^\[\]\\]|\\.)*)\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\([^)\s]+\)")


def escaped(text):
    """Plain text such that neither commands nor markup are seen in it."""
    return re.sub(r"([\\@&$#<>%\"*`~|\[\]])", r"\\\1", text).replace("::", "\\::")


def header(text):
    """A block of // above a declaration describes it; // behind one does so, too."""
    out, about_the_file = [], True
    for line in text.split("\n"):
        block = re.match(r"^(\s*)//(?!/) ?(.*)$", line)
        behind = re.match(r"^([^\"/]*[;,])\s*// (.*)$", line)
        if block and about_the_file:
            out.append("/// @file" if "SPDX" in line else f"/// {escaped(block.group(2))}")
            continue
        about_the_file = False
        if block:
            out.append(f"{block.group(1)}/// {escaped(block.group(2))}")
        elif behind:
            out.append(f"{behind.group(1)}  ///< {escaped(behind.group(2))}")
        else:
            out.append(line)
    return "\n".join(out)


def copy_of(name):
    """Doxygen takes every README.md for the main page."""
    return re.sub(r"/README\.md$", "/index.md", name)


def document(text, name, names):
    """Links to documents that are copied lose their anchors, other relative links become text."""
    def replaced(link):
        shown, target = link.groups()
        if re.match(r"[a-z]+:", target):
            return link.group(0)
        page = str((pathlib.PurePosixPath("/") / name).parent / target.split("#")[0])
        parts = []
        for part in page.split("/"):
            parts = parts[:-1] if part == ".." else parts + [part]
        page = "/".join(p for p in parts if p not in ("", "."))
        return f"[{shown}]({copy_of(page)})" if page in names and page.endswith(".md") and page != name else shown

    out, fenced = [], False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        out.append(line if fenced else LINK.sub(replaced, IMAGE.sub(r"\1", line)))
    return "\n".join(out)


def main():
    doxygen, doxyfile, root, copies, *names = sys.argv[1:]
    for folder in (".", "docs", "docs/methods"):
        names += sorted(p.relative_to(root).as_posix() for p in pathlib.Path(root, folder).glob("*.md"))
    shutil.rmtree(copies, ignore_errors=True)
    for name in names:
        text = (pathlib.Path(root) / name).read_text(encoding="utf-8")
        copy = pathlib.Path(copies) / copy_of(name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(document(text, name, set(names)) if name.endswith(".md") else header(text), encoding="utf-8")
    return subprocess.run([doxygen, doxyfile], cwd=copies, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
