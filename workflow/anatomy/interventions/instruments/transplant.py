"""Blocks of one model put into another of the same shape, one at a time: where training from the one to the other acts.

``lost = (m_own - m_swapped) / (m_own - m_base)`` of a metric m, where one block of the trained model has its base's weights. It
is patching of weights rather than of activations: the swap knows nothing of directions, prompts or streams. Shares need not sum
to one, since blocks that were trained together act together. Our own definition.
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
def transplanted(loaded: LoadedModel, base: LoadedModel, layer: int) -> Iterator[None]:
    """The model with one block's weights as its base has them; its own are back at the end.

    Raises:
        ModelError: a layer that the models do not have, or a block of another shape.
    """
    ours, theirs = decoder_blocks(loaded.model), decoder_blocks(base.model)
    if not 0 <= layer < min(len(ours), len(theirs)):
        raise ModelError(
            found=f"layer {layer}",
            expected=f"layers 0 to {min(len(ours), len(theirs)) - 1}",
            where=str(loaded.folder),
            remedy="correct the layer whose block is to be exchanged",
        )
    named = dict(theirs[layer].module.named_parameters())
    pairs = [(one, named.get(name)) for name, one in ours[layer].module.named_parameters()]
    if any(other is None or other.shape != one.shape for one, other in pairs) or len(named) != len(pairs):
        raise ModelError(
            found=f"block {layer} of another shape",
            expected="the same matrices in both",
            where=f"{loaded.folder} and {base.folder}",
            remedy="name the base that the model was trained from",
        )
    kept = [one.data for one, _ in pairs]
    try:
        for one, other in pairs:
            assert other is not None
            one.data = other.data.to(one)
        yield
    finally:
        for (one, _), data in zip(pairs, kept, strict=True):
            one.data = data


def transplants(
    loaded: LoadedModel,
    base: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    ids: Sequence[str],
    metric: RefusalMetric,
    token_budget: int,
) -> pd.DataFrame:
    """Metric at the last token of each prompt with each block as the base has it.

    Returns:
        Columns ``id, layer, own, base, swapped, lost``; ``lost`` is missing where model and base have the same metric.
    """
    own, theirs = (_metrics(model, token_ids, metric, token_budget) for model in (loaded, base))
    gap, parts = own - theirs, []
    for layer in range(loaded.num_layers):
        with transplanted(loaded, base, layer):
            swapped = _metrics(loaded, token_ids, metric, token_budget)
        lost = torch.where(gap != 0, (own - swapped) / torch.where(gap != 0, gap, 1.0), torch.nan)
        rows = {"id": list(ids), "own": own.numpy(), "base": theirs.numpy(), "swapped": swapped.numpy(), "lost": lost.numpy()}
        parts.append(pd.DataFrame(rows).assign(layer=layer))
    return pd.concat(parts, ignore_index=True)[["id", "layer", "own", "base", "swapped", "lost"]]


@torch.no_grad()
def _metrics(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], metric: RefusalMetric, budget: int
) -> Float64[Tensor, " prompt"]:
    found = torch.empty(len(token_ids), dtype=torch.float64)
    for batch in batches(token_ids, budget, loaded.pad_token_id, loaded.device):
        found[list(batch.rows)] = metric(loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1])
    return found
