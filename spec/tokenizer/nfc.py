#!/usr/bin/env python3
"""Writes what composing characters (NFC, Unicode Standard Annex 15) needs to runtime/tokenizer/nfc.def, from Python's
Unicode database; what decomposes in the newer one inside PyPI tokenizers only, from there."""
import pathlib
import unicodedata

from tokenizers import normalizers

TARGET = pathlib.Path(__file__).resolve().parents[2] / "runtime/tokenizer/nfc.def"
POINTS = [point for point in range(0x110000) if not 0xd800 <= point < 0xe000]
rows = []
for point in POINTS:
    letter = chr(point)
    parts = unicodedata.decomposition(letter)
    if not parts and not 0xac00 <= point <= 0xd7a3:
        apart = normalizers.NFD().normalize_str(letter)
        if apart != letter:
            parts = " ".join(f"{ord(part):x}" for part in apart)
    if not parts or parts.startswith("<"):
        continue
    first, second = ([int(part, 16) for part in parts.split()] + [0])[:2]
    composes = second and normalizers.NFC().normalize_str(chr(first) + chr(second)) == letter
    rows.append(f"{'BOTH' if composes else 'APART'}({point:#x}, {first:#x}, {second:#x})")
start = None
for point in [*POINTS, 0x110000]:
    order = unicodedata.combining(chr(point)) if point < 0x110000 else 0
    if start and order != start[1]:
        rows.append(f"ORDER({start[0]:#x}, {last:#x}, {start[1]})")
        start = None
    if order and not start:
        start = point, order
    last = point
lines = [""]
for row in rows:
    if len(lines[-1]) + len(row) + 1 > 118:
        lines.append("")
    lines[-1] += (" " if lines[-1] else "") + row
TARGET.write_text("/* Written by spec/tokenizer/nfc.py. */\n" + "\n".join(lines) + "\n")
print(len(rows), "rows")
