"""Directions that carry no harm: isotropic, covariance-matched and shuffled-label, each from its own seed."""

from collections.abc import Sequence

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from anatomy.activations.means import Moments
from anatomy.directions.candidates import Directions, unit_vector
from anatomy.errors import DataError, NumericsError


def isotropic(d_model: int, seed: int) -> Float32[Tensor, "d_model"]:
    """A unit vector drawn uniformly from the sphere."""
    drawn = torch.randn(d_model, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return unit_vector(drawn, f"isotropic control, seed {seed}")


def covariance_matched(covariance: Float64[Tensor, "d_model d_model"], seed: int) -> Float32[Tensor, "d_model"]:
    """A unit vector along a draw from N(0, covariance): as likely to be a strong direction of the stream as any.

    Raises:
        NumericsError: the covariance is not finite, or zero.
    """
    if not torch.isfinite(covariance).all():
        raise NumericsError(found="NaN or infinity", expected="finite numbers", where="covariance of a control")
    values, vectors = torch.linalg.eigh(covariance)
    drawn = torch.randn(len(values), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    # Rounding leaves tiny negative eigenvalues.
    return unit_vector(vectors @ (values.clamp(min=0.0).sqrt() * drawn), f"covariance-matched control, seed {seed}")


def pooled_covariance(harmful: Moments, harmless: Moments, layer: int) -> Float64[Tensor, "d_model d_model"]:
    """Covariance within the two sets, weighted by their sizes: what varies besides the contrast itself."""
    for moments in (harmful, harmless):
        if layer not in moments.covariance:
            raise DataError(
                found=f"covariance of layers {sorted(moments.covariance)}", expected=f"of layer {layer}",
                where="moments", remedy="name the layer in covariance_layers when extracting",
            )  # fmt: skip
    total = harmful.count + harmless.count
    return (harmful.count * harmful.covariance[layer] + harmless.count * harmless.covariance[layer]) / total


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
            found="no weighted sums of the same shape on both sides", expected="moments with relabelling weights",
            where="shuffled-label controls", remedy="pass relabelling_weights to mean_activations",
        )  # fmt: skip
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
