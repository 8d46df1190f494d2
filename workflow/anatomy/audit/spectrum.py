"""The largest singular values of one tensor's change, from products with rows: the change itself is never in memory.

A randomised range finder with one power iteration (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1): exact, up to
rounding, where the change has at most ``SKETCH`` singular values; of a dense one the first are a little too small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt

import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from anatomy.audit.difference import GROUPED, Difference, correlation, delta, group_sums, mean_kurtosis
from anatomy.audit.pairing import TensorPair

SKETCH = 72
"""Singular values that are computed: some more than the ranks that adapters usually have. A higher rank counts as dense."""

OUTSTANDING = 8
"""Most singular values of an edit that is looked for beneath quantisation."""

ABOVE_NOISE = 1.1
"""A singular value counts from this multiple of the largest that independent noise of the rest's size would have."""

UNEVEN = 1.3
"""The same multiple for noise whose size is not known from the number format and differs from row to row, as steps of quantised
weights do."""

ROUNDED = 2.0
"""Of a change of low rank the rest is at most this multiple of what rounding leaves, in squared norms."""

COMPUTED = 1e-6
"""What products in fp32 leave of a change of low rank, as a share of its squared norm."""


@dataclass(frozen=True)
class Spectrum:
    """A change taken apart.

    Attributes:
        values: singular values, largest first.
        norm: Frobenius norm of the whole change.
        rank: how many singular values stand above noise: the whole rank where ``exact``, else the outstanding ones.
        exact: whether what ``rank`` values leave is no more than rounding.
        left: left singular vectors of the first ``rank`` values (at least one), or of fewer (``first``).
        right: right ones.
        gained: ``u^T W`` of the first left vector, from the cast original.
        gained_right: ``W v`` of the first right vector.
        rest_kurtosis, rest_scaling: as of ``Difference``, of what the first ``rank`` values leave; NaN where that was not read.
    """

    values: Float64[Tensor, " value"]
    norm: float
    rank: int
    exact: bool
    left: Float32[Tensor, "rows rank"]
    right: Float32[Tensor, "rank columns"]
    gained: Float64[Tensor, " columns"]
    gained_right: Float64[Tensor, " rows"]
    rest_kurtosis: float = float("nan")
    rest_scaling: float = float("nan")

    @property
    def above_noise(self) -> float:
        """The first singular value as a multiple of what independent noise of the change's norm would have."""
        return self.values[0].item() / (self.norm * noise_edge(len(self.left), self.right.shape[1]))

    @property
    def stable_rank(self) -> float:
        """``||Delta||_F^2 / sigma_1^2``, an effective rank that needs no threshold (Rudelson & Vershynin 2007)."""
        return self.norm**2 / self.values[0].item() ** 2

    def first(self, count: int) -> Spectrum:
        """The same with no more singular vectors than the first ones; the memory of the others is free."""
        return replace(self, left=self.left[:, :count].clone(), right=self.right[:count].clone())

    def share(self, count: int) -> float:
        """Share of the squared norm that the first singular values hold."""
        return min(1.0, self.values[:count].square().sum().item() / self.norm**2)


def spectrum(pair: TensorPair, difference: Difference, seed: int = 0) -> Spectrum:
    """Take a matrix' change apart, in five passes over its rows; the sketch is what stays in memory.

    Args:
        seed: of the random test vectors.
    """
    rows, columns = pair.shape
    size = min(SKETCH, rows, columns)
    test = torch.randn(columns, size, generator=torch.Generator().manual_seed(seed))
    test = torch.linalg.qr(_right_products(pair, difference, torch.linalg.qr(_left_products(pair, difference, test))[0]).T)[0]
    basis = torch.linalg.qr(_left_products(pair, difference, test))[0]
    inner, values, right = torch.linalg.svd(_right_products(pair, difference, basis), full_matrices=False)
    values = values.double()
    rank, exact = rank_of(values, difference.norm, difference.rounding, rows, columns)
    kept = max(1, rank)
    left = basis @ inner[:, :kept]
    gained, gained_right = torch.zeros(columns, dtype=torch.float64), torch.zeros(rows, dtype=torch.float64)
    few = not exact and 0 < rank <= OUTSTANDING
    sums = dict.fromkeys(GROUPED, 0.0)
    for start, before, after in _placed(pair):
        old, rows_here = before.to(getattr(torch, difference.digits)).float(), slice(start, start + len(before))
        gained += (left[rows_here, 0] @ old).double()
        gained_right[rows_here] = (old @ right[0]).double()
        if few:
            rest = after.float() - old - (left[rows_here] * values[:kept].float()) @ right[:kept]
            for name, value in group_sums(rest, old).items():
                sums[name] += value
    beside = (mean_kurtosis(sums), correlation(sums)) if few else (float("nan"), float("nan"))
    return Spectrum(values, difference.norm, rank, exact, left, right[:kept].contiguous(), gained, gained_right, *beside)


def noise_edge(rows: int, columns: int) -> float:
    """Largest singular value of independent noise, as a share of its Frobenius norm (Geman 1980, Silverstein 1985)."""
    return (sqrt(rows) + sqrt(columns)) / sqrt(rows * columns)


def rank_of(values: Float64[Tensor, " value"], norm: float, rounding: float, rows: int, columns: int) -> tuple[int, bool]:
    """How many singular values a change has that are no noise, and whether the rest is what rounding leaves.

    A singular value stands out where it is larger than independent noise of the norm of all smaller ones would have it
    (``noise_edge``), up to fluctuations that vanish with the size.

    Where rounding is a fifth of the squared norm or more, nothing can be said about the rest.

    Args:
        values: the largest singular values.
        norm: Frobenius norm of the whole change.
        rounding: the norm that rounding adds.
    """
    rest = torch.cat([torch.tensor([norm**2], dtype=torch.float64), norm**2 - values.square().cumsum(0)]).clamp(min=0.0)
    floor = ROUNDED * rounding**2 + COMPUTED * norm**2
    edge = ABOVE_NOISE * noise_edge(rows, columns)
    rank = int((values > edge * sqrt(floor)).sum())
    if 0 < rank <= min(rows, columns) // 2 and rest[rank] <= min(floor, norm**2 / 5):
        return rank, True
    rank = 0
    while (
        rank < len(values)
        and values[rank] > UNEVEN * noise_edge(rows, columns) * sqrt(float(rest[rank + 1]))
        and values[rank] ** 2 > COMPUTED * norm**2
    ):
        rank += 1
    return rank, False


def _placed(pair: TensorPair) -> Iterator[tuple[int, Tensor, Tensor]]:
    start = 0
    for before, after in pair.chunks():
        yield start, before, after
        start += len(before)


def _left_products(pair: TensorPair, difference: Difference, test: Tensor) -> Tensor:
    """``Delta T`` [rows, size]."""
    found = torch.empty(pair.shape[0], test.shape[1])
    for start, before, after in _placed(pair):
        found[start : start + len(before)] = delta(before, after, getattr(torch, difference.digits)) @ test
    return found


def _right_products(pair: TensorPair, difference: Difference, basis: Tensor) -> Tensor:
    """``Q^T Delta`` [size, columns]."""
    found = torch.zeros(basis.shape[1], pair.shape[1])
    for start, before, after in _placed(pair):
        found += basis[start : start + len(before)].T @ delta(before, after, getattr(torch, difference.digits))
    return found
