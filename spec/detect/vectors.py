"""Recall on what must be found, false positives on what must not, and the figures."""
import json
import pathlib
import random
import re

import oracles

HERE = pathlib.Path(__file__).resolve().parent
WRAPS = ["{}", "export KEY={}\n", "the key is {} ok", '{{"value": "{}"}}', "{}, please rotate it"]
LIMITS = {"secrets": 0.98, "personal": 0.95, "clean": 0.02}


def scan(probe, texts, *options):
    return oracles.run_probe(probe, texts, *options)


def expand(rng, pattern):
    """A text for a pattern of literals and [set]{count}."""
    def one(match):
        chars = re.sub(r"(\w)-(\w)", lambda r: "".join(map(chr, range(ord(r[1]), ord(r[2]) + 1))), match[1])
        return "".join(rng.choices(chars, k=int(match[2] or 1)))
    return re.sub(r"\[([^\]]+)\](?:\{(\d+)\})?", one, pattern)


def secrets(probe, seed, rounds):
    rng = random.Random(seed)
    texts, names = [], []
    for name, pattern in json.loads((HERE / "secrets.json").read_text()):
        for n in range(rounds):
            value = expand(rng, pattern)
            wrap = "{}" if "{" in value or "\n" in value or '"' in value else WRAPS[n % len(WRAPS)]
            texts.append(wrap.format(value))
            names.append(name)
    found = scan(probe, texts, "--kinds", "secrets")
    missed = [f"{name}: {text}" for name, text, f in zip(names, texts, found) if not f]
    return len(texts) - len(missed), len(texts), missed


def personal(probe):
    vectors = json.loads((HERE / "personal.json").read_text())
    found = scan(probe, [text for _, text in vectors])
    missed = [f"{kind}: {text}" for (kind, text), list_ in zip(vectors, found) if kind not in [f["kind"] for f in list_]]
    return len(vectors) - len(missed), len(vectors), missed


def clean(probe, kinds):
    lines = (HERE / "clean.txt").read_text().splitlines()
    found = scan(probe, lines, "--kinds", kinds)
    wrong = [f"{line} -> {[(f['rule'], f['score']) for f in list_]}" for line, list_ in zip(lines, found) if list_]
    return len(wrong), len(lines), wrong


def check(probe, seed, rounds):
    failed = False
    for name, (count, total, lines), least in (
            ("secrets found", secrets(probe, seed, rounds), LIMITS["secrets"]),
            ("personal data found", personal(probe), LIMITS["personal"])):
        print(f"{name}: {count} of {total}, {count / total:.2%} (at least {least:.0%})")
        print("\n".join(f"  missed {line}" for line in lines[:20]), end="\n" if lines else "")
        failed |= count / total < least
    for name, kinds in (("secrets", "secrets"), ("personal data", "pii,network")):
        count, total, lines = clean(probe, kinds)
        print(f"{name} in clean text: {count} of {total} lines, {count / total:.2%} (at most {LIMITS['clean']:.0%})")
        print("\n".join(f"  wrong {line}" for line in lines[:20]), end="\n" if lines else "")
        failed |= count / total > LIMITS["clean"]
    if failed:
        raise SystemExit(1)
