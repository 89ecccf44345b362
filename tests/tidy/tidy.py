#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules of the source tree that no compiler checks. Prints one line per finding, PLACE: WHAT, and
exits with 1 if there are any. tidy_self_test.py breaks each rule in a small tree.

  tidy.py [--root FOLDER] [--layout]      --layout: clang-format instead of the rules below
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys

# What each layer may include besides itself, in order of dependency.
MAY = {
    "base": "",
    "rng": "base",
    "tensor": "base",
    "wire": "base tensor",
    "kernels": "base rng tensor",
    "data": "base rng tensor",
    "compress": "base rng tensor wire kernels",
    "mechanism": "base rng tensor wire kernels compress",
    "comm": "base tensor wire kernels",
    "channel": "base rng tensor kernels",
    "optim": "base rng tensor wire kernels",
    "aggregate": "base rng tensor wire kernels compress mechanism comm channel optim",
    "sync": "base rng tensor wire kernels compress mechanism comm channel aggregate",
    "order": "base rng tensor wire kernels comm",
    "problem": "base rng tensor kernels data",
    "experiment": "base rng tensor wire kernels data compress mechanism comm channel optim aggregate sync order problem",
    "report": "base experiment",
}

# Words that do not occur in C++ files: pattern, where it may occur (prefixes of paths), what to do
# instead. Comments and strings are not looked at.
PRINTING = ("cli/", "tests/", "bench/", "fuzz/", "examples/")
BANNED = [
    (r"\b(?:std::)?(?:random_)?shuffle\(", (), "rng::permute"),
    (r"\brandom_device\b|\bmt19937|\bs?rand\(|#include <random>", (),
     "rng::Stream, which is named by facts of the experiment"),
    (r"\breinterpret_cast\b",
     ("src/laconic/wire/", "src/laconic/kernels/", "src/laconic/comm/mpi/", "bench/"),
     "WireReader, WireWriter or std::as_bytes"),
    (r"\bstd::(?:cout|cerr|clog)\b|(?<!\w)(?:std::)?(?:v?f?printf|puts|putchar)\(|\bfmt::print(?:ln)?\(",
     PRINTING, "return or throw: the library never prints"),
    (r"\bstd::(?:exit|quick_exit|_Exit|abort|terminate)\(",
     ("cli/", "tests/", "src/laconic/comm/mpi/", "fuzz/"), "throw: the library never exits"),
    (r"(?<!\w)assert\(|#include <cassert>", (), "LACONIC_EXPECTS or LACONIC_ASSERT"),
    (r"\bvolatile\b", (), "std::atomic"),
    (r"\bstd::thread\b(?!::)", (), "std::jthread"),
    (r"\busing namespace (?!testing_)", (), "name what is used"),
    (r"#include <mpi\.h>", ("src/laconic/comm/mpi/", "tests/mpi/"), "laconic/comm"),
    (r"#include \"\.\.?/", (), "the path from the include root"),
]
# Never seen by those who include a public header.
PRIVATE_LIBRARIES = r'#include [<"](toml\+\+|nlohmann|curl|openssl|zlib|hwy|mpi|CLI|spdlog|fmt)(?=[/.])'

CODE = {".cpp", ".hpp", ".def"}
SCRIPTS = {".py", ".cmake", ".in", ".sh", ".js", ".mjs", ".css", ".html"}
TEXT = CODE | SCRIPTS | {".md", ".toml", ".json", ".txt", ".hex"}
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.~}>-])/(?:home|root|work|Users)/")


class Tree:
    """The files of a checkout: those that git tracks or would track, else all but build output."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        git = None
        if (self.root / ".git").exists() and shutil.which("git"):
            git = subprocess.run(["git", "-C", root, "-c", f"safe.directory={self.root.resolve()}",
                                  "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                                 capture_output=True, text=True, check=False)
        if git is not None and git.returncode == 0:
            names = set(git.stdout.split("\0")) - {""}
        else:
            names = {p.relative_to(self.root).as_posix() for p in self.root.rglob("*")
                     if p.relative_to(self.root).parts[0] not in ("build", "out", ".git")}
        self.names = sorted(n for n in names if (self.root / n).is_file())
        self._texts = {}

    def text(self, name):
        if name not in self._texts:
            data = (self.root / name).read_bytes()
            self._texts[name] = data.decode("utf-8", errors="replace")
        return self._texts[name]

    def lines(self, name):
        return enumerate(self.text(name).splitlines(), 1)

    def having(self, suffixes, under=""):
        return [n for n in self.names if n.startswith(under) and pathlib.PurePath(n).suffix in suffixes]

    def is_text(self, name):
        path = pathlib.PurePath(name)
        return not name.startswith("fuzz/corpus/") and (
            path.suffix in TEXT or path.name.startswith(".clang-") or self.is_script(name))

    def is_script(self, name):
        if name.startswith("fuzz/corpus/"):
            return False
        return pathlib.PurePath(name).suffix == "" and self.text(name).startswith("#!")


def without_comments(text):
    """Comments and contents of strings blanked, line breaks kept."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|'
                         r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)

    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return "\n" * token.count("\n")
        before = text[text.rfind("\n", 0, match.start()) + 1:match.start()]
        return token if "#include" in before else '""' + "\n" * token.count("\n")

    return pattern.sub(blank, text)


