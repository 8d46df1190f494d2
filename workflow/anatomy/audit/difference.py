"""How far one tensor is from its counterpart, in two passes over rows of both: what changed at all, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.audit.pairing import TensorPair
from anatomy.errors import NumericsError
from anatomy.interventions.export.layout import EDITABLE

GROUP = 16
"""Neighbours of a row within which errors of quantised weights have one scale: the smallest block of GGUF's formats."""

GROUPED = ("kurtosis", "groups", "x", "y", "xx", "yy", "xy")
"""What is added up over groups."""

DIGITS = {torch.float32: 24, torch.bfloat16: 8, torch.float16: 11}
"""Significant binary digits."""


@dataclass(frozen=True)
class Difference:
    """One tensor's change beyond a cast; norms are Frobenius norms.

    Attributes:
        cast: number format whose cast of the original equals the edited tensor exactly, or, of a coarser original, whose cast of
            the edited tensor equals the original; None where none does.
        cast_share: ``||cast(W) - W|| / ||W||`` of that cast, or of one to the number format that the edited values need.
        digits: format that holds every edited value: the stored one, or a coarser one that they went through.
        changed: share of the entries that differ from the cast original.
        rows: how many rows changed at all.
        zeroed: share of the changed entries that are zero now.
        norm: ``||Delta||``, ``Delta = W' - cast(W)``.
        original_norm: ``||W||``.
        cosine: of Delta and W as vectors; NaN without a change.
        rounding: ``sqrt(sum ulp(W')^2 / 12)``, the norm that rounding to ``digits`` adds to any change of all entries; of both
            sides, where the original is rounded too, in its own format where that is the coarser one.
        scaling: correlation of the logarithms of the norms of Delta and of W over groups of neighbours: errors of quantised
            weights are as large as the step of their group, which follows the weights; NaN without a change.
        kurtosis: fourth moment of Delta over the square of its second, within groups of neighbours: 1.8 for errors spread evenly
            between two steps, 3 for normal ones (a little less each, for groups are small); NaN without a change.
        row_mean: mean of the original's rows.
    """

    cast: str | None
    cast_share: float
    digits: str
    changed: float
    rows: int
    zeroed: float
    norm: float
    original_norm: float
    cosine: float
    rounding: float
    scaling: float
    kurtosis: float
    row_mean: Float64[Tensor, " columns"]

    @property
    def relative(self) -> float:
        """``||Delta|| / ||W||``."""
        return self.norm / self.original_norm if self.original_norm else float("inf") if self.norm else 0.0


def compare(pair: TensorPair) -> Difference:
    """Measure one tensor.

    Raises:
        NumericsError: NaN or infinity on either side.
    """
    stored = {EDITABLE[pair.original.entry.dtype], EDITABLE[pair.edited.entry.dtype]}
    formats = [EDITABLE[pair.edited.entry.dtype], *(one for one in (torch.bfloat16, torch.float16))]
    coarse = (torch.bfloat16, torch.float16)
    same, holds = dict.fromkeys(formats, True), dict.fromkeys(formats, True)
    held, back = dict.fromkeys(coarse, True), dict.fromkeys(coarse, True)
    for before, after in pair.chunks():
        for one in coarse:
            held[one] = held[one] and bool(torch.equal(before.to(one).float(), before.float()))
            back[one] = back[one] and bool(torch.equal(after.to(one).float(), before.float()))
        for one in formats:
            cast = after.to(one).float()
            holds[one] = holds[one] and bool(torch.equal(cast, after.float()))
            same[one] = same[one] and bool(torch.equal(before.to(one).float(), after.float()))
    equal = next((one for one in formats if same[one]), None)
    # Coarsest first: a tensor of zeros and ones fits everything, and its own format says no less.
    digits = next((one for one in coarse if holds[one]), EDITABLE[pair.edited.entry.dtype])
    if equal is not None and len(stored) == 1 and equal in stored:
        digits = equal
    own = next((one for one in coarse if held[one]), EDITABLE[pair.original.entry.dtype])
    coarser = own if DIGITS[own] < DIGITS[digits] else None
    found = _measured(pair, equal, digits, coarser)
    if equal is None and coarser is not None and back[coarser]:
        # The original is a cast of this: nothing was done but that the digits it lost are here.
        return replace(
            found, cast=_name(coarser), cast_share=found.relative, changed=0.0, rows=0, zeroed=0.0, norm=0.0, cosine=float("nan")
        )
    return found


