"""What kind of change a tensor's difference looks like, with the numbers that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.audit.difference import Difference
from anatomy.audit.pairing import TensorPair
from anatomy.audit.spectrum import SKETCH, UNEVEN, Spectrum
from anatomy.models.matrix_names import writing_site


class Kind(StrEnum):
    NOTHING = "nothing"
    CAST = "nothing but a cast"
    AMPLIFICATION = "rank-one write edit: amplification"
    REMOVAL = "rank-one write edit: removal"
    WRITE = "rank-one write edit: of unknown sign"
    MASK = "mask"
    LOW_RANK = "low-rank fine-tune"
    DENSE = "dense fine-tune"
    NOISE = "quantisation noise"


LOW = (Kind.AMPLIFICATION, Kind.REMOVAL, Kind.WRITE, Kind.LOW_RANK)
"""Kinds of which a few singular values say all."""

MASKED = 0.99
"""Share of the changed entries that are zero now, from which a change is a mask."""

ALONG = 0.9
"""Cosine from which two directions count as one; chance gives about ``1 / sqrt(d)``."""

EVEN = (1.6, 2.45)
"""Kurtosis within groups of 16 of errors that are spread evenly, as those of quantised weights are: 1.8, more where they were
rounded to sixteen bits again. Normal ones have 2.7, steps of a trained optimizer that go one length up or down 1.1."""

SCALED = 0.15
"""Correlation of the sizes of errors and weights in groups from which errors follow a step that follows the weights."""

UNRELATED = 0.1
"""Cosine of a change with the weights below which it is error rather than change of scale."""


@dataclass(frozen=True)
class Found:
    """One tensor of the audit.

    Attributes:
        evidence: in words, for a reader.
        stream: unit vector of the residual stream that the change writes to (or reads from), of its first singular value; None
            for a vector, for an unchanged tensor, and for one that does not meet the stream.
        writes: whether the matrix writes to the stream rather than reads it.
        gain: of a rank-one change of a writer, ``Delta = gain * u u^T W`` where ``along_write`` is near one: -1 removes u, above
            0 amplifies it.
        along_write: cosine of the right singular vector with ``W^T u``.
        along_references: |cosine| of ``stream`` with the nearest place of each reference direction, by its name.
        along_mean: cosine of it with the mean of the rows of W; its sign is that of ``Delta = a u mean(W)^T``.
    """

    pair: TensorPair
    difference: Difference
    spectrum: Spectrum | None
    kind: Kind
    evidence: str
    stream: Float64[Tensor, " d_model"] | None = None
    writes: bool = False
    gain: float = float("nan")
    along_write: float = float("nan")
    along_mean: float = float("nan")
    along_references: Mapping[str, float] = field(default_factory=dict)


def judged(pair: TensorPair, difference: Difference, spectrum: Spectrum | None, d_model: int) -> Found:
    """Name the kind of one tensor's change, without looking at other tensors.

    Args:
        spectrum: of a changed matrix; None otherwise.
        d_model: width of the residual stream.
    """
    nothing = Found(pair, difference, spectrum, Kind.NOTHING, "equal entry by entry")
    if difference.cast is not None and not difference.norm:
        formats = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
        if difference.cast == formats[pair.original.entry.dtype] == formats[pair.edited.entry.dtype]:
            return nothing
        return _with(
            nothing, Kind.CAST, f"equal after a cast to {difference.cast}, which is {difference.cast_share:.2e} of the norm"
        )
    size = f"{difference.changed:.2%} of the entries, {difference.relative:.2e} of the norm"
    if spectrum is None:
        return _with(nothing, Kind.DENSE, f"{size}; a vector")
    writes, stream = _stream(pair, spectrum, d_model)
    gains = _gains(pair, difference, spectrum, writes)
    found = Found(pair, difference, spectrum, Kind.DENSE, "", stream, writes, *gains)
    if difference.zeroed >= MASKED:
        return _with(found, Kind.MASK, f"{size}; {difference.zeroed:.2%} of these are zero now")
    held = f"{spectrum.share(1):.1%} of its squared norm in one singular value"
    quantised = spectrum.rest_scaling > SCALED and EVEN[0] < spectrum.rest_kurtosis < EVEN[1]
    if (spectrum.exact or quantised) and spectrum.above_noise >= UNEVEN:
        rest = "the rest is rounding" if spectrum.exact else f"the rest is like quantisation noise ({spectrum.rest_kurtosis:.2f})"
        if spectrum.rank == 1 and writes and max(abs(found.along_write), abs(found.along_mean)) >= ALONG:
            return _write(found, f"{size}; rank 1 ({held}, {rest})")
        if spectrum.rank >= difference.rows:
            return _with(found, Kind.DENSE, f"{size}; {difference.rows} of {pair.shape[0]} rows alone, all that is in them")
        return _with(found, Kind.LOW_RANK, f"{size}; rank {spectrum.rank}, {rest}; {held}")
    if spectrum.above_noise < UNEVEN and abs(difference.cosine) < UNRELATED:
        spread = f"{size}; no singular value above noise"
        if difference.norm <= difference.rounding:
            return _with(found, Kind.NOISE, f"{spread}; no larger than rounding to {difference.digits}")
        if EVEN[0] < difference.kurtosis < EVEN[1] and difference.scaling > SCALED:
            spread += f"; errors spread evenly (kurtosis {difference.kurtosis:.2f}), their size follows the weights'"
            return _with(found, Kind.NOISE, f"{spread} (correlation {difference.scaling:.2f})")
    first = f"{'at least ' * (spectrum.rank >= SKETCH)}{spectrum.rank} singular values above noise, {held}"
    return _with(found, Kind.DENSE, f"{size}; {first}, stable rank {spectrum.stable_rank:.1f}")


def _write(found: Found, size: str) -> Found:
    if abs(found.along_write) >= ALONG:
        kind = Kind.AMPLIFICATION if found.gain > 0 else Kind.REMOVAL
        return _with(
            found,
            kind,
            f"{size}; Delta = {found.gain:+.3f} u u^T W (cosine {abs(found.along_write):.3f})",
        )
    return _with(found, Kind.WRITE, f"{size}; u times the mean row of W (cosine {abs(found.along_mean):.3f})")


def _stream(pair: TensorPair, spectrum: Spectrum, d_model: int) -> tuple[bool, Float64[Tensor, " d_model"] | None]:
    """Whether a matrix writes to the stream, and the singular vector on the stream's side; some are stored transposed."""
    name = pair.name.removesuffix(".weight")
    rows, columns = pair.shape[::-1] if pair.transposed else pair.shape
    left, right = spectrum.left[:, 0].double(), spectrum.right[0].double()
    written, read = (right, left) if pair.transposed else (left, right)
    if writing_site(name) is not None and rows == d_model:
        return True, written
    return (False, read) if columns == d_model else (False, None)


def _gains(pair: TensorPair, difference: Difference, spectrum: Spectrum, writes: bool) -> tuple[float, float, float]:
    """``gain``, ``along_write`` and ``along_mean`` of the first singular value."""
    inner = spectrum.left[:, 0].double() if pair.transposed else spectrum.right[0].double()
    written = spectrum.gained_right if pair.transposed else spectrum.gained
    size = written.norm().item()
    if not writes or not size:
        return float("nan"), float("nan"), float("nan")
    product = torch.dot(inner, written).item()
    mean = difference.row_mean
    along_mean = 0.0 if pair.transposed else torch.dot(inner, mean).item() / max(mean.norm().item(), 1e-30)
    return spectrum.values[0].item() * product / size**2, product / size, along_mean


def _with(found: Found, kind: Kind, evidence: str) -> Found:
    return replace(found, kind=kind, evidence=evidence)
