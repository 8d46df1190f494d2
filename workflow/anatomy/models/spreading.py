"""A model over several GPUs: blocks lie on all of them, and what passes between blocks on the first.

Whatever reads or changes the residual stream between blocks finds it on one device, as on one GPU; within a block
(``attention_output``, ``mlp_output``) the stream is brought there and back (``anatomy.models.activations.hooks``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from anatomy.models.blocks import decoder_blocks

CACHE = "past_key_values"
"""Argument of a block that stays where it is: each layer's keys and values lie beside that layer."""


def spread(model: nn.Module, gpus: Sequence[torch.device]) -> None:
    """Put a model's blocks on several GPUs, and everything else on the first.

    Args:
        model: a causal language model, in main memory.
        gpus: where to; consecutive blocks lie beside each other.

    Raises:
        ModelError: no blocks are found (``decoder_blocks``).
    """
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    blocks = [block.module for block in decoder_blocks(model)]
    inside = {part for block in blocks for part in block.modules()}
    outside = [part for part in model.modules() if part not in inside]
    sizes = [sum(part.nbytes for part in _own(block.modules())) for block in blocks]
    places = share_out(sizes, sum(part.nbytes for part in _own(outside)), len(gpus))
    for part in outside:
        part._apply(lambda tensor: tensor.to(gpus[0]), recurse=False)
    for block, place in zip(blocks, places, strict=True):
        block.to(gpus[place])
        if place:
            hook = AlignDevicesHook(execution_device=gpus[place], io_same_device=True, skip_keys=[CACHE])
            add_hook_to_module(block, hook)


def share_out(blocks: Sequence[int], rest: int, gpus: int) -> list[int]:
    """On which GPU each block lies, so that each holds about as many bytes: in order, the first one with all that is no block.

    Args:
        blocks: bytes of each block.
        rest: bytes of embeddings, norms and head.
        gpus: how many there are.
    """
    each, before, places = (sum(blocks) + rest) / gpus, rest, []
    for size in blocks:
        places.append(min(gpus - 1, int((before + size / 2) / each)))
        before += size
    return places


def _own(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Weights and buffers of modules, each once."""
    tensors = (part for one in modules for part in (*one.parameters(recurse=False), *one.buffers(recurse=False)))
    return list({id(part): part for part in tensors}.values())