def layer_of(name):
    parts = pathlib.PurePath(name).parts
    return parts[2] if len(parts) > 3 and parts[:2] == ("src", "laconic") else None


def layer_lists(tree):
    """layer -> keyword -> words of its laconic_layer call."""
    lists = {}
    for name in tree.names:
        layer = layer_of(name)
        if layer is None or not name.endswith("/CMakeLists.txt"):
            continue
        text = re.sub(r"#[^\n]*", "", tree.text(name))
        call = re.search(r"laconic_layer\(\s*(\w+)([^)]*)\)", text)
        if call:
            words = {"SOURCES": [], "HEADERS": [], "DEPENDS": [], "LIBRARIES": []}
            keyword = None
            for word in call.group(2).split():
                if word in words:
                    keyword = word
                elif keyword:
                    words[keyword].append(word)
            lists[call.group(1)] = words
    return lists


def includes(tree):
    for name in tree.having(CODE):
        for number, line in tree.lines(name):
            found = re.match(r'#include "(laconic/([a-z]+)/[^"]+)"', line)
            if found:
                yield name, number, found.group(1), found.group(2)


def check_layers(tree):
    """Layers use lower layers only, and say in CMake which."""
    lists = layer_lists(tree)
    for name, number, _, used in includes(tree):
        layer = layer_of(name)
        if layer is None:
            continue
        if layer not in MAY:
            yield f"{name}: the layer {layer} is not in the table MAY of tests/tidy/tidy.py"
        elif used != layer and used not in MAY[layer].split():
            yield f"{name}:{number}: {layer} may not include {used}"
        elif used != layer and layer in lists and used not in lists[layer]["DEPENDS"]:
            yield f"{name}:{number}: {used} is not under DEPENDS in src/laconic/{layer}/CMakeLists.txt"
    for layer, words in lists.items():
        for used in words["DEPENDS"]:
            if used not in MAY.get(layer, used).split():
                yield f"src/laconic/{layer}/CMakeLists.txt: {layer} may not depend on {used}"


def check_public_headers(tree):
    """A public header includes public headers and the standard library."""
    public = {f"laconic/{layer}/{header}" for layer, words in layer_lists(tree).items()
              for header in words["HEADERS"]}
    for name, number, path, _ in includes(tree):
        if name.removeprefix("src/") in public and path not in public:
            yield f"{name}:{number}: a public header may not include {path}, which is not under HEADERS"
    for header in sorted(public):
        name = f"src/{header}"
        if name not in tree.names:
            continue
        for number, line in tree.lines(name):
            found = re.match(PRIVATE_LIBRARIES, line)
            if found:
                yield f"{name}:{number}: {found.group(1)} in a public header; include it in a .cpp"


def check_everything_is_built(tree):
    """No source and no test that no CMakeLists.txt names."""
    for name in tree.having({".cpp"}):
        path = pathlib.PurePath(name)
        if name.startswith("tests/install/"):
            continue
        if path.parts[0] == "fuzz" and path.name.startswith("fuzz_"):
            if not re.search(rf"\b{path.stem}\b|\b{path.stem[5:]}\b", tree.text("fuzz/CMakeLists.txt")):
                yield f"{name}: no target in fuzz/CMakeLists.txt"
            continue
        texts = [tree.text(f"{folder}/CMakeLists.txt") for folder in path.parents
                 if f"{folder}/CMakeLists.txt" in tree.names]
        texts += [tree.text(n) for n in tree.names
                  if path.parts[0] == "tests" and n.startswith("tests/") and n.endswith("CMakeLists.txt")]
        if not any(re.search(rf"(?<![\w.-]){re.escape(path.name)}(?![\w.-])", text) for text in texts):
            yield f"{name}: in no CMakeLists.txt, so nobody builds it"


