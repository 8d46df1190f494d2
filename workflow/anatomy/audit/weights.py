"""The weights half of an audit: every tensor compared, one at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.audit.difference import compare
from anatomy.audit.directions import Reference, Standing, standing
from anatomy.audit.kinds import ALONG, LOW, Found, Kind, judged
from anatomy.audit.pairing import TensorPair, paired
from anatomy.audit.spectrum import spectrum
from anatomy.models.checkpoint import Checkpoint
from anatomy.progress.counting import counted

NOTHING = (Kind.NOTHING, Kind.CAST)

PART = 0.1
"""Share of a change from which a kind is named in its verdict; the evidence counts all of them."""


@dataclass(frozen=True)
class WeightsAudit:
    """What the weights say.

    Attributes:
        found: every tensor, in the order of names.
        notes: what of the folders differs besides weights.
        shared: mean |cosine| of the changed writers' stream vectors with the one that they share most; NaN below two. What looks
            like quantisation has no direction and does not count.
        axis: that unit vector; None without any.
        standings: of ``axis`` towards each direction that was handed over, or empty.
    """

    found: tuple[Found, ...]
    notes: tuple[str, ...]
    shared: float
    axis: Float64[Tensor, " d_model"] | None
    standings: tuple[Standing, ...] = ()

    @property
    def changed(self) -> list[Found]:
        return [one for one in self.found if one.kind not in NOTHING]

    @property
    def counts(self) -> Counter[Kind]:
        """Changed tensors by kind."""
        return Counter(one.kind for one in self.changed)

    @property
    def likely(self) -> str:
        """The likely kind of the whole change: kinds that hold ``PART`` of its squared norm or of the changed matrices, the one
        with the most of both first."""
        if not self.changed:
            return str(Kind.CAST) if any(one.kind == Kind.CAST for one in self.found) else str(Kind.NOTHING)
        matrices = [one for one in self.changed if one.pair.is_matrix] or self.changed
        total = sum(one.difference.norm**2 for one in matrices)
        shares: dict[Kind, float] = {}
        for kind in dict.fromkeys(one.kind for one in matrices):
            own = [one for one in matrices if one.kind == kind]
            shares[kind] = max(sum(one.difference.norm**2 for one in own) / total, len(own) / len(matrices))
        ordered = sorted(shares, key=lambda kind: -shares[kind])
        return " and ".join(str(kind) for kind in ordered if shares[kind] >= PART)

    def table(self) -> pd.DataFrame:
        """One row a changed tensor, the largest relative change first."""
        rows = []
        for one in self.changed:
            spread = one.spectrum
            rows.append(
                {
                    "tensor": one.pair.name,
                    "kind": str(one.kind),
                    "relative norm": one.difference.relative,
                    "norm": one.difference.norm,
                    "entries changed": one.difference.changed,
                    "of these zero": one.difference.zeroed,
                    "rank": None if spread is None else spread.rank,
                    "rank is exact": None if spread is None else spread.exact,
                    "stable rank": None if spread is None else spread.stable_rank,
                    "first value's share": None if spread is None else spread.share(1),
                    "gain": one.gain,
                    "cosine with W^T u": one.along_write,
                    "cosine with mean row": one.along_mean,
                    **{f"cosine with {name} direction": value for name, value in one.along_references.items()},
                    "evidence": one.evidence,
                }
            )
        table = pd.DataFrame(rows)
        return table if table.empty else table.sort_values("relative norm", ascending=False, ignore_index=True)


def audit_weights(
    original: Checkpoint, edited: Checkpoint, references: Sequence[Reference] = (), *, factors: bool = False
) -> WeightsAudit:
    """Compare two checkpoints tensor by tensor; less than the largest tensor is in memory at any time.

    Args:
        references: directions of the original model that changes may lie on.
        factors: keep all singular vectors of changes of low rank, from which controls are made.

    Raises:
        ModelError: checkpoints that cannot be compared (``paired``).
        NumericsError: NaN or infinity in a tensor.
    """
    pairs = paired(original, edited)
    sizes = {one.name: one.original.entry.size / 1e6 for one in pairs.tensors}
    found = [
        _examined(pair, original.d_model, factors)
        for pair in counted(pairs.tensors, "MB compared", sum(sizes.values()), lambda one: sizes[one.name])
    ]
    shared, axis = _shared([one for one in found if one.stream is not None and one.writes and one.kind != Kind.NOISE])
    return beside(WeightsAudit(tuple(_along_one(one, shared) for one in found), pairs.notes, shared, axis), references)


def beside(audit: WeightsAudit, references: Sequence[Reference]) -> WeightsAudit:
    """The audit with where its axis stands beside directions; the first that a write edit of unknown sign lies on gives it its
    sign."""
    found = []
    for one in audit.found:
        for reference in references:
            one = _signed(one, reference)
        stream = one.stream
        if stream is not None:
            along = {each.name: abs(torch.dot(stream, each.nearest(stream)).item()) for each in references}
            one = replace(one, along_references=along)
        found.append(one)
    stands = () if audit.axis is None else tuple(standing(audit.axis, each) for each in references)
    return replace(audit, found=tuple(found), standings=stands)


def _examined(pair: TensorPair, d_model: int, factors: bool) -> Found:
    difference = compare(pair)
    changed = pair.is_matrix and difference.norm > 0 and min(pair.shape) > 1
    found = judged(pair, difference, spectrum(pair, difference) if changed else None, d_model)
    if found.spectrum is None or (factors and found.kind in LOW):
        return found
    return replace(found, spectrum=found.spectrum.first(1))


def _shared(writers: Sequence[Found]) -> tuple[float, Float64[Tensor, " d_model"] | None]:
    """The axis that stream vectors share most (first right singular vector of them all), and their mean |cosine| with it."""
    vectors = [one.stream for one in writers if one.stream is not None]
    if len(vectors) < 2:
        return float("nan"), vectors[0] if vectors else None
    stacked = torch.stack(vectors)
    axis = torch.linalg.svd(stacked, full_matrices=False).Vh[0]
    return (stacked @ axis).abs().mean().item(), axis


def _along_one(one: Found, shared: float) -> Found:
    """Rank-one changes of unknown form count as write edits where all writers change along one direction."""
    rank_one = one.kind == Kind.LOW_RANK and one.writes and one.spectrum is not None and one.spectrum.rank == 1
    if not rank_one or not shared >= ALONG:
        return one
    return replace(one, kind=Kind.WRITE, evidence=f"{one.evidence}; every writer changes along one direction")


def _signed(one: Found, reference: Reference) -> Found:
    """A write edit by the mean row with the sign that a reference direction gives it, if it lies on that direction at all."""
    if one.kind != Kind.WRITE or one.stream is None or not abs(one.along_mean) >= ALONG:
        return one
    cosine = torch.dot(one.stream, reference.nearest(one.stream)).item()
    if abs(cosine) < ALONG / 2:
        return one
    kind = Kind.AMPLIFICATION if cosine * one.along_mean > 0 else Kind.REMOVAL
    return replace(
        one, kind=kind, evidence=f"{one.evidence}; its sign along the {reference.name} direction is {kind.partition(': ')[2]}"
    )
