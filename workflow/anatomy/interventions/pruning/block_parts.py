"""Backward passes through a part of the blocks: the upper ones of every example first, then the lower ones.

Sums of gradients are float32: of weights in two bytes they are twice as large as the model. Summed in two parts, those of the
upper blocks are on disk before those of the lower ones begin. The gradient that enters the upper part is kept for each example,
as large as its stream at one block, and the lower blocks go on from it: no block computes its backward pass twice, and only the
lower ones their forward pass. Sums are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.interventions.pruning.response_loss import response_loss
from anatomy.models.activations.answers import Forced
from anatomy.models.activations.hooks import Change, modifying, reading
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.models.sites import StreamSite

LOWER = 1 / 3
"""Share of the blocks in the lower part. Their forward pass is computed twice; the sums of the others are in memory at once: of
weights in two bytes, weights and sums are then 2 + 2/3 * 4 bytes a weight, where weights and gradients are 4."""


@dataclass(frozen=True)
class Part:
    """Consecutive blocks.

    Attributes:
        first: 0-based, the lowest.
        end: one more than the highest.
    """

    first: int
    end: int


def parts_of(loaded: LoadedModel, matrices: Mapping[str, nn.Parameter], text: Forced) -> list[Part]:
    """Parts in the order of their passes, the upper one first; one where weights are as large as their sums.

    Args:
        text: any example: on it is seen whether upper blocks read anything of lower ones besides the stream (keys and values that
            blocks share). They are one part then.
    """
    layers = loaded.num_layers
    border = max(1, round(layers * LOWER))
    small = all(weight.element_size() < torch.float32.itemsize for weight in matrices.values())
    if not small or layers < 2 or not _stream_alone(loaded, border, text):
        return [Part(0, layers)]
    return [Part(border, layers), Part(0, border)]


def matrices_in(loaded: LoadedModel, matrices: Mapping[str, nn.Parameter], part: Part) -> dict[str, nn.Parameter]:
    """The matrices of a part's blocks."""
    inside = {id(one) for block in decoder_blocks(loaded.model)[part.first : part.end] for one in block.module.parameters()}
    return {name: weight for name, weight in matrices.items() if id(weight) in inside}


def backward(
    loaded: LoadedModel, part: Part, text: Forced, leaving: Float[Tensor, "1 token d_model"] | None
) -> tuple[float | None, Float[Tensor, "1 token d_model"] | None]:
    """Forward pass up to the end of a part, and backward pass to its beginning.

    Args:
        leaving: gradient of the loss by the stream that leaves the part; None for the part that ends with the loss.

    Returns:
        The loss (``response_loss``), None where the part does not reach it; and the gradient by the stream that enters the part,
        None for the lowest.
    """
    entering: list[Tensor] = []

    def cut(stream: Tensor) -> Tensor:
        entering.append(stream.detach().requires_grad_())
        return entering[-1]

    with modifying(loaded.model, {("block_output", part.first - 1): cut} if part.first else {}):
        loss = None
        if leaving is None:
            found = response_loss(loaded, text)
            found.backward()
            loss = float(found.detach())
        else:
            left: list[Any] = []
            with reading(loaded.model, [part.end], lambda _, stream: left.append(stream)):
                response_loss(loaded, text)
            left[0].backward(leaving.to(left[0].device))
    return loss, entering[0].grad.cpu() if entering else None


def _stream_alone(loaded: LoadedModel, border: int, text: Forced) -> bool:
    """Whether nothing but the stream leads from the first block's input to the loss past ``border``."""
    cuts: dict[tuple[StreamSite, int], Change] = {
        ("block_input", 0): lambda stream: stream.detach().requires_grad_(),
        ("block_output", border - 1): lambda stream: stream.detach(),
    }
    learning = [one for one in loaded.model.parameters() if one.requires_grad]
    loaded.model.requires_grad_(False)
    with torch.enable_grad(), modifying(loaded.model, cuts):
        alone = not response_loss(loaded, text).requires_grad
    for one in learning:
        one.requires_grad_(True)
    return alone
