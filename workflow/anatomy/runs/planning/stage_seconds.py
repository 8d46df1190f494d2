"""How long the tokens of a stage take at a rate."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log

from anatomy.costs.stage_work import Backend, StageWork
from anatomy.models.machine.rate import BlockShape, Rate
from anatomy.models.size import ModelSize

HARNESS_SECONDS, ITEM_SECONDS = 3.0, 0.002
"""lm-eval's imports and reading of benchmarks, and building the requests and rows of an item for one variant."""

ENGINE_BATCH = 256
"""Sequences that vLLM decodes in one step on a CPU, unless told otherwise."""

PASS_SECONDS: Mapping[Backend, tuple[float, float]] = {"transformers": (0.001, 0.0003), "vllm": (0.004, 0.0002)}
"""Python's part of a forward pass, and of each block in it: what a tiny model's decoding steps and screens mostly are."""

TOKEN_SECONDS: Mapping[Backend, float] = {"transformers": 0.0, "vllm": 7e-5}
"""Of a written token beside its arithmetic: vLLM's scheduler, sampler and adapters, one request after the other."""

LOGIT_SECONDS = 2e-8
"""Of a logit that is not only computed but read: softmax and divergences in float64."""


def stage_seconds(stage: StageWork, size: ModelSize, rate: Rate, answer: float, *, python: bool = True) -> float:
    """Seconds of a stage's tokens.

    Prompts pass the blocks, each decoding step blocks and output head. transformers decodes a batch until its longest answer
    ends; vLLM fills the place of one that ended.

    Args:
        answer: mean tokens of an answer that no limit ends.
        python: count the interpreter's part of each step.
    """
    head = size.vocabulary * size.d_model
    body = max(size.parameters - tables(size) * head, 1)
    seconds = 2 * body * stage.read / rate.reading
    seconds += stage.predictions * (2 * head / rate.reading + size.vocabulary * LOGIT_SECONDS * python)
    if stage.items:
        seconds += HARNESS_SECONDS + ITEM_SECONDS * stage.items
    once, block = PASS_SECONDS[stage.backend] if python else (0.0, 0.0)
    seconds += stage.passes * (once + block * size.layers)
    if not stage.answers or not stage.written:
        return seconds
    limit = stage.written / stage.answers
    mean = answer * (1 - exp(-limit / answer))  # of lengths that end at a constant rate, cut at the limit
    if stage.backend == "vllm":
        together = float(min(stage.answers, ENGINE_BATCH))
        steps = stage.answers * mean / together
    else:
        together = stage.answers / max(1, stage.batches)
        longest = min(limit, answer * (log(together + 1) + 0.6))
        steps = max(1, stage.batches) * longest
    each = TOKEN_SECONDS[stage.backend] * together if python else 0.0
    return seconds + steps * ((body + head) * rate.decoding(together) + once + block * size.layers + each)


def tables(size: ModelSize) -> int:
    """Tables of the vocabulary among a model's parameters: 1 where the output head is the embedding, else 2."""
    head, blocks = size.vocabulary * size.d_model, size.layers * block_shape(size).parameters
    return min((1, 2), key=lambda count: abs(size.parameters - count * head - blocks))


def block_shape(size: ModelSize) -> BlockShape:
    """The shape of a model's blocks."""
    heads = max(1, size.d_model // size.head_dim)
    return BlockShape(size.d_model, size.intermediate, heads, min(size.kv_heads, heads), size.layers)
