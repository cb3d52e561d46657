#!/usr/bin/env python3
"""o200k_base and cl100k_base against PyPI tiktoken, which reads the same rank files, token for token.
tiktoken_test.py [number of texts] [seed]"""
import base64
import os
import pathlib
import sys

import tiktoken
from tiktoken_ext import openai_public

import ours
import texts


def reference(name, folder):
    """tiktoken's encoding with its own pattern; its file from the package that is pinned."""
    def load(*_, **__):
        lines = (folder / f"{name}.tiktoken").read_bytes().splitlines()
        return {base64.b64decode(code): int(rank) for code, rank in (line.split() for line in lines if line)}

    openai_public.load_tiktoken_bpe = load
    return tiktoken.Encoding(**openai_public.ENCODING_CONSTRUCTORS[name]())


def compare(name, samples, folder):
    encoding, wrong, tokens = reference(name, folder), 0, 0
    cuts = ours.encode(name, samples, "cut")
    for text, got, count in zip(samples, ours.encode(name, samples), cuts):
        want = encoding.encode_ordinary(text)
        tokens += len(want)
        if got != want or count != len(want):
            wrong += 1
            if wrong <= 5:
                print(f"{name}: {text!r}\n  want {want}\n  got  {got}, in pieces {count}")
    print(f"{name}: {len(samples)} texts, {tokens} tokens, {wrong} differences")
    return wrong


def hostile(length):
    """One piece, or one after the other without an end."""
    return [text * (length // len(text)) for text in ("a", "的", " ", "ab", "1", "😀", "!", "aA", "\u0301", "ᄀ")] + [
        "\n" * length + "x", "A" * length + "a" * length, " " * length + "a", "'" * length + "s"]


if __name__ == "__main__":
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 3000, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    ranks = pathlib.Path(os.environ["GATEYES_RANKS"])
    samples = [*texts.samples(seed, count), *hostile(20000)]
    sys.exit(sum(compare(name, samples, ranks) for name in ("o200k_base", "cl100k_base")) > 0)
