"""How well each candidate separates the two prompt sets, before any intervention."""

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.shared_prefix import logits_after, prefix_cache, rows_of, split_prefix
from anatomy.models.activations.batching import PromptBatch, batches
from anatomy.models.activations.hooks import reading
from anatomy.models.activations.means import check_finite, check_prompts, gather
from anatomy.models.loading import LoadedModel
from anatomy.statistics.separation import auroc


def cohens_d(positive: Float64[Tensor, " m"], negative: Float64[Tensor, " n"]) -> float:
    """Difference of means over the pooled standard deviation (Cohen 1988, equation 2.5.1); NaN where nothing varies."""
    m, n = len(positive), len(negative)
    if m + n < 3:
        return float("nan")
    squares = (positive - positive.mean()).square().sum() + (negative - negative.mean()).square().sum()
    deviation = (squares / (m + n - 2)).sqrt().item()
    return (positive.mean() - negative.mean()).item() / deviation if deviation > 0 else float("nan")


def separation(
    directions: Directions, harmful: Float64[Tensor, "m position layer"], harmless: Float64[Tensor, "n position layer"]
) -> pd.DataFrame:
    """Separation of held-out prompts along each candidate: columns ``position, layer, auroc, cohens_d, norm``.

    Args:
        directions: candidates.
        harmful: projections of held-out harmful prompts on them (``projections``).
        harmless: the same of harmless prompts.
    """
    norms = directions.norms()
    labels = (torch.arange(len(harmful) + len(harmless)) < len(harmful)).numpy()
    return pd.DataFrame(
        [
            {
                "position": position,
                "layer": layer,
                "auroc": auroc(torch.cat([harmful[:, p, k], harmless[:, p, k]]).numpy(), labels),
                "cohens_d": cohens_d(harmful[:, p, k], harmless[:, p, k]),
                "norm": norms[p, k].item(),
            }
            for p, position in enumerate(directions.positions)
            for k, layer in enumerate(directions.layers)
        ]
    )


@torch.no_grad()
def projections(
    loaded: LoadedModel, prompts: Sequence[Sequence[int]], directions: Directions, token_budget: int
) -> Float64[Tensor, "prompt position layer"]:
    """Projection of each prompt on each cell's direction where it was extracted; what all prompts begin with runs once.

    Raises:
        DataError: an empty set, or a prompt too short for a position.
        NumericsError: NaN or infinity in the stream.
    """
    check_prompts(prompts, directions.positions, None)
    found = torch.zeros(len(prompts), len(directions.positions), len(directions.layers), dtype=torch.float64)
    prefix, rests = split_prefix(loaded, prompts, [-min(directions.positions)] * len(prompts))
    begun = prefix_cache(loaded, prefix, 1)
    for batch in batches(rests, token_budget, loaded.pad_token_id, loaded.device):

        def read(layer: int, activations: Tensor, batch: PromptBatch = batch) -> None:
            own = directions.layers.index(layer)
            stream = gather(activations, batch, directions.positions)
            check_finite(stream, batch, f"layer {layer}", None)
            vectors = directions.vectors[:, own].to(stream)
            found[list(batch.rows), :, own] = torch.einsum("rpd,pd->rp", stream, vectors).cpu()

        with reading(loaded.model, directions.layers, read):
            logits_after(loaded, rows_of(begun, slice(0, 1), len(batch.rows)), len(prefix), batch, 1)
    return found
