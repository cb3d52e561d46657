"""Our tokenizer, as the program `ids` answers."""
import os
import struct
import subprocess


def encode(name, texts, mode="text"):
    """For each text the list of its tokens; with mode "cut" only their number, with mode "decode" the text of them."""
    request = b"".join(struct.pack("<I", len(data)) + data for data in (text.encode() for text in texts))
    folder = [os.environ["GATEYES_TOKENIZERS"]] if "GATEYES_TOKENIZERS" in os.environ else []
    answer = subprocess.run([os.environ["GATEYES_IDS"], name, mode, *folder], input=request, capture_output=True)
    if answer.returncode:
        raise RuntimeError(answer.stderr.decode())
    data, at, lists = answer.stdout, 0, []
    for _ in texts:
        count, = struct.unpack_from("<I", data, at)
        at += 4
        if mode == "decode":
            lists.append(data[at:at + count].decode())
            at += count
            continue
        if mode == "cut":
            lists.append(count)
            continue
        lists.append(list(struct.unpack_from(f"<{count}I", data, at)))
        at += 4 * count
    assert at == len(data)
    return lists