def check_methods(tree):
    """One method, one file: NAME.cpp, or KIND_NAME.cpp beside it in lists other than methods.def."""
    for name in tree.having({".def"}, "src/laconic/"):
        folder = pathlib.PurePath(name).parent
        sources = {n: tree.text(n) for n in tree.having({".cpp"}, f"{folder}/")}
        kind = pathlib.PurePath(name).stem.rstrip("s")
        for number, line in tree.lines(name):
            method = re.match(r"[A-Z_]+\((\w+)\)", line)
            if not method:
                continue
            method = method.group(1)
            # Identifiers have no plus sign and do not start with a digit.
            spelled = method.replace("three_pc_", "3pc").replace("_plus", "[+]").replace("_", "[_-]")
            card = '.name = "%s"' % spelled
            cards = [n for n, text in sources.items() if re.search(card, text)]
            if len(cards) != 1:
                yield f"{name}:{number}: {method} has {len(cards)} cards in {folder}, and needs one"
            # Readers and generators of data are no methods: one file holds several.
            elif folder.name != "data" and pathlib.PurePath(cards[0]).stem not in (method, f"{kind}_{method}"):
                yield f"{name}:{number}: {method} lives in {cards[0]}; give it {folder}/{method}.cpp"


def check_words(tree):
    """Banned words have replacements."""
    for name in tree.having(CODE):
        if name.startswith("tests/install/"):  # a program of somebody else's
            continue
        for number, line in enumerate(without_comments(tree.text(name)).splitlines(), 1):
            for pattern, allowed, instead in BANNED:
                found = re.search(pattern, line)
                if found and not name.startswith(allowed or ("\0",)):
                    yield f"{name}:{number}: {found.group(0).strip()} is banned here; instead: {instead}"
            if "DISABLED" "_" in line:
                yield f"{name}:{number}: a disabled test; repair it or delete it"
    for name in tree.names:
        if pathlib.PurePath(name).name in ("CMakeLists.txt", "CMakePresets.json") or name.endswith(".cmake"):
            for number, line in tree.lines(name):
                if re.search(r"-march=native|-ffast-math|-Ofast", line):
                    yield f"{name}:{number}: changes bits from machine to machine"


def check_text(tree):
    """ASCII, a licence line, nothing unfinished, no path of one machine, line ends."""
    for name in tree.names:
        if not tree.is_text(name):
            continue
        text = tree.text(name)
        path = pathlib.PurePath(name)
        if path.suffix in CODE | SCRIPTS or path.name == "CMakeLists.txt" or tree.is_script(name):
            if "SPDX-License-Identifier: Apache-2.0" not in "".join(text.splitlines()[:2]):
                yield f"{name}:1: the licence line is missing: SPDX-License-Identifier: Apache-2.0"
        for number, line in tree.lines(name):
            if not line.isascii():
                yield f"{name}:{number}: not ASCII"
            if UNFINISHED.search(line):
                yield f"{name}:{number}: unfinished; say in the documents what is not there"
            if MACHINE_PATH.search(line):
                yield f"{name}:{number}: a path of one machine"
            if line != line.rstrip() and path.suffix != ".md":
                yield f"{name}:{number}: white space at the end of the line"
        if text and not text.endswith("\n"):
            yield f"{name}: no line break at the end"


def check_torch(tree):
    """libtorch takes seconds per source and half a second per process: only where a path says so."""
    for name in tree.having(CODE):
        path = pathlib.PurePath(name)
        if "torch" in path.parent.parts or "torch" in path.stem.split("_"):
            continue
        for number, line in tree.lines(name):
            if re.match(r'#include (?:<(?:torch|ATen|c10)/|"laconic/\w+/torch/)', line):
                yield f"{name}:{number}: libtorch outside a folder named torch; give it one"


RULES = [check_layers, check_public_headers, check_everything_is_built, check_methods, check_words, check_torch,
         check_text]


def check_layout(tree):
    """What clang-format would change, by file."""
    names = [n for n in tree.having({".cpp", ".hpp"})]
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *names], cwd=tree.root,
                            capture_output=True, text=True, check=False)
    bad = sorted({line.split(":", 2)[0] + ":" + line.split(":", 2)[1]
                  for line in result.stderr.splitlines() if "[-Wclang-format-violations]" in line})
    return [f"{place}: clang-format -i would change this" for place in bad]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--layout", action="store_true")
    options = parser.parse_args()
    tree = Tree(options.root)
    if options.layout:
        if not shutil.which("clang-format"):
            print("skipped: clang-format is not installed")
            return 77
        findings = check_layout(tree)
    else:
        findings = [finding for rule in RULES for finding in rule(tree)]
    for finding in findings:
        print(finding)
    print(f"tidy: {len(tree.names)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
