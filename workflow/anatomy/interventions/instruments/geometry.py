"""Angles between directions and between spaces that several of them span, and how far prompts that are drawn anew turn them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from anatomy.interventions.directions.candidates import NOISE
from anatomy.interventions.directions.signature import cosines


def cosine_table(directions: Mapping[str, Float[Tensor, "layer d_model"]]) -> pd.DataFrame:
    """Cosine of every two directions at every layer: columns ``one, two, layer, cosine``.

    NaN where one of them is zero, which stands for a direction that there is none of at that layer.
    """
    parts = []
    for one, two in combinations(directions, 2):
        found = cosines(directions[one].double(), directions[two].double())
        parts.append(pd.DataFrame({"one": one, "two": two, "layer": range(len(found)), "cosine": found.numpy()}))
    return pd.concat(parts, ignore_index=True)


def principal_angles(one: Float[Tensor, "vector d_model"], two: Float[Tensor, "other d_model"]) -> Float64[Tensor, " angle"]:
    """Principal angles between the spaces that rows span, in degrees, smallest first (Björck and Golub 1973).

    The cosines are the singular values of ``Q1^T Q2`` for orthonormal bases Q1 and Q2.
    """
    bases = [_basis(vectors) for vectors in (one, two)]
    return torch.rad2deg(torch.linalg.svdvals(bases[0] @ bases[1].T).clamp(max=1.0).arccos())


def _basis(vectors: Float[Tensor, "vector d_model"]) -> Float64[Tensor, "dimension d_model"]:
    _, values, right = torch.linalg.svd(vectors.double(), full_matrices=False)
    return right[values > 1e-10 * values.max().clamp(min=1e-300)]


def difference(
    high: Float[Tensor, "layer prompt d_model"], low: Float[Tensor, "layer other d_model"]
) -> Float64[Tensor, "layer d_model"]:
    """Difference in means; zero at a layer where it is no more than rounding, as at the embedding of a token that all share."""
    means = high.double().mean(1), low.double().mean(1)
    found, scale = means[0] - means[1], sum(mean.norm(dim=-1, keepdim=True) for mean in means)
    return torch.where(found.norm(dim=-1, keepdim=True) <= NOISE * scale, 0.0, found)


def bootstrapped_cosines(
    high: Float[Tensor, "layer prompt d_model"],
    low: Float[Tensor, "layer other d_model"],
    groups: tuple[Sequence[str], Sequence[str]],
    draws: int,
    seed: int,
) -> Float64[Tensor, "draw layer"]:
    """Cosine of a difference in means with the same on groups of prompts that are drawn anew, with replacement.

    A group that has prompts of both sides, such as a request and its counterpart, is drawn with all of them. NaN at a layer
    without a difference.

    Args:
        groups: of the prompts of each side.
    """
    whole = difference(high, low)
    weights = _drawn(groups, draws, np.random.default_rng(seed))
    means = [
        torch.einsum("bp,lpd->bld", weight, side.double()) / weight.sum(1)[:, None, None]
        for weight, side in zip(weights, (high, low), strict=True)
    ]
    return cosines(means[0] - means[1], whole[None])


def _drawn(
    groups: tuple[Sequence[str], Sequence[str]], draws: int, generator: np.random.Generator
) -> list[Float64[Tensor, "draw prompt"]]:
    """How often each prompt of each side counts in each draw of whole groups: of one side, of the other, and of both apart."""
    sides = [np.asarray(side, dtype=str) for side in groups]
    first, second = (set(side) for side in sides)
    names, counts = [], []
    for stratum in (first - second, second - first, first & second):
        names += sorted(stratum)
        if stratum:
            counts.append(generator.multinomial(len(stratum), np.full(len(stratum), 1 / len(stratum)), size=draws))
    places, drawn = {name: place for place, name in enumerate(names)}, np.concatenate(counts, axis=1)
    return [torch.tensor(drawn[:, [places[name] for name in side]], dtype=torch.float64) for side in sides]


def kind_directions(
    high: Float[Tensor, "prompt d_model"], kinds: Sequence[str], low: Float[Tensor, "other d_model"]
) -> dict[str, Float64[Tensor, " d_model"]]:
    """For each kind of prompt its mean minus the mean of the other side, at unit norm."""
    names = np.asarray(kinds, dtype=object)
    middle = low.double().mean(0)
    found = {name: high.double()[names == name].mean(0) - middle for name in dict.fromkeys(kinds)}
    return {name: vector / vector.norm().clamp(min=1e-300) for name, vector in found.items()}


def own_beyond_others(
    x: Float[Tensor, "prompt d_model"],
    kinds: Sequence[str],
    middle: Float[Tensor, " d_model"],
    directions: Mapping[str, Float64[Tensor, " d_model"]],
) -> Float64[ndarray, " prompt"]:
    """Of each prompt, cosine of ``x - middle`` with the direction of its own kind minus the mean with those of other kinds.

    0 where all kinds have one direction. NaN for a prompt of a kind without a direction.
    """
    names = list(directions)
    found = cosines(x.double()[:, None] - middle.double(), torch.stack([directions[name] for name in names])[None]).numpy()
    own = np.array([[name == kind for name in names] for kind in kinds])
    others = np.where(own, 0.0, found).sum(1) / max(len(names) - 1, 1)
    return np.where(own.any(1) & (len(names) > 1), np.where(own, found, 0.0).sum(1) - others, np.nan)


def first_share(directions: Mapping[str, Float64[Tensor, " d_model"]]) -> float:
    """Share of the squared length of unit directions that lies along one line, at most: 1 where all are one direction."""
    values = torch.linalg.svdvals(torch.stack(list(directions.values()))).square()
    return (values.max() / values.sum()).item()


def effective_rank(rows: Float[Tensor, "prompt d_model"]) -> float:
    """Participation ratio of the squared singular values, not centred: 1 for rows along one line, n for n equal dimensions."""
    values = torch.linalg.svdvals(rows.double()).square()
    return (values.sum().square() / values.square().sum().clamp(min=1e-300)).item()
