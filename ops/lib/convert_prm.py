"""Reads a process reward model's head out of a safetensors checkpoint and writes it in the format GBHEAD1.

Two-token models need no head of their own: the difference of two rows of the output matrix is one, since the softmax
over two logits is the sigmoid of their difference.
"""

import argparse
import array
import base64
import hashlib
import json
import pathlib
import struct
import sys

LAYOUTS = ("skywork", "qwen-prm", "rlhflow", "math-shepherd")


class Refusal(Exception):
    """What is wrong with a checkpoint, in one sentence."""


class Checkpoint:
    """The tensors of all safetensors files of a directory, read one by one."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.places = {}
        for path in sorted(self.directory.glob("*.safetensors")):
            with open(path, "rb") as file:
                start = file.read(8)
                if len(start) != 8:
                    raise Refusal(f"{path} is no safetensors file")
                size = struct.unpack("<Q", start)[0]
                if size > 100 << 20:
                    raise Refusal(f"{path}: its header is too long")
                try:
                    header = json.loads(file.read(size))
                except ValueError as error:
                    raise Refusal(f"{path}: its header is no JSON") from error
            for name, entry in header.items():
                if name != "__metadata__":
                    self.places[name] = (path, 8 + size, entry)
        if not self.places:
            raise Refusal(f"{directory} has no safetensors files")

    def __contains__(self, name):
        return name in self.places

    def shape(self, name):
        return self.places[name][2]["shape"]

    def floats(self, name, rows=None):
        """A tensor as 32-bit floats; `rows` picks some of a matrix."""
        path, start, entry = self.places[name]
        begin, end = entry["data_offsets"]
        kind, shape = entry["dtype"], entry["shape"]
        size = {"F32": 4, "F16": 2, "BF16": 2}.get(kind)
        if size is None:
            raise Refusal(f"{name} is of type {kind}, not F32, F16 or BF16")
        spans = [(begin, end)]
        if rows is not None:
            width = size * shape[1]
            if any(not 0 <= row < shape[0] for row in rows):
                raise Refusal(f"{name} has no row {max(rows)}")
            spans = [(begin + row * width, begin + (row + 1) * width) for row in rows]
        values = array.array("f")
        with open(path, "rb") as file:
            for first, last in spans:
                file.seek(start + first)
                data = file.read(last - first)
                if len(data) != last - first:
                    raise Refusal(f"{path} ends within {name}")
                values.extend(decoded(data, kind))
        return values


def decoded(data, kind):
    if kind == "F32":
        values = array.array("f", data)
        if sys.byteorder == "big":
            values.byteswap()
        return values
    if kind == "F16":
        return array.array("f", struct.unpack(f"<{len(data) // 2}e", data))
    wide = bytearray(2 * len(data))
    wide[2::4] = data[0::2]
    wide[3::4] = data[1::2]
    return array.array("f", struct.unpack(f"<{len(data) // 2}f", bytes(wide)))


def halves(values):
    """bfloat16, to the nearest."""
    words = struct.unpack(f"<{len(values)}I", struct.pack(f"<{len(values)}f", *values))
    rounded = [(word + 0x7FFF + (word >> 16 & 1)) >> 16 & 0xFFFF for word in words]
    return struct.pack(f"<{len(rounded)}H", *rounded)


def text_of(values):
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


class Vocabulary:
    """Ids of tokens, from tokenizer.json."""

    def __init__(self, directory):
        path = directory / "tokenizer.json"
        if not path.is_file():
            raise Refusal(f"{path} is missing: the layout needs the ids of some tokens")
        tokenizer = json.loads(path.read_text(encoding="utf-8"))
        vocabulary = tokenizer.get("model", {}).get("vocab", {})
        if not isinstance(vocabulary, dict):
            vocabulary = {entry[0]: index for index, entry in enumerate(vocabulary)}
        self.ids = dict(vocabulary)
        for token in tokenizer.get("added_tokens", []):
            self.ids[token["content"]] = token["id"]

    def id(self, *names):
        for name in names:
            if name in self.ids:
                return self.ids[name]
        raise Refusal(f"tokenizer.json has no token {names[0]!r}")


def layout_of(checkpoint, directory):
    if any(name.startswith("v_head.") for name in checkpoint.places):
        return "skywork"
    if "score.0.weight" in checkpoint and "score.2.weight" in checkpoint:
        return "qwen-prm"
    vocabulary = Vocabulary(directory)
    return "rlhflow" if "<|start_header_id|>" in vocabulary.ids else "math-shepherd"


def skywork(checkpoint, _):
    for prefix in ("v_head.summary", "v_head"):
        if f"{prefix}.weight" in checkpoint:
            weights = checkpoint.floats(f"{prefix}.weight")
            bias = checkpoint.floats(f"{prefix}.bias")[0] if f"{prefix}.bias" in checkpoint else 0.0
            return {"kind": "linear", "weights": text_of(weights), "bias": float(bias)}, len(weights)
    raise Refusal("the checkpoint has no v_head.summary.weight")


def qwen_prm(checkpoint, directory):
    units, width = checkpoint.shape("score.0.weight")
    if checkpoint.shape("score.2.weight") != [2, units]:
        raise Refusal("score.2.weight is not of two rows as long as score.0.weight has")
    last = checkpoint.floats("score.2.weight")
    bias = checkpoint.floats("score.2.bias")
    head = {
        "kind": "mlp",
        "layer": base64.b64encode(halves(checkpoint.floats("score.0.weight"))).decode(),
        "layer_bias": text_of(checkpoint.floats("score.0.bias")),
        # The second of two classes is "good": softmax over two is the sigmoid of the difference.
        "weights": text_of([good - bad for bad, good in zip(last[:units], last[units:])]),
        "bias": float(bias[1] - bias[0]),
        "frame": {"marker": [Vocabulary(directory).id("<extra_0>")]},
    }
    return head, width


def two_tokens(checkpoint, good, bad, frame):
    name = "lm_head.weight" if "lm_head.weight" in checkpoint else "model.embed_tokens.weight"
    if name not in checkpoint:
        raise Refusal("the checkpoint has neither lm_head.weight nor model.embed_tokens.weight")
    width = checkpoint.shape(name)[1]
    rows = checkpoint.floats(name, [good, bad])
    weights = [a - b for a, b in zip(rows[:width], rows[width:])]
    return {"kind": "linear", "weights": text_of(weights), "bias": 0.0, "frame": frame}, width


def rlhflow(checkpoint, directory):
    """Every step is a turn of the user's, and "+" or "-" the answer to it."""
    ids = Vocabulary(directory).id
    start, end, break_, over = (
        ids("<|start_header_id|>"), ids("<|end_header_id|>"), ids("\u010a\u010a"), ids("<|eot_id|>"))
    user, assistant, good, bad = ids("user"), ids("assistant"), ids("+"), ids("-")
    frame = {
        "before": [ids("<|begin_of_text|>"), start, user, end, break_],
        "behind_question": " ",
        "marker": [over, start, assistant, end, break_],
        "between": [good, over, start, user, end, break_],
    }
    return two_tokens(checkpoint, good, bad, frame)


