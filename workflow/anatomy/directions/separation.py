"""How well each candidate separates the two prompt sets, before any intervention."""

import pandas as pd
from jaxtyping import Float64
from torch import Tensor

from anatomy.directions.candidates import Directions


def auroc(positive: Float64[Tensor, "m"], negative: Float64[Tensor, "n"]) -> float:
    """Probability that a random positive exceeds a random negative, ties counted half (Mann-Whitney U / mn)."""
    above = (positive[:, None] > negative[None]).double() + 0.5 * (positive[:, None] == negative[None]).double()
    return above.mean().item()


def cohens_d(positive: Float64[Tensor, "m"], negative: Float64[Tensor, "n"]) -> float:
    """Difference of means over the pooled standard deviation (Cohen 1988, equation 2.5.1); NaN where nothing varies."""
    m, n = len(positive), len(negative)
    if m + n < 3:
        return float("nan")
    squares = (positive - positive.mean()).square().sum() + (negative - negative.mean()).square().sum()
    deviation = (squares / (m + n - 2)).sqrt().item()
    return (positive.mean() - negative.mean()).item() / deviation if deviation > 0 else float("nan")


def separation(
    directions: Directions,
    harmful: Float64[Tensor, "m position layer"],
    harmless: Float64[Tensor, "n position layer"],
) -> pd.DataFrame:
    """Separation of held-out prompts along each candidate: columns ``position, layer, auroc, cohens_d, norm``.

    Args:
        directions: candidates.
        harmful: projections of held-out harmful prompts on them (``activations.projections.project_cells``).
        harmless: the same of harmless prompts.
    """
    norms = directions.norms()
    return pd.DataFrame(
        [
            {
                "position": position,
                "layer": layer,
                "auroc": auroc(harmful[:, p, k], harmless[:, p, k]),
                "cohens_d": cohens_d(harmful[:, p, k], harmless[:, p, k]),
                "norm": norms[p, k].item(),
            }
            for p, position in enumerate(directions.positions)
            for k, layer in enumerate(directions.layers)
        ]
    )
