#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether the pages in docs/ that the program makes are what it makes now.

  fresh.py PROGRAM [--root FOLDER]
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

REFRESH = "build/release/laconic reference --out docs"


def findings(made, docs):
    """Pages that differ or lack, and pages of methods that nothing makes any more."""
    names = sorted(p.relative_to(made).as_posix() for p in made.rglob("*.md"))
    for name in names:
        page = docs / name
        if not page.is_file():
            yield f"docs/{name}: missing"
        elif page.read_text(encoding="utf-8") != (made / name).read_text(encoding="utf-8"):
            yield f"docs/{name}: not what the program makes"
    for page in sorted((docs / "methods").glob("*")):
        name = page.relative_to(docs).as_posix()
        if name not in names:
            yield f"docs/{name}: the program does not make it; delete it"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.program, "reference", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        found = list(findings(pathlib.Path(folder), pathlib.Path(options.root) / "docs"))
    for finding in found:
        print(finding)
    print(f"fresh: {len(found)} findings" + (f"; refresh by: {REFRESH}" if found else ""))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
