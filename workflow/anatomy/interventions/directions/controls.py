"""Directions that carry no harm: isotropic and shuffled-label, each from its own seed (see also ``covariance_draws``)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from anatomy.errors import DataError
from anatomy.interventions.directions.candidates import Directions, unit_vector
from anatomy.models.activations.means import Moments


def isotropic(d_model: int, seed: int) -> Float32[Tensor, " d_model"]:
    """A unit vector drawn uniformly from the sphere."""
    drawn = torch.randn(d_model, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return unit_vector(drawn, f"isotropic control, seed {seed}")


def relabelling_weights(
    harmful: int, harmless: int, seeds: Sequence[int], balanced: bool
) -> tuple[Float64[Tensor, "harmful seed"], Float64[Tensor, "harmless seed"]]:
    """Weights whose weighted sum of activations is the difference in means under shuffled labels.

    Prompts keep their activations and swap labels at random; the groups keep their sizes. ``balanced`` draws each new
    group with the true classes in proportion (to within one prompt), so that chance imbalance leaves no harm in the
    control; a plain permutation keeps a share of it.

    Args:
        harmful: number of harmful prompts.
        harmless: number of harmless prompts.
        seeds: one relabelling each.
        balanced: see above.

    Returns:
        Weights for ``mean_activations`` of the harmful and of the harmless set.
    """
    columns = [_relabelled(harmful, harmless, seed, balanced) for seed in seeds]
    signs = torch.stack(columns, 1)
    weights = torch.where(signs, 1.0 / harmful, -1.0 / harmless).double()
    return weights[:harmful], weights[harmful:]


def shuffled_label(harmful: Moments, harmless: Moments) -> list[Directions]:
    """Differences in means under the relabellings that both sets were extracted with, not normalised.

    Raises:
        DataError: the moments hold no weighted sums, or not the same places.
    """
    if harmful.weighted is None or harmless.weighted is None or harmful.weighted.shape != harmless.weighted.shape:
        raise DataError(
            found="no weighted sums of the same shape on both sides",
            expected="moments with relabelling weights",
            where="shuffled-label controls",
            remedy="pass relabelling_weights to mean_activations",
        )
    both = (harmful.weighted + harmless.weighted).float()
    return [Directions(vectors, harmful.positions, harmful.layers) for vectors in both]


def _relabelled(harmful: int, harmless: int, seed: int, balanced: bool) -> Tensor:
    """For each prompt, harmful ones first, whether it is called harmful."""
    generator = torch.Generator().manual_seed(seed)
    total = harmful + harmless
    called = torch.zeros(total, dtype=torch.bool)
    if not balanced:
        called[torch.randperm(total, generator=generator)[:harmful]] = True
        return called
    kept = round(harmful * harmful / total)
    called[torch.randperm(harmful, generator=generator)[:kept]] = True
    called[harmful + torch.randperm(harmless, generator=generator)[: harmful - kept]] = True
    return called
