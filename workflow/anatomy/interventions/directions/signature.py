"""The signature of post-training: mean activations of an aligned model minus those of its base, and directions beside it.

PASTA (Anand et al. 2026; released code): with m_a, m_b the token-weighted means over the positions that predict each model's
own generations, ``v[l] = (m_a[l] - m_b[l]) / ||m_a[l] - m_b[l]||``, one a layer.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.directions.candidates import NOISE, Directions
from anatomy.models.activations.answers import POSITIONS

Means = Float64[Tensor, "position layer d_model"]


def contrast(aligned: Means, base: Float64[Tensor, "_ _ _"], where: str) -> Directions:
    """``m_a - m_b`` at every position and layer, not normalised; cells that differ by rounding alone are zero.

    Raises:
        DataError: models of different shape.
        NumericsError: NaN, or no cell differs.
    """
    if aligned.shape != base.shape:
        raise DataError(
            found=f"means of shape {list(aligned.shape)} and {list(base.shape)}",
            expected="one shape",
            where=where,
            remedy="a pair is two models of one architecture: same number of layers, same width",
        )
    difference = aligned - base
    scale = aligned.norm(dim=-1, keepdim=True) + base.norm(dim=-1, keepdim=True)
    difference = torch.where(difference.norm(dim=-1, keepdim=True) <= NOISE * scale, 0.0, difference)
    if not torch.isfinite(difference).all() or not difference.any():
        raise NumericsError(
            found="no difference at any layer, or NaN",
            expected="two models that differ",
            where=where,
            remedy="check that aligned and base are not the same model",
        )
    return Directions(difference.float(), POSITIONS, tuple(range(difference.shape[1])))


def orthogonal_directions(signature: Means, count: int, seed: int) -> Float64[Tensor, "draw position layer d_model"]:
    """Unit vectors drawn from the sphere, then made orthogonal to the signature of their cell (PASTA's random control).

    One draw a layer, the same at both positions before Gram-Schmidt; so a search over layers has as many chances as the
    signature's. Draw n follows from ``seed + n``: more controls never change the first ones.
    """
    _, layers, width = signature.shape
    found = []
    for number in range(count):
        drawn = torch.randn(layers, width, generator=torch.Generator().manual_seed(seed + number), dtype=torch.float64)
        found.append(_unit(_without(drawn.expand_as(signature), signature)))
    return torch.stack(found) if found else torch.zeros(0, *signature.shape, dtype=torch.float64)


def without(signature: Directions, other: Directions) -> Directions:
    """The signature with its component along another direction taken out, layer by layer.

    Args:
        other: taken at its last position; layers that it lacks become zero, for nothing is known there.
    """
    vectors = signature.vectors.double()
    left = torch.zeros_like(vectors)
    for place, layer in enumerate(signature.layers):
        if layer in other.layers:
            left[:, place] = _without(vectors[:, place], other.vector(other.positions[-1], layer).double())
    return Directions(left.float(), signature.positions, signature.layers)


def principal_component(
    orthonormal: Float64[Tensor, "layer vector d_model"],
    mean: Float64[Tensor, "layer d_model"],
    moments: Float64[Tensor, "layer vector vector"],
) -> Float64[Tensor, "layer d_model"]:
    """Unit vector of most variance within each layer's span, mean taken out: the randomised estimate of the top component.

    Args:
        orthonormal: basis of the span of draws from the covariance (``AnswerSums.centred_sketch``).
        mean: mean activation.
        moments: second moments within the span (``span_moments``).
    """
    inside = torch.einsum("lvd,ld->lv", orthonormal, mean)
    _, vectors = torch.linalg.eigh(moments - inside[:, :, None] * inside[:, None, :])
    return torch.einsum("lv,lvd->ld", vectors[..., -1], orthonormal)


def equal_variance(
    energy: float, first: Float64[Tensor, " d_model"], second: Float64[Tensor, " d_model"], moments: Float64[Tensor, "2 2"]
) -> tuple[Float64[Tensor, " d_model"], float]:
    """The unit vector ``cos t first + sin t second`` whose ablation removes as much as the signature's does.

    Removing (h . w) w takes ``E[(h . w)^2]`` out of the activations: a quadratic form in t, here solved on a grid of angles.

    Args:
        energy: what the signature's ablation removes, ``E[(h . v)^2]``.
        first, second: orthonormal, both orthogonal to the signature: a random one, and one along which much lies.
        moments: ``E[(h . a)(h . b)]`` of the two.

    Returns:
        The vector, and what it removes as a share of ``energy``; less than 1 where nothing in the plane removes enough.
    """
    angles = torch.linspace(0.0, torch.pi, 20_001, dtype=torch.float64)[:-1]
    cos, sin = angles.cos(), angles.sin()
    removed = cos**2 * moments[0, 0] + 2 * cos * sin * moments[0, 1] + sin**2 * moments[1, 1]
    best = int((removed - energy).abs().argmin())
    return cos[best] * first + sin[best] * second, (removed[best] / energy).item()


def cosines(first: Float64[Tensor, "... d_model"], second: Float64[Tensor, "... d_model"]) -> Float64[Tensor, "..."]:
    """Cosine of vectors, shapes broadcast; NaN where one is zero: a direction that is not there has no angle."""
    norms = first.norm(dim=-1) * second.norm(dim=-1)
    return torch.where(norms > 0, (first * second).sum(-1) / norms.clamp(min=1e-300), torch.nan)


def orthonormal_beside(
    vectors: Sequence[Float64[Tensor, "layer d_model"]], signature: Float64[Tensor, "layer d_model"]
) -> Float64[Tensor, "layer vector d_model"]:
    """Orthonormal basis, layer by layer, of ``vectors`` [layer, d_model] with the signature taken out, in their order."""
    stacked = torch.stack([_without(vector, signature) for vector in vectors], 1)
    basis, _ = torch.linalg.qr(stacked.transpose(1, 2))
    return basis.transpose(1, 2)


def _without(vectors: Tensor, signature: Tensor) -> Tensor:
    unit = _unit(signature)
    for _ in range(2):  # twice is enough for orthogonality to rounding
        vectors = vectors - (vectors * unit).sum(-1, keepdim=True) * unit
    return vectors


def _unit(vectors: Tensor) -> Tensor:
    norms = vectors.norm(dim=-1, keepdim=True)
    return torch.where(norms > 0, vectors / norms.clamp(min=1e-300), 0.0)
