#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether every relative link and image in Markdown files leads somewhere, anchors included, and
whether every page of docs/ can be reached from README.md. Looks at no network.

  links.py [--root FOLDER]
"""
import argparse
import pathlib
import posixpath
import re
import sys
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tidy")]
import markdown
from tidy import Tree


def is_outside(target):
    return re.match(r"[a-z][a-z0-9+.-]*:", target) is not None


def resolve(page, target):
    """(path, anchor) below the root; the path of a bare #anchor is the page."""
    path, _, anchor = target.partition("#")
    path = urllib.parse.unquote(path)
    if not path:
        return page, anchor
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), path)), anchor


def findings(tree):
    pages = tree.having({".md"})
    names = set(tree.names)
    folders = {parent.as_posix() for name in names for parent in pathlib.PurePosixPath(name).parents}
    anchors = {page: markdown.anchors(tree.text(page)) for page in pages}
    leads_to = {page: set() for page in pages}
    for page in pages:
        for number, target in markdown.links(tree.text(page)):
            if is_outside(target):
                continue
            path, anchor = resolve(page, target)
            if target.startswith("/"):
                yield f"{page}:{number}: {target} is not relative"
            elif path not in names and path not in folders:
                yield f"{page}:{number}: {target} does not exist"
            elif anchor and path in anchors and anchor not in anchors[path]:
                yield f"{page}:{number}: {target}: {path} has no such heading"
            elif anchor and path not in anchors and not re.fullmatch(r"L\d+(-L\d+)?", anchor):
                yield f"{page}:{number}: {target}: only Markdown has headings"
            elif path in leads_to:
                leads_to[page].add(path)
    reached, found = set(), ["README.md"]
    while found:
        page = found.pop()
        if page not in reached:
            reached.add(page)
            found += leads_to.get(page, ())
    for page in pages:
        if page.startswith("docs/") and page not in reached:
            yield f"{page}: no link leads here from README.md"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=HERE.parents[1])
    tree = Tree(parser.parse_args().root)
    found = list(findings(tree))
    for finding in found:
        print(finding)
    print(f"links: {len(tree.having({'.md'}))} pages, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
