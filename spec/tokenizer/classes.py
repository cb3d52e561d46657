#!/usr/bin/env python3
"""Writes the character classes that token patterns need to runtime/tokenizer/classes.def, as the regular expression
engine of tiktoken has them, whose Unicode version is the one to agree with. Needs tiktoken."""
import pathlib

import tiktoken

TARGET = pathlib.Path(__file__).resolve().parents[2] / "runtime/tokenizer/classes.def"
POINTS = [point for point in range(0x110000) if not 0xd800 <= point < 0xe000]
CLASSES = {"UPPER": r"[\p{Lu}\p{Lt}]", "LOWER": r"\p{Ll}", "LETTER": r"[\p{Lm}\p{Lo}]", "MARK": r"\p{M}",
           "NUMBER": r"\p{N}", "SIGN": r"[\p{P}\p{S}]", "SPACE": r"\s"}


def members(pattern):
    encoding = tiktoken.Encoding("probe", pat_str=pattern, special_tokens={},
                                 mergeable_ranks={bytes([byte]): byte for byte in range(256)})
    found = set()
    for at in range(0, len(POINTS), 4096):
        text = "".join(map(chr, POINTS[at:at + 4096]))
        found.update(map(ord, bytes(encoding.encode_ordinary(text)).decode()))
    return found


def runs():
    """(first, last, class); CASED runs alternate: capital, small, capital, small."""
    kind = {}
    for name, pattern in CLASSES.items():
        kind.update(dict.fromkeys(members(pattern), name))
    kind.update({0x0a: "NEWLINE", 0x0d: "NEWLINE"})
    at = 0
    while at < 0x110000:
        if at not in kind:
            at += 1
            continue
        first = at
        while at + 2 < 0x110000 and kind.get(at) == "UPPER" and kind.get(at + 1) == "LOWER":
            at += 2
        if at - first >= 4:
            yield first, at - 1, "CASED"
            continue
        at = first
        while kind.get(at + 1) == kind[first]:
            at += 1
        yield first, at, kind[first]
        at += 1


rows = [f"R({first:#x}, {last:#x}, {name})" for first, last, name in runs()]
lines, line = [], ""
for row in rows:
    if len(line) + len(row) + 1 > 118:
        lines.append(line)
        line = ""
    line += (" " if line else "") + row
lines.append(line)
TARGET.write_text("/* Written by spec/tokenizer/classes.py. */\n" + "\n".join(lines) + "\n")
print(len(rows), "runs in", len(lines), "lines")
