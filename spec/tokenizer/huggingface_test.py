#!/usr/bin/env python3
"""tokenizer.json of each family against PyPI tokenizers, token for token. No model hub is asked: small tokenizers are
trained here, with the normalizer, pre_tokenizer and model settings that the files of the family have.
huggingface_test.py [number of texts] [seed]"""
import pathlib
import random
import sys
import tempfile

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import ours
import texts

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(numbers, suffix=""):
    return (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+" + suffix + r"|[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*"
            + suffix + r"|\p{N}" + numbers + r"| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL)


DEEPSEEK = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
            r"""| ?[\p{P}\p{S}]+[\r\n]*""" + TAIL)


def split(regex, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(regex), behavior, invert)


def byte_level(*steps, use_regex=False, prefix=False):
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=use_regex)
    return pre_tokenizers.Sequence([*steps, last]) if steps else last


# name: pre_tokenizer, normalizer, ignore_merges, added tokens
BYTE_LEVEL = {
    "llama3": (byte_level(split(LLAMA % "{1,3}")), None, True, ["<|begin_of_text|>", "<|start_header_id|>", "<|eot_id|>"]),
    "qwen": (byte_level(split(LLAMA % "")), normalizers.NFC(), False, ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]),
    "tekken": (byte_level(split(cased(""))), None, True, ["[INST]", "[/INST]", "<s>"]),
    "gpt_oss": (byte_level(split(cased("{1,3}", CONTRACTIONS + "?"), "removed", True)), None, False, ["<|start|>"]),
    "deepseek": (byte_level(split(r"\p{N}{1,3}"), split("[一-龥\u3040-ゟ゠-ヿ]+"), split(DEEPSEEK)), None, False,
                 ["<｜User｜>", "<｜Assistant｜>"]),
    "gpt2": (byte_level(use_regex=True), None, False, ["<|endoftext|>"]),
    "gpt2_prefix": (byte_level(use_regex=True, prefix=True), None, False, ["<|endoftext|>"]),
    "digits": (byte_level(pre_tokenizers.Digits(True), use_regex=True), None, False, ["<|endoftext|>"]),
}
MARK = "\u2581"
LLAMA2 = normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])
# name: pre_tokenizer, normalizer
SENTENCES = {
    "llama2": (None, LLAMA2),
    "mistral_v1": (pre_tokenizers.Metaspace(MARK, "first", False), None),
    "metaspace_always": (pre_tokenizers.Metaspace(MARK, "always", True), None),
    "metaspace_never": (pre_tokenizers.Metaspace(MARK, "never", True), None),
    "replaced": (None, normalizers.Replace(" ", MARK)),
}
CORPUS_SEED = 77


def train_byte_level(name):
    pre, normalizer, ignore_merges, added = BYTE_LEVEL[name]
    made = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    made.pre_tokenizer, made.decoder = pre, decoders.ByteLevel()
    if normalizer:
        made.normalizer = normalizer
    made.train_from_iterator(texts.samples(CORPUS_SEED, 1500), trainers.BpeTrainer(
        vocab_size=3000, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    made.add_special_tokens([AddedToken(token, normalized=False) for token in added])
    return made, added


def train_sentences(name):
    pre, normalizer = SENTENCES[name]
    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    # Words to train with, as SentencePiece has them, whatever the family does with text later.
    made.normalizer, made.pre_tokenizer = normalizer, pre_tokenizers.Metaspace(MARK, "always", True)
    alphabet = [letter for letter in texts.CHINESE[:100]] + list(MARK + "abcdefghijklmnopqrstuvwxyz0123456789.,")
    special = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % byte for byte in range(256)]
    made.train_from_iterator(texts.samples(CORPUS_SEED, 1500), trainers.BpeTrainer(
        vocab_size=3000, show_progress=False, special_tokens=special, initial_alphabet=alphabet, limit_alphabet=400))
    plain = Tokenizer(made.model)
    plain.normalizer, plain.pre_tokenizer = normalizer, pre
    added = ["<s>", "</s>"]
    plain.add_special_tokens([AddedToken(token, normalized=False) for token in ["<unk>", *added]])
    plain.decoder = decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                                       *([decoders.Strip(" ", 1, 0)] if name not in ("metaspace_never", "replaced") else [])])
    return plain, added


def with_added(samples, added):
    """Every third text has an added token in it somewhere."""
    for number, text in enumerate(samples):
        place = (number * 7919) % (len(text) + 1)
        yield text if number % 3 else text[:place] + added[number % len(added)] + text[place:]


def accented(draw, count):
    """Letters, marks and syllables that compose, in any order; not those newer than runtime/tokenizer/nfc.def."""
    marks = [chr(point) for point in range(0x300, 0x370)] + ["\u05b0", "\u0653", "\u093c", "\u09be", "\u3099", "\u1ab0"]
    letters = [chr(point) for point in (*range(0x41, 0x250), *range(0x370, 0x400), *range(0x1e00, 0x2000),
                                        *range(0x915, 0x940), *range(0xac00, 0xac40), *range(0x1100, 0x1113),
                                        *range(0x1161, 0x1176), *range(0x11a8, 0x11c3), *range(0xf900, 0xfa00),
                                        0x212b, 0x2126, 0x9c7, 0x304b, 0x1d15e)]
    for _ in range(count):
        yield "".join(draw.choice(letters) + "".join(draw.choices(marks, k=draw.choice((0, 1, 1, 2, 3, 30))))
                      for _ in range(draw.randrange(1, 20)))


def compare(name, made, added, samples, folder):
    path, wrong, tokens = str(folder / f"{name}.json"), 0, 0
    made.save(path)
    samples = [*with_added(samples, added)]
    plain = [text for text in samples if not any(token in text for token in [*added, "<unk>"])]
    cuts = dict(zip(plain, ours.encode(path, plain, "cut"), strict=True))
    for text, got in zip(samples, ours.encode(path, samples, "special"), strict=True):
        want = made.encode(text, add_special_tokens=False).ids
        tokens += len(want)
        if got != want or cuts.get(text, len(want)) != len(want):
            wrong += 1
            if wrong <= 3:
                print(f"{name}: {text!r}\n  want {want}\n  got  {got}, in pieces {cuts.get(text)}")
    for text, got in zip(samples, ours.encode(path, samples, "decode"), strict=True):
        want = made.decode(made.encode(text, add_special_tokens=False).ids, skip_special_tokens=True)
        if got != want:
            wrong += 1
            if wrong <= 3:
                print(f"{name}: {text!r}\n  decodes to {want!r}\n  got        {got!r}")
    print(f"{name}: {len(samples)} texts, {tokens} tokens, {wrong} differences")
    return wrong


if __name__ == "__main__":
    count, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 400, int(sys.argv[2]) if len(sys.argv) > 2 else 3
    differences = 0
    with tempfile.TemporaryDirectory() as home:
        for family in BYTE_LEVEL:
            samples = [*texts.samples(seed, count), *accented(random.Random(seed), count)]
            differences += compare(family, *train_byte_level(family), samples, pathlib.Path(home))
        for family in SENTENCES:
            differences += compare(family, *train_sentences(family), texts.samples(seed, count), pathlib.Path(home))
    sys.exit(differences > 0)
