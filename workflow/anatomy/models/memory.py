"""What a model needs in memory, estimated before any weight is read, and whether this machine has it.

On the CPU, with a random Llama of 206 million parameters (8 x 516 tokens in transformers, 64 x 260 in vLLM), the totals came out
12 to 16 per cent above what was measured, in bfloat16 and float32. On GPUs the formulas have not been measured.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil
from typing import Literal

from anatomy.errors import ModelError
from anatomy.models.machine.memory import Machine, this_machine
from anatomy.models.size import ModelSize

Backend = Literal["transformers", "vllm"]

ITEMSIZE = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}
PACKED = 0.5 + 4 / 64
"""Bytes of a weight in four bits (``anatomy.models.four_bits``): half a one, and the scale in float32 of each 64 weights."""

STEP_TOKENS = 4096
"""Tokens in one forward pass where nothing else is said: the default budget of extraction, and of vLLM's prefill on a CPU."""

OVERHEAD: dict[Backend, int] = {"transformers": 2**27, "vllm": 2**29}
"""Bytes beside weights, cache and activations: allocator slack; vLLM's adapter slots, block tables and sampler."""

GPU_SHARE = 0.92
"""Share of a GPU's memory that vLLM takes (its default ``gpu_memory_utilization``)."""

SWITCH = "ANATOMY_MEMORY_CHECK"
"""Environment variable; ``off`` loads models that are estimated not to fit."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that running a model takes.

    Attributes:
        backend, dtype: what it was estimated for.
        weights: parameters in ``dtype``, and what loading does not cast.
        kv_cache: cached keys and values.
        activations: largest intermediate tensors of one forward pass, with logits in float32.
        overhead: everything else.
    """

    backend: Backend
    dtype: str
    weights: int
    kv_cache: int
    activations: int
    overhead: int

    @property
    def least(self) -> int:
        """What cannot be done without: weights and cache."""
        return self.weights + self.kv_cache

    @property
    def total(self) -> int:
        return self.least + self.activations + self.overhead


def estimate_memory(
    size: ModelSize,
    backend: Backend,
    dtype: str,
    *,
    sequences: int = 1,
    length: int = 512,
    kv_cache_bytes: int | None = None,
    step_tokens: int | None = None,
    in_4bit: bool = False,
) -> MemoryEstimate:
    """Memory of a decoder with grouped-query attention, in bytes; b is the bytes of a number in ``dtype``.

    - weights: ``b * parameters``, plus quantised tensors as stored; in four bits the matrices of blocks at ``PACKED`` bytes;
    - cache: ``2 * layers * kv_heads * head_dim * b`` a token, for ``sequences * length`` tokens. Sliding windows and latent
      attention need less; this is the upper bound;
    - activations: ``step_tokens * (8 * d_model + 4 * intermediate) * b``, the sublayers' inputs, outputs and gates that live at
      once, and ``2 * 4 * sequences * vocabulary`` for last-position logits and their softmax in float32;
    - overhead: a constant of the backend.

    Args:
        sequences: prompts in a batch.
        length: tokens of a prompt and its answer.
        kv_cache_bytes: size of a cache that is reserved whatever the prompts (vLLM on a CPU).
        step_tokens: tokens in one forward pass; None for the whole batch, ``STEP_TOKENS`` at most.
        in_4bit: whether it is rounded to four bits as it is read (``four_bits``).
    """
    itemsize = ITEMSIZE[dtype]
    token = 2 * size.layers * size.kv_heads * size.head_dim * itemsize
    tokens = min(STEP_TOKENS, sequences * length) if step_tokens is None else step_tokens
    packed = size.in_blocks if in_4bit else 0
    wide = tokens * (8 * size.d_model + 4 * size.intermediate) * itemsize
    return MemoryEstimate(
        backend=backend,
        dtype=dtype,
        weights=(size.floating - packed) * itemsize + ceil(packed * PACKED) + size.unconverted,
        kv_cache=sequences * length * token if kv_cache_bytes is None else kv_cache_bytes,
        activations=wide + 8 * sequences * size.vocabulary,
        overhead=OVERHEAD[backend],
    )


def available(machine: Machine, backend: Backend) -> int:
    """Bytes that a model can have: of the GPU where there is one (vLLM takes its share and no more), else of main memory."""
    if machine.gpu is None:
        return machine.free
    return min(machine.gpu_free, int(GPU_SHARE * machine.gpu_total)) if backend == "vllm" else machine.gpu_free


def shortage(
    size: ModelSize, estimate: MemoryEstimate, machine: Machine, where: str, *, need: int | None = None
) -> ModelError | None:
    """The error of a model that does not fit, saying what would; None if it fits.

    Args:
        need: bytes that must be free; the estimate's total if None.
    """
    need, free = estimate.total if need is None else need, available(machine, estimate.backend)
    if need <= free:
        return None
    place = f"on {machine.gpu}" if machine.gpu else "in main memory"
    return ModelError(
        found=f"a model of {say_count(size.parameters)} parameters that would need {say_bytes(need)} in {estimate.dtype} "
        f"({say_bytes(estimate.weights)} of weights); {say_bytes(free)} are free {place}",
        expected=f"at most {say_bytes(free)}",
        where=where,
        remedy=f"{_what_fits(size, estimate, need, free)}; close other programs, or set {SWITCH}=off if you know better",
    )


def _what_fits(size: ModelSize, estimate: MemoryEstimate, need: int, free: int) -> str:
    """In words: a narrower dtype if one fits, else how large a model may be."""
    other = need - estimate.weights
    if ITEMSIZE[estimate.dtype] > ITEMSIZE["bfloat16"]:
        # The cache shrinks with the dtype unless it is reserved in bytes; leaving it as it is errs on the safe side.
        narrow = size.floating * ITEMSIZE["bfloat16"] + size.unconverted + other
        if narrow <= free:
            return f"in bfloat16 it would need {say_bytes(narrow)}, which fits"
        also = f"in bfloat16 it would still need {say_bytes(narrow)}; "
    else:
        also = ""
    room = (free - other) // ITEMSIZE["bfloat16"]
    if room <= 0:
        return f"{also}{say_bytes(other)} of it are no weights: make the cache or the batch smaller, or run where more is free"
    return f"{also}a model of at most {say_count(room)} parameters would fit here in bfloat16"


def require_memory(size: ModelSize, estimate: MemoryEstimate, where: str, *, gpus: int) -> None:
    """Refuse a model whose weights and cache alone cannot fit, before they are read.

    Activations are left out, so that a small job in a tight place is not refused for what it may never need.

    Args:
        gpus: over how many GPUs it is loaded; 0 for main memory.

    Raises:
        ModelError: it does not fit, and the environment does not say ``ANATOMY_MEMORY_CHECK=off``.
    """
    if os.environ.get(SWITCH) == "off":
        return
    if error := shortage(size, estimate, this_machine(gpus), where, need=estimate.least):
        raise error


def say_bytes(count: int) -> str:
    """Bytes for people: ``14.2 GiB``, ``512 MiB``, ``3 KiB``."""
    if count >= 2**30:
        return f"{count / 2**30:.1f} GiB"
    return f"{count / 2**20:.0f} MiB" if count >= 2**20 else f"{count / 2**10:.0f} KiB"


def say_count(count: int) -> str:
    """Parameters for people: ``8.0 billion``, ``206 million``."""
    return f"{count / 1e9:.1f} billion" if count >= 1e9 else f"{count / 1e6:.0f} million" if count >= 1e6 else f"{count:,}"
