"""Blocks of a model exchanged for those of its base: where training from the one to the other acts.

``share = (m_own - m_exchanged) / (m_own - m_base)`` of a metric m, where some blocks of the trained model have its base's
weights. It is patching of weights rather than of activations: the exchange knows nothing of directions, pairs or streams. One
block alone may take away nothing where others do the same, so that blocks are exchanged one after the other, from the first
on and from the last on; what a block takes away is the mean of its two steps (Shapley 1953, over two of the orders). Over all
blocks it sums to the share that blocks carry, the rest lying in embedding, final norm and head. A prompt on which both models
agree has a share of any size, so that shares of several prompts are ratios of sums, and never means of ratios.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.models.activations.batching import batches
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel


@contextmanager
def transplanted(loaded: LoadedModel, base: LoadedModel, layers: Sequence[int]) -> Iterator[None]:
    """The model with some blocks' weights as its base has them; its own are back at the end.

    Raises:
        ModelError: a layer that the models do not have, or a block of another shape.
    """
    pairs = [pair for layer in layers for pair in _parameters(loaded, base, layer)]
    kept = [one.data for one, _ in pairs]
    try:
        for one, other in pairs:
            one.data = other.data.to(one)
        yield
    finally:
        for (one, _), data in zip(pairs, kept, strict=True):
            one.data = data


def _parameters(loaded: LoadedModel, base: LoadedModel, layer: int) -> list[tuple[Tensor, Tensor]]:
    """Parameters of a block beside its base's."""
    ours, theirs = decoder_blocks(loaded.model), decoder_blocks(base.model)
    if not 0 <= layer < min(len(ours), len(theirs)):
        raise ModelError(
            found=f"layer {layer}",
            expected=f"layers 0 to {min(len(ours), len(theirs)) - 1}",
            where=str(loaded.folder),
            remedy="correct the layer whose block is to be exchanged",
        )
    own, named = (dict(blocks[layer].module.named_parameters()) for blocks in (ours, theirs))
    if {name: one.shape for name, one in own.items()} != {name: one.shape for name, one in named.items()}:
        raise ModelError(
            found=f"block {layer} of another shape",
            expected="the same matrices in both",
            where=f"{loaded.folder} and {base.folder}",
            remedy="name the base that the model was trained from",
        )
    return [(one, named[name]) for name, one in own.items()]


def transplants(
    loaded: LoadedModel,
    base: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    ids: Sequence[str],
    metric: RefusalMetric,
    token_budget: int,
) -> pd.DataFrame:
    """What each block takes away of the metric at the last token of each prompt, where it is exchanged for the base's.

    Returns:
        Columns ``id, layer, own, base, upwards, downwards, taken, lost``: ``upwards`` and ``downwards`` are the metric with this
        block and all before it, or all after it, as the base has them; ``taken`` is the mean of the block's two steps, and
        ``lost`` its share of ``own - base``, missing where that is 0.
    """
    own, theirs = (_metrics(model, token_ids, metric, token_budget) for model in (loaded, base))
    gap, count = own - theirs, loaded.num_layers
    upwards: list[Tensor] = []
    downwards: list[Tensor] = []
    for layer in range(count):
        for found, layers in ((upwards, range(layer + 1)), (downwards, range(layer, count))):
            with transplanted(loaded, base, layers):
                found.append(_metrics(loaded, token_ids, metric, token_budget))
    up, down = torch.stack([own, *upwards]), torch.stack([*downwards, own])
    steps = (up[:-1] - up[1:] + down[1:] - down[:-1]) / 2
    shares = torch.where(gap != 0, steps / torch.where(gap != 0, gap, 1.0), torch.nan)
    parts = []
    for layer in range(count):
        rows = {"id": list(ids), "own": own, "base": theirs, "upwards": up[layer + 1], "downwards": down[layer]}
        parts.append(pd.DataFrame({**rows, "taken": steps[layer], "lost": shares[layer]}).assign(layer=layer))
    return pd.concat(parts, ignore_index=True)[["id", "layer", "own", "base", "upwards", "downwards", "taken", "lost"]]


@torch.no_grad()
def _metrics(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], metric: RefusalMetric, budget: int
) -> Float64[Tensor, " prompt"]:
    found = torch.empty(len(token_ids), dtype=torch.float64)
    for batch in batches(token_ids, budget, loaded.pad_token_id, loaded.device):
        found[list(batch.rows)] = metric(loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1])
    return found
