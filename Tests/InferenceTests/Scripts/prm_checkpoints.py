"""Writes tiny random checkpoints in the layouts that ops/convert-prm reads, and what the published models would make of
some hidden states, worked out here the long way: the same layers in the same order, ending in a softmax or a sigmoid.

Usage: prm_checkpoints.py DIRECTORY; prints a list of {layout, directory, hidden, expected}.
"""

import json
import math
import pathlib
import random
import struct
import sys

WIDTH, UNITS, WORDS = 12, 10, 40
RANDOM = random.Random(20261128)


def matrix(rows, columns):
    return [[RANDOM.gauss(0, 0.6) for _ in range(columns)] for _ in range(rows)]


def rounded(value, kind):
    """The value that a tensor of the type holds."""
    if kind == "BF16":
        word = struct.unpack("<I", struct.pack("<f", value))[0] & 0xFFFF0000
        return struct.unpack("<f", struct.pack("<I", word))[0]
    code = {"F16": "<e", "F32": "<f"}[kind]
    return struct.unpack(code, struct.pack(code, value))[0]


def packed(values, kind):
    if kind == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{'e' if kind == 'F16' else 'f'}", *values)


def save(path, tensors, kind):
    header, body = {"__metadata__": {"format": "pt"}}, b""
    for name, value in tensors.items():
        rows = value if isinstance(value[0], list) else [value]
        data = packed([number for row in rows for number in row], kind)
        shape = [len(value), len(value[0])] if isinstance(value[0], list) else [len(value)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def rounded_tensors(tensors, kind):
    def each(value):
        return [each(part) for part in value] if isinstance(value, list) else rounded(value, kind)
    return {name: each(value) for name, value in tensors.items()}


def affine(weights, bias, vector):
    return [sum(w * x for w, x in zip(row, vector)) + b for row, b in zip(weights, bias)]


def softmax(values):
    most = max(values)
    parts = [math.exp(value - most) for value in values]
    return [part / sum(parts) for part in parts]


def skywork():
    tensors = {"v_head.summary.weight": matrix(1, WIDTH), "v_head.summary.bias": [0.3]}

    def score(t, hidden):
        return 1 / (1 + math.exp(-affine(t["v_head.summary.weight"], t["v_head.summary.bias"], hidden)[0]))
    return tensors, {}, score


def qwen():
    tensors = {
        "score.0.weight": matrix(UNITS, WIDTH), "score.0.bias": matrix(1, UNITS)[0],
        "score.2.weight": matrix(2, UNITS), "score.2.bias": matrix(1, 2)[0],
    }

    def score(t, hidden):
        units = [max(0.0, value) for value in affine(t["score.0.weight"], t["score.0.bias"], hidden)]
        return softmax(affine(t["score.2.weight"], t["score.2.bias"], units))[1]
    return tensors, {"<extra_0>": 7}, score


def two_tokens(name, vocabulary, good, bad):
    tensors = {name: matrix(WORDS, WIDTH)}

    def score(t, hidden):
        logits = affine(t[name], [0.0] * WORDS, hidden)
        return softmax([logits[vocabulary[good]], logits[vocabulary[bad]]])[0]
    return tensors, vocabulary, score


def main():
    root = pathlib.Path(sys.argv[1])
    llama = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "\u010a\u010a", "user",
             "assistant", "+", "-"]
    mistral = ["<s>", "\u2581\u043a\u0438", "\u2581+", "\u2581-"]
    cases = [
        ("skywork", "BF16", skywork()), ("qwen-prm", "BF16", qwen()),
        ("rlhflow", "F16", two_tokens("lm_head.weight", {w: i for i, w in enumerate(llama)}, "+", "-")),
        ("math-shepherd", "F32", two_tokens(
            "model.embed_tokens.weight", {w: i for i, w in enumerate(mistral)}, "\u2581+", "\u2581-")),
    ]
    result = []
    for layout, kind, (tensors, vocabulary, score) in cases:
        directory = root / layout
        directory.mkdir(parents=True)
        tensors = rounded_tensors(tensors, kind)
        # Two files, as large checkpoints have; one tensor is none of the head's.
        names = list(tensors)
        save(directory / "model-00001-of-00002.safetensors", {n: tensors[n] for n in names[:1]}, kind)
        rest = {n: tensors[n] for n in names[1:]} | {"model.norm.weight": [1.0] * WIDTH}
        save(directory / "model-00002-of-00002.safetensors", rest, kind)
        (directory / "tokenizer.json").write_text(
            json.dumps({"model": {"type": "BPE", "vocab": vocabulary}, "added_tokens": []}), encoding="utf-8")
        hidden = matrix(20, WIDTH)
        result.append({
            "layout": layout, "directory": str(directory), "hidden": hidden,
            "expected": [score(tensors, vector) for vector in hidden]})
    print(json.dumps(result))


if __name__ == "__main__":
    main()
