# SPDX-License-Identifier: Apache-2.0
"""As much of Markdown as the tests of the documents need: headings, links, blocks of code."""
import re

FENCE = re.compile(r"^ {0,3}(```+|~~~+)\s*(\S*)")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
# [text](target "title") and ![text](target); a text may hold an image, which is a link of its own.
LINK = re.compile(r"\]\(\s*<?([^\s)>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+<?(\S+?)>?(?:\s+\"[^\"]*\")?\s*$")


def blocks(text):
    """(number of the line behind the fence, language, lines) of every fenced block of code."""
    fence, start, language, lines = None, 0, "", []
    for number, line in enumerate(text.splitlines(), 1):
        mark = FENCE.match(line)
        if fence is None and mark:
            fence, language, start, lines = mark.group(1), mark.group(2), number + 1, []
        elif fence is not None and mark and mark.group(1).startswith(fence) and not mark.group(2):
            yield start, language, lines
            fence = None
        elif fence is not None:
            lines.append(line)
    if fence is not None:
        yield start, language, lines


def prose(text):
    """(number, line) outside of blocks of code, code between backticks blanked."""
    fenced = set()
    for start, _, lines in blocks(text):
        fenced.update(range(start - 1, start + len(lines) + 1))
    kept = [(n, line) for n, line in enumerate(text.splitlines(), 1) if n not in fenced]
    joined = "\n".join(line for _, line in kept)
    blanked = re.sub(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)",
                     lambda m: m.group(1) + re.sub(r"[^\n]", ".", m.group(2)) + m.group(1), joined, flags=re.S)
    return [(n, line) for (n, _), line in zip(kept, blanked.split("\n"))]


def plain(heading):
    """What a heading shows: without marks of code, of stress and of links, and without backslashes."""
    parts = re.split(r"(`+[^`]+`+)", heading)
    for i, part in enumerate(parts):
        if part.startswith("`"):
            parts[i] = part.strip("`")
            continue
        part = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", part)
        part = re.sub(r"(?<!\\)\*+|(?<![\w\\])_+|(?<!\\)_+(?!\w)", "", part)
        parts[i] = re.sub(r"\\([^\w\s])", r"\1", part)
    return "".join(parts)


def anchors(text):
    """The anchors of a page by the rules of forges: small letters, signs left out, spaces become
    hyphens, repetitions are numbered."""
    out, seen = set(), {}
    code = {n for start, _, lines in blocks(text) for n in range(start, start + len(lines))}
    for number, line in enumerate(text.splitlines(), 1):
        if number in code:
            continue
        out.update(ANCHOR.findall(line))
        heading = HEADING.match(line)
        if not heading:
            continue
        slug = re.sub(r"[^\w\- ]", "", plain(heading.group(2)).lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        out.add(slug if count == 0 else f"{slug}-{count}")
    return out


def links(text):
    """(number of the line, target) of every link and image."""
    for number, line in prose(text):
        for target in LINK.findall(line):
            yield number, target
        reference = REFERENCE.match(line)
        if reference:
            yield number, reference.group(1)
