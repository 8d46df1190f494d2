"""Covariance-matched control directions without a covariance matrix.

With independent standard normal weights g over n prompts, ``sum_i g_i (x_i - mean) / sqrt(n)`` is a draw from a normal
distribution whose covariance is the sample covariance of the x. So a draw costs one weighted sum in the extraction pass
instead of d_model x d_model numbers a layer.
"""

import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.errors import DataError
from anatomy.interventions.directions.candidates import Directions
from anatomy.models.activations.means import Moments


def gaussian_weights(
    harmful: int, harmless: int, seeds: list[int]
) -> tuple[Float64[Tensor, "harmful seed"], Float64[Tensor, "harmless seed"]]:
    """Weights for ``mean_activations`` of the two sets, one column a draw."""
    total = harmful + harmless
    drawn = [torch.randn(total, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in seeds]
    weights = (torch.stack(drawn, 1) if drawn else torch.zeros(total, 0, dtype=torch.float64)) / total**0.5
    return weights[:harmful], weights[harmful:]


def covariance_draws(
    harmful: Moments,
    harmless: Moments,
    harmful_weights: Float64[Tensor, "harmful seed"],
    harmless_weights: Float64[Tensor, "harmless seed"],
    columns: slice,
) -> list[Directions]:
    """Draws from the covariance within the two sets, pooled by their sizes; not normalised.

    Args:
        harmful: moments extracted with weights whose ``columns`` are ``harmful_weights``.
        harmless: the same of the other set.
        columns: where the weights stand among all weight columns of the pass.

    Raises:
        DataError: the moments hold no weighted sums.
    """
    if harmful.weighted is None or harmless.weighted is None:
        raise DataError(
            found="no weighted sums",
            expected="moments with gaussian weights",
            where="covariance draws",
            remedy="pass gaussian_weights to mean_activations",
        )
    total = torch.zeros_like(harmful.weighted[columns])
    sets = ((harmful.weighted, harmful.mean, harmful_weights), (harmless.weighted, harmless.mean, harmless_weights))
    for weighted, mean, weights in sets:
        total += weighted[columns] - weights.sum(0)[:, None, None, None] * mean
    return [Directions(vectors.float(), harmful.positions, harmful.layers) for vectors in total]
