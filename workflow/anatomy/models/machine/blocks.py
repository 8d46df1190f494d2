"""Blocks of random numbers in a model's shape and format, and the rate at which this machine passes tokens through them.

Run as a program, it answers one question of ``anatomy.models.machine.rate`` from standard input.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from anatomy.models.machine.rate import BlockShape, Rate, Rates

PROMPT, PROMPTS, CONTEXT = 32, 16, 64
"""Tokens of a prompt, prompts read at once, and tokens that a decoding step finds in the cache."""

SEQUENCES = 64
"""Sequences of the larger decoding step."""

FROM_MEMORY = 96 * 2**20
"""Bytes of weights that a decoding step passes at most: more than caches hold, so that memory is what is measured."""

PATIENCE = 0.1
"""Seconds from which one pass is long enough to be told, and is not made larger."""


def measure(shape: BlockShape, dtype: str, threads: int = 1) -> Rates:
    """Measure in this process; its number of threads is as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            plain, packed = (Blocks(shape.measurable(), getattr(torch, dtype), packed) for packed in (False, True))
            rate = _measured(plain, threads)
            return Rates(rate, _measured(packed, threads) if packed.packed else rate)
    finally:
        torch.set_num_threads(before)


def _measured(blocks: Blocks, threads: int) -> Rate:
    one = blocks.shape.parameters
    prompts = max(1, min(PROMPTS, int(PATIENCE / quickest(partial(blocks.read, 1), threads, 0.0))))
    reading = 2 * one * prompts * PROMPT / quickest(partial(blocks.read, prompts), threads)
    step = quickest(partial(blocks.decode, 1), threads) / blocks.count
    few = step * SEQUENCES > 2 * PATIENCE  # a format so slow that one sequence tells it all
    sequences = 4 if few else SEQUENCES
    more = quickest(partial(blocks.decode, sequences), threads) / blocks.count
    return Rate(reading, step / one, max(0.0, more - step) / (sequences - 1) / one)


def quickest(call: Callable[[], object], threads: int, patience: float = PATIENCE) -> float:
    """Seconds of the quickest call: of at least three, of more if calls are short, of a single one if it takes long. The first
    call prepares kernels, and others are slowed by whatever shares the caches.

    Processor time, divided by the threads: what else runs on the machine at the moment is no part of its rate.
    """
    times: list[float] = []
    while len(times) < 3 or sum(times) < patience:
        if sum(times) > 2 * PATIENCE:
            break
        started = time.process_time()
        call()
        times.append((time.process_time() - started) / threads)
    return min(times)


class Blocks:
    """Blocks of a decoder with random weights; as many as the shape has, or as are larger than caches."""

    def __init__(self, shape: BlockShape, dtype: object, packed: bool) -> None:
        import torch

        self.shape, self.dtype = shape, dtype
        itemsize = torch.zeros((), dtype=dtype).element_size()
        self.count = max(1, min(shape.layers, FROM_MEMORY // (shape.parameters * itemsize)))
        d, f, kv = shape.d_model, shape.intermediate, shape.d_model // shape.heads * shape.kv_heads
        sizes = {"q": (d, d), "k": (kv, d), "v": (kv, d), "o": (d, d), "gate": (f, d), "up": (f, d), "down": (d, f)}
        self.weights = [{name: torch.full(size, 0.01, dtype=dtype) for name, size in sizes.items()} for _ in range(self.count)]
        self.packed = packed and self._pack()

    def _pack(self) -> bool:
        """Pack weights as oneDNN wants them; whether this torch and processor can, in this format."""
        import torch

        try:
            self.weights = [
                {name: torch.ops.mkldnn._reorder_linear_weight(matrix, SEQUENCES) for name, matrix in block.items()}
                for block in self.weights
            ]
        except (AttributeError, RuntimeError):
            return False
        return True

    def read(self, prompts: int) -> None:
        """Prompts through the first block."""
        import torch

        self._block(self.weights[0], torch.ones(prompts, PROMPT, self.shape.d_model, dtype=self.dtype), None)

    def decode(self, sequences: int) -> None:
        """One token of each sequence through all blocks, behind ``CONTEXT`` cached ones."""
        import torch

        x = torch.ones(sequences, 1, self.shape.d_model, dtype=self.dtype)
        head = self.shape.d_model // self.shape.heads
        past = torch.ones(sequences, self.shape.kv_heads, CONTEXT, head, dtype=self.dtype)
        for weights in self.weights:
            x = self._block(weights, x, past)

    def _block(self, weights: dict[str, Any], x: Any, past: Any) -> Any:
        import torch
        from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

        def linear(x: Any, matrix: Any) -> Any:
            return (
                torch.ops.mkldnn._linear_pointwise(x, matrix, None, "none", [], "")
                if self.packed
                else torch.nn.functional.linear(x, matrix)
            )

        rows, columns, width = x.shape
        head = width // self.shape.heads
        normed = rms_norm(x, (width,))
        q, k, v = (linear(normed, weights[name]).view(rows, columns, -1, head).transpose(1, 2) for name in "qkv")
        q, k = (torch.cat([-one[..., head // 2 :], one[..., : head // 2]], -1) * 0.5 + one * 0.5 for one in (q, k))  # rotary
        if past is not None and self.packed:  # vLLM writes into its cache, where transformers copies it with every token
            k = v = past
        elif past is not None:
            k, v = torch.cat([past, k], 2), torch.cat([past, v], 2)
        mixed = scaled_dot_product_attention(q, k, v, is_causal=past is None, enable_gqa=True)
        x = x + linear(mixed.transpose(1, 2).reshape(rows, columns, width), weights["o"])
        normed = rms_norm(x, (width,))
        return x + linear(silu(linear(normed, weights["gate"])) * linear(normed, weights["up"]), weights["down"])


def main() -> int:
    """Answer one question from standard input."""
    asked = json.load(sys.stdin)
    print(json.dumps(asdict(measure(BlockShape(**asked["shape"]), asked["dtype"], asked["threads"]))))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
