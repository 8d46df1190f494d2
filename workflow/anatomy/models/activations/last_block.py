"""The last block computed only where somebody reads what comes out of it.

Every token's keys and values are needed, because others look at them; but the query, the attention's output projection and
the MLP of the last block serve their own token alone, and most tokens of a scoring pass are never asked for their logits.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from anatomy.models.activations.replaced_forward import replaced_forward
from anatomy.models.blocks import decoder_blocks
from anatomy.models.matrix_names import ATTENTION_WRITES

PER_TOKEN = ("q_proj", *ATTENTION_WRITES)
"""Matrices of an attention sublayer that serve a token's own output; fused ones hold keys and values too and stay whole."""


@contextmanager
def last_block_at(model: nn.Module, wanted: Bool[Tensor, "row column"]) -> Iterator[None]:
    """Leave out of the last block what serves only tokens that are not ``wanted``; what it gives for those means nothing.

    Hooks on the modules see all tokens, zeros where nothing was computed. Wanted tokens get the same numbers up to the rounding
    of matrix products with fewer rows.

    Args:
        model: a causal language model; each pass in the ``with`` body must have the shape of ``wanted``.
        wanted: true at tokens whose output of the block is read.
    """
    if wanted.all():
        yield
        return
    block, places = decoder_blocks(model)[-1], wanted.flatten().nonzero()[:, 0]
    narrowed = [getattr(block.attention, name) for name in PER_TOKEN if hasattr(block.attention, name)] + [block.mlp]
    with replaced_forward({module: _at(places, module.forward) for module in narrowed}):
        yield


def last_columns(like: Tensor, keep: int) -> Bool[Tensor, "row column"]:
    """The last ``keep`` columns of each row."""
    wanted = torch.zeros(like.shape[:2], dtype=torch.bool, device=like.device)
    wanted[:, -keep:] = True
    return wanted


def _at(places: Tensor, forward: Callable) -> Callable:
    def run(x: Tensor, *args: object, **kwargs: object) -> object:
        here = places.to(x.device)
        output = forward(x.flatten(0, 1)[here][None], *args, **kwargs)
        first = output[0] if isinstance(output, tuple) else output
        whole = first.new_zeros(x.shape[0] * x.shape[1], first.shape[-1])
        whole[here] = first.flatten(0, -2)
        whole = whole.view(*x.shape[:2], -1)
        return (whole, *output[1:]) if isinstance(output, tuple) else whole

    return run
