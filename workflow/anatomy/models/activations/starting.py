"""Passes that begin at a block, where the stream that enters it is known already."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.models.activations.hooks import modifying
from anatomy.models.activations.replaced_forward import replaced_forward
from anatomy.models.blocks import Block, decoder_blocks
from anatomy.models.loading import LoadedModel


@contextmanager
def starting_at(model: nn.Module, layer: int, stream: Float[Tensor, "row column d_model"]) -> Iterator[None]:
    """Begin each pass in the ``with`` body at ``layer``, with this stream as the block's input.

    The blocks below pass on what they get, and the block at ``layer`` is given the stream instead. Passes still need token ids of
    the stream's shape, whose values count for nothing.
    """
    with _passed_on(decoder_blocks(model)[:layer]), modifying(model, {("block_input", layer): lambda _: stream}):
        yield


def _passed_on(blocks: Sequence[Block]) -> AbstractContextManager[None]:
    """Make blocks pass their input on."""
    return replaced_forward({block.module: lambda hidden_states, *_args, **_kwargs: hidden_states for block in blocks})


def stream_logits(loaded: LoadedModel, stream: Float[Tensor, "row d_model"]) -> Float[Tensor, "row vocabulary"]:
    """What the final norm and the output head make of a stream, as the architecture has them: scales and caps of logits too."""
    blocks = decoder_blocks(loaded.model)
    rows = stream.to(next(blocks[0].module.parameters()).dtype)[:, None]
    ids = torch.zeros(len(stream), 1, dtype=torch.long, device=loaded.device)
    with _passed_on(blocks), modifying(loaded.model, {("block_input", 0): lambda _: rows}):
        return loaded.model(input_ids=ids, use_cache=False).logits[:, -1]
