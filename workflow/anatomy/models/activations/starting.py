"""Passes that begin at a block, where the stream that enters it is known already."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float
from torch import Tensor, nn

from anatomy.models.activations.hooks import modifying
from anatomy.models.blocks import decoder_blocks


@contextmanager
def starting_at(model: nn.Module, layer: int, stream: Float[Tensor, "row column d_model"]) -> Iterator[None]:
    """Begin each pass in the ``with`` body at ``layer``, with this stream as the block's input.

    The blocks below pass on what they get, and the block at ``layer`` is given the stream instead. Passes still need token ids of
    the stream's shape, whose values count for nothing.
    """
    skipped = [block.module for block in decoder_blocks(model)[:layer]]
    for module in skipped:
        module.forward = lambda hidden_states, *_args, **_kwargs: hidden_states
    try:
        with modifying(model, {("block_input", layer): lambda _: stream}):
            yield
    finally:
        for module in skipped:
            del module.forward