def math_shepherd(checkpoint, directory):
    ids = Vocabulary(directory).id
    frame = {"before": [ids("<s>")], "behind_question": " ", "marker": [ids("\u2581\u043a\u0438", "\u043a\u0438")]}
    return two_tokens(checkpoint, ids("\u2581+", "+"), ids("\u2581-", "-"), frame)


def digest(path):
    total = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(4 << 20):
            total.update(piece)
    return total.hexdigest()


def main():
    parser = argparse.ArgumentParser(prog="convert-prm", description="Makes a head file of a published reward model.")
    parser.add_argument("checkpoint", type=pathlib.Path, help="directory with safetensors files")
    parser.add_argument("backbone", type=pathlib.Path, help="the same model as a GGUF file")
    parser.add_argument("out", type=pathlib.Path, help="head file to write")
    parser.add_argument("--layout", choices=LAYOUTS, help="told by the tensors if not given")
    arguments = parser.parse_args()
    try:
        checkpoint = Checkpoint(arguments.checkpoint)
        layout = arguments.layout or layout_of(checkpoint, arguments.checkpoint)
        make = {"skywork": skywork, "qwen-prm": qwen_prm, "rlhflow": rlhflow, "math-shepherd": math_shepherd}[layout]
        head, width = make(checkpoint, arguments.checkpoint)
        base = digest(arguments.backbone)
    except (Refusal, KeyError, OSError) as error:
        sys.exit(f"convert-prm: {error}")
    head |= {
        "format": "GBHEAD1", "base_sha256": base, "n_embd": width, "mean": text_of([0.0] * width),
        "scale": text_of([1.0] * width), "calibration": [], "metrics": {}, "seed": 0,
    }
    arguments.out.write_text(json.dumps(head, sort_keys=True), encoding="utf-8")
    print(f"{layout} head of width {width} written to {arguments.out}; calibrate it with gboost prm calibrate")


if __name__ == "__main__":
    main()
