"""usage: train.py --model MODEL.gguf --data SUMS.jsonl --out ADAPTER.gguf [--steps N] [--seed N]

SUMS are questions as `gboost prm sample-data --sums --long` writes them; the answers, one addition a line, are worked
out here. Learns from the answers' tokens alone. The same seed gives the same adapter on the same machine.
"""

import argparse
import json
import math
import os
import random
import re
import time

import torch
from torch.nn import functional

from .llama import Llama

RATE, WARM_UP = 1e-3, 20
# Tokens of a batch, padding included.
BATCH = 1024
RANK = 16


def conversation(row):
    """A question as the model's chat template puts it, and its answer."""
    text = "".join(f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n"
                   for message in [*row["context"], {"role": "user", "content": row["question"]}])
    numbers = [int(number) for number in re.findall(r"\d+", row["question"])]
    total, lines = numbers[0], []
    for number in numbers[1:]:
        lines.append(f"{total} + {number} = {total + number}")
        total += number
    return text + "<|im_start|>assistant\n", "\n".join([*lines, f"Answer: {total}"]) + "<|im_end|>"


class Batches:
    """As many rows as fit, of random problems; and for each token that is learned from the one that comes next."""

    def __init__(self, rows, tokenize, seed):
        self.rows = [tuple(tokenize(part) for part in conversation(row)) for row in rows]
        self.dice = random.Random(seed)

    def next(self):
        chosen, longest = [], 0
        while True:
            row = self.dice.choice(self.rows)
            longest = max(longest, sum(map(len, row)))
            if chosen and (len(chosen) + 1) * longest > BATCH:
                return self.tensors(chosen)
            chosen.append(row)

    @staticmethod
    def tensors(rows):
        longest = max(len(prompt) + len(answer) for prompt, answer in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        following = torch.full((len(rows), longest), -1)
        for place, (prompt, answer) in enumerate(rows):
            ids[place, :len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            following[place, len(prompt) - 1:len(prompt) + len(answer) - 1] = torch.tensor(answer)
        return ids, following


def loss_of(model, batch):
    ids, following = batch
    learned = following >= 0
    return functional.cross_entropy(model.logits(model(ids)[learned]), following[learned])


def train(model, batches, steps):
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.98), weight_decay=0)
    start, mean = time.monotonic(), None
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, step / WARM_UP) * (0.05 + 0.475 * (1 + math.cos(math.pi * step / steps)))
        loss = loss_of(model, batches.next())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        mean = loss.item() if mean is None else 0.9 * mean + 0.1 * loss.item()
        if step % 20 == 0 or step == steps:
            print(f"==> adapter: step {step} of {steps}, loss {mean:.4f}, {time.monotonic() - start:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    with open(options.data, encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    model = Llama(options.model, RANK)
    train(model, Batches(rows, model.tokenize, options.seed), options.steps)
    model.save(options.out + ".part")
    os.replace(options.out + ".part", options.out)


if __name__ == "__main__":
    main()
