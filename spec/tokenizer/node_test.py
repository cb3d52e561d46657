#!/usr/bin/env python3
"""o200k_base and cl100k_base against npm's tiktoken (WebAssembly) and js-tiktoken, token for token.
node_test.py [number of texts] [seed]"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unicodedata

import ours
import texts

HERE = pathlib.Path(__file__).resolve().parent
HOME = pathlib.Path(os.environ["GATEYES_TOKENIZER_HOME"])


def is_agreed(text):
    """JavaScript's \\s is another set than that of tiktoken, and its Unicode may be older than tiktoken's."""
    return not any(letter in "\x85\ufeff" or unicodedata.category(letter) == "Cn" for letter in text)


def compare(package, name, samples):
    shutil.copy(HERE / "node/encode.mjs", HOME)
    answer = subprocess.run([os.environ["GATEYES_NODE"], HOME / "encode.mjs", package, name], check=True,
                            input=json.dumps(samples), stdout=subprocess.PIPE, text=True)
    wrong = 0
    for text, want, got in zip(samples, json.loads(answer.stdout), ours.encode(name, samples), strict=True):
        if got != want:
            wrong += 1
            if wrong <= 5:
                print(f"{package} {name}: {text!r}\n  want {want}\n  got  {got}")
    print(f"{package} {name}: {len(samples)} texts, {wrong} differences")
    return wrong


if __name__ == "__main__":
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 500, int(sys.argv[2]) if len(sys.argv) > 2 else 2
    everything = list(texts.samples(seed, count))
    agreed = [text for text in everything if is_agreed(text)]
    assert len(agreed) > count / 2
    differences = 0
    for encoding in ("o200k_base", "cl100k_base"):
        differences += compare("tiktoken", encoding, everything) + compare("js-tiktoken", encoding, agreed)
    sys.exit(differences > 0)
