"""How well each candidate separates the two prompt sets, before any intervention."""

import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.interventions.directions.candidates import Directions
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
        harmful: projections of held-out harmful prompts on them (``activations.projections.project_cells``).
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
