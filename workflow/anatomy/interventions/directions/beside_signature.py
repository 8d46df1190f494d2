"""Control directions from the activations' covariance: random ones that remove as much as the signature; the top component."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.interventions.directions.signature import equal_variance, orthonormal_beside, principal_component

Moments = Callable[[Float64[Tensor, "layer vector d_model"]], Float64[Tensor, "layer vector vector"]]
"""Second moments of the activations within a span of orthonormal vectors, layer by layer."""


@dataclass(frozen=True)
class Spread:
    """Directions and what their ablation removes.

    Attributes:
        principal: top principal component of each layer, unit norm.
        equal: for each draw and layer a unit vector orthogonal to the signature that removes as much as it does.
        energy: ``E[(h . v)^2]`` of the signature's unit vectors.
        principal_share: what ablating the top component removes, as a share of ``energy``.
        equal_share: what each draw removes as a share of ``energy``: 1, or less where no such vector was found.
    """

    principal: Float64[Tensor, "layer d_model"]
    equal: Float64[Tensor, "draw layer d_model"]
    energy: Float64[Tensor, " layer"]
    principal_share: Float64[Tensor, " layer"]
    equal_share: Float64[Tensor, "draw layer"]


def spread(
    signature: Float64[Tensor, "layer d_model"],
    mean: Float64[Tensor, "layer d_model"],
    sketch: Float64[Tensor, "draw layer d_model"],
    randoms: Float64[Tensor, "number layer d_model"],
    moments: Moments,
) -> Spread:
    """Search the span of the signature, the mean and draws from the covariance; for each control with its own random vector.

    With as many or more vectors than dimensions the span is everything and the search exact. More controls never change the
    first ones, nor the principal component.

    Args:
        signature: v of each layer, not normalised; zero where there is none.
        mean: mean activation.
        sketch: draws from the covariance of the activations.
        randoms: one random vector a control and layer, orthogonal to the signature.
        moments: measures a span; one pass over the texts.
    """
    layers, width = signature.shape
    unit = signature / signature.norm(dim=-1, keepdim=True).clamp(min=1e-300)
    fixed = [mean, *sketch][: width - 1]
    basis = torch.cat([unit[:, None], orthonormal_beside([*fixed, *randoms][: width - 1], signature)], 1)
    inside, shared = moments(basis), 1 + len(fixed)
    principal = principal_component(basis[:, :shared], mean, inside[:, :shared, :shared])
    energy = inside[:, 0, 0]
    equal = torch.zeros(len(randoms), layers, width, dtype=torch.float64)
    shares = torch.zeros(len(randoms), layers, dtype=torch.float64)
    for number, random in enumerate(randoms):
        for layer in range(layers):
            frame = _frame(basis[layer], shared, random[layer])
            equal[number, layer], shares[number, layer] = _equal(
                frame @ basis[layer], frame @ inside[layer] @ frame.T, random[layer], energy[layer].item()
            )
    along = torch.einsum("lvd,ld->lv", basis, principal)
    removed = torch.einsum("lv,lvw,lw->l", along, inside, along)
    return Spread(principal, equal, energy, removed / energy.clamp(min=1e-300), shares)


def _frame(
    basis: Float64[Tensor, "vector d_model"], shared: int, random: Float64[Tensor, " d_model"]
) -> Float64[Tensor, "part vector"]:
    """Coordinates of the vectors one control is sought among: all shared ones but the signature, and what its own random vector
    has beside them."""
    own = basis @ random
    own[:shared] = 0.0
    frame = torch.eye(len(basis), dtype=torch.float64)[1:shared]
    return frame if own.norm() < 1e-9 else torch.cat([frame, (own / own.norm())[None]])


def _equal(
    basis: Float64[Tensor, "vector d_model"],
    moments: Float64[Tensor, "vector vector"],
    random: Float64[Tensor, " d_model"],
    energy: float,
) -> tuple[Float64[Tensor, " d_model"], float]:
    first = basis @ random
    first = first / first.norm().clamp(min=1e-300)
    _, vectors = torch.linalg.eigh(moments)
    extreme = vectors[:, -1 if first @ moments @ first < energy else 0]  # most lies along the last, least along the first
    second = extreme - (extreme @ first) * first
    second = second / second.norm().clamp(min=1e-300)
    if not energy > 0:  # no signature at this layer, so nothing to match
        return basis.T @ first, float("nan")
    plane = torch.stack([first, second])
    found, share = equal_variance(energy, first, second, plane @ moments @ plane.T)
    return basis.T @ found, share