def delta(before: Tensor, after: Tensor, digits: torch.dtype) -> Tensor:
    """Rows of ``W' - cast(W)`` in fp32."""
    return after.float() - before.to(digits).float()


def _measured(pair: TensorPair, equal: torch.dtype | None, digits: torch.dtype, coarser: torch.dtype | None) -> Difference:
    rows, columns = pair.shape
    sums = dict.fromkeys(
        ("changed", "rows", "zeroed", "square", "original", "product", "rounding", "before", "cast", *GROUPED), 0.0
    )
    row_sum = torch.zeros(columns, dtype=torch.float64)
    for before, after in pair.chunks():
        old, new = before.float(), after.float()
        change = delta(before, after, digits)
        moved = change != 0
        sums["changed"] += int(moved.sum())
        sums["rows"] += int(moved.any(1).sum())
        sums["zeroed"] += int((moved & (new == 0)).sum())
        sums["square"] += _dot(change, change)
        sums["original"] += _dot(old, old)
        sums["product"] += _dot(change, old)
        sums["rounding"] += _rounded(new, digits)
        sums["before"] += _rounded(old, coarser) if coarser is not None else 0.0
        lost = before.to(digits).float() - old
        sums["cast"] += _dot(lost, lost)
        row_sum += old.double().sum(0)
        for name, value in group_sums(change, old).items():
            sums[name] += value
    if not torch.isfinite(torch.tensor([sums["square"], sums["original"]])).all():
        raise NumericsError(
            found="NaN or infinity",
            expected="finite weights on both sides",
            where=f"{pair.name} ({pair.original.path}, {pair.edited.path})",
            remedy="copy or download the weights again",
        )
    norm, original = sums["square"] ** 0.5, sums["original"] ** 0.5
    return Difference(
        cast=None if equal is None else _name(equal),
        cast_share=sums["cast"] ** 0.5 / original if original else 0.0,
        digits=_name(digits),
        changed=sums["changed"] / (rows * columns),
        rows=int(sums["rows"]),
        zeroed=sums["zeroed"] / sums["changed"] if sums["changed"] else 0.0,
        norm=norm,
        original_norm=original,
        cosine=sums["product"] / (norm * original) if norm and original else float("nan"),
        rounding=(sums["rounding"] * (2 if sums["cast"] else 1) + sums["before"]) ** 0.5,
        scaling=correlation(sums),
        kurtosis=mean_kurtosis(sums),
        row_mean=row_sum / rows,
    )


def group_sums(change: Tensor, weights: Tensor) -> dict[str, float]:
    """Sums over groups of neighbours that changed: of their kurtosis, and of the moments of both logarithms."""
    width = change.shape[1] // GROUP * GROUP
    grouped, beside = (one[:, :width].double().reshape(-1, GROUP) for one in (change, weights))
    second, size = grouped.square().mean(1), beside.square().mean(1)
    kept = (second > 0) & (size > 0)
    x, y = second[kept].log(), size[kept].log()
    found = ((grouped[kept].pow(4).mean(1) / second[kept].square()), torch.ones_like(x), x, y, x * x, y * y, x * y)
    return {name: one.sum().item() for name, one in zip(GROUPED, found, strict=True)}


def mean_kurtosis(sums: Mapping[str, float]) -> float:
    """``Difference.kurtosis`` from the sums of ``group_sums``."""
    return sums["kurtosis"] / sums["groups"] if sums["groups"] else float("nan")


def correlation(sums: Mapping[str, float]) -> float:
    """``Difference.scaling`` from the sums of ``group_sums``: Pearson's, 0 where one side does not vary."""
    count = sums["groups"]
    if not count:
        return float("nan")
    x, y = sums["x"] / count, sums["y"] / count
    spread = (sums["xx"] / count - x * x) * (sums["yy"] / count - y * y)
    return (sums["xy"] / count - x * y) / spread**0.5 if spread > 1e-18 else 0.0


def _dot(one: Tensor, other: Tensor) -> float:
    """In fp64: the share of a square that is left of a change of low rank is compared with 1e-6."""
    return torch.dot(one.double().reshape(-1), other.double().reshape(-1)).item()


def _rounded(values: Tensor, digits: torch.dtype) -> float:
    """``sum ulp^2 / 12``: what rounding values to a format adds to a squared norm."""
    return (2.0 ** (2 * (torch.frexp(values).exponent.double() - DIGITS[digits])))[values != 0].sum().item() / 12


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
