"""Projections of the residual stream onto directions, prompt by prompt."""

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.activations.hooks import reading
from anatomy.models.activations.means import check_finite, check_prompts, gather
from anatomy.models.loading import LoadedModel


@torch.no_grad()
def project_cells(
    loaded: LoadedModel,
    token_ids: Sequence[Sequence[int]],
    directions: Float[Tensor, "position layer d_model"],
    positions: Sequence[int],
    layers: Sequence[int],
    *,
    token_budget: int,
    ids: Sequence[str] | None = None,
) -> Float64[Tensor, "prompt position layer"]:
    """Dot product of each prompt's block input at (position, layer) with that cell's own direction.

    Raises: as ``mean_activations``.
    """
    check_prompts(token_ids, positions, ids)
    found = torch.zeros(len(token_ids), len(positions), len(layers), dtype=torch.float64)
    vectors = directions.to(loaded.device, torch.float64)
    slot = {layer: index for index, layer in enumerate(layers)}
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):

        def read(layer: int, activations: Tensor, batch: PromptBatch = batch) -> None:
            x = gather(activations, batch, positions)
            check_finite(x, batch, f"layer {layer}", ids)
            cell = torch.einsum("rpd,pd->rp", x, vectors[:, slot[layer]])
            found[list(batch.rows), :, slot[layer]] = cell.cpu()

        with reading(loaded.model, layers, read):
            loaded.model.base_model(**batch.inputs(), use_cache=False)
    return found


def project(
    loaded: LoadedModel,
    ids: Sequence[str],
    token_ids: Sequence[Sequence[int]],
    direction: Float[Tensor, " d_model"],
    *,
    position: int,
    layers: Sequence[int],
    token_budget: int,
) -> pd.DataFrame:
    """Projection of block inputs at one position onto one direction: columns ``id, layer, projection``.

    Raises: as ``mean_activations``.
    """
    stacked = direction.expand(1, len(layers), -1)
    values = project_cells(loaded, token_ids, stacked, [position], layers, token_budget=token_budget, ids=ids)
    return pd.DataFrame(
        {
            "id": [name for name in ids for _ in layers],
            "layer": [layer for _ in ids for layer in layers],
            "projection": values[:, 0].flatten().numpy(),
        }
    )
