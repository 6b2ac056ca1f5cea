"""A Llama of a GGUF file with a low-rank adapter over every matrix of its layers: Y = X Wᵀ + s (X Aᵀ) Bᵀ.

The matrices W stay as the file has them, quantization included: the adapter learns to go with what will be served. Its
rotary positions turn neighbours, as the file's rows are arranged for. LoRA: arXiv 2106.09685.
"""

import math

import gguf
import numpy
import torch
from torch.nn import functional

from .tokens import Tokenizer

PARTS = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
# s above: what llama.cpp computes as alpha / rank.
SCALE = 2.0


class Llama(torch.nn.Module):
    """The hidden states of batches of tokens; only the adapter is trained."""

    def __init__(self, path, rank):
        super().__init__()
        reader = gguf.GGUFReader(path)
        self.field = lambda name: reader.fields[name].contents()
        self.blocks, self.heads = self.field("llama.block_count"), self.field("llama.attention.head_count")
        self.groups = self.field("llama.attention.head_count_kv")
        self.epsilon = self.field("llama.attention.layer_norm_rms_epsilon")
        self.tokenize = Tokenizer(self.field("tokenizer.ggml.tokens"), self.field("tokenizer.ggml.merges"))
        self.weights = {
            tensor.name: torch.from_numpy(
                numpy.array(gguf.dequantize(tensor.data, tensor.tensor_type), dtype=numpy.float32))
            for tensor in reader.tensors}
        self.rank = rank
        self.down, self.up = torch.nn.ParameterDict(), torch.nn.ParameterDict()
        for name in (f"blk.{block}.{part}.weight" for block in range(self.blocks) for part in PARTS):
            outputs, inputs = self.weights[name].shape
            self.down[self.key(name)] = torch.nn.Parameter(torch.randn(rank, inputs) / math.sqrt(inputs))
            self.up[self.key(name)] = torch.nn.Parameter(torch.zeros(outputs, rank))

    @staticmethod
    def key(name):
        """A parameter's name may have no dots."""
        return name.replace(".", "/")

    def product(self, states, name):
        low = functional.linear(states, self.down[self.key(name)])
        return functional.linear(states, self.weights[name]) + SCALE * functional.linear(low, self.up[self.key(name)])

    def norm(self, states, name):
        return functional.rms_norm(states, states.shape[-1:], self.weights[name], self.epsilon)

    def forward(self, ids):
        """B × T ids to B × T × width states, ready for `logits`. Rows that end early are filled up at their end."""
        states = self.weights["token_embd.weight"][ids]
        width = states.shape[-1] // self.heads
        frequencies = self.field("llama.rope.freq_base") ** (-torch.arange(0, width, 2).float() / width)
        angles = torch.outer(torch.arange(ids.shape[1]).float(), frequencies)
        turn = (angles.cos(), angles.sin())
        for block in range(self.blocks):
            states = states + self.attention(states, f"blk.{block}.", width, turn)
            inner = self.norm(states, f"blk.{block}.ffn_norm.weight")
            gate = functional.silu(self.product(inner, f"blk.{block}.ffn_gate.weight"))
            inner = gate * self.product(inner, f"blk.{block}.ffn_up.weight")
            states = states + self.product(inner, f"blk.{block}.ffn_down.weight")
        return self.norm(states, "output_norm.weight")

    def attention(self, states, layer, width, turn):
        inner = self.norm(states, layer + "attn_norm.weight")

        def heads(part, count):
            return self.product(inner, f"{layer}{part}.weight").unflatten(-1, (count, width)).transpose(1, 2)

        queries, keys = rotated(heads("attn_q", self.heads), turn), rotated(heads("attn_k", self.groups), turn)
        share = self.heads // self.groups
        mixed = functional.scaled_dot_product_attention(
            queries, keys.repeat_interleave(share, 1), heads("attn_v", self.groups).repeat_interleave(share, 1),
            is_causal=True)
        return self.product(mixed.transpose(1, 2).flatten(-2), layer + "attn_output.weight")

    def logits(self, states):
        return functional.linear(states, self.weights.get("output.weight", self.weights["token_embd.weight"]))

    def save(self, path):
        """Writes the adapter in the form that llama.cpp reads."""
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_string("general.type", "adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", SCALE * self.rank)
        for block in range(self.blocks):
            for name in (f"blk.{block}.{part}.weight" for part in PARTS):
                for kind, values in (("a", self.down), ("b", self.up)):
                    writer.add_tensor(
                        f"{name}.lora_{kind}", values[self.key(name)].detach().numpy().astype(numpy.float16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def rotated(states, turn):
    cosine, sine = turn
    even, odd = states[..., 0::2], states[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).flatten(-2)
