"""Matrices that one checkpoint keeps in one tensor and the other in several: brought into the original's layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from anatomy.audit.stored import Joined, Stored
from anatomy.errors import ModelError

PARTS = {"gate_up_proj": ("gate_proj", "up_proj"), "qkv_proj": ("q_proj", "k_proj", "v_proj")}
"""Tensors by the matrices whose rows they hold one below the other, as transformers fuses them."""

Layout = Mapping[str, Stored | Joined]
"""Tensors of a checkpoint by the model's names of them."""


def as_ours(ours: Layout, theirs: Layout, turned: bool, where: Path) -> tuple[dict[str, Stored | Joined], list[str]]:
    """Their tensors, those fused on one side alone cut or joined as ours are, and a note on each kind of these.

    Args:
        turned: whether fused experts of this type of model are stored as [expert, d_in, d_out]: their parts are no rows.
        where: the folder of theirs, for errors.

    Raises:
        ModelError: a tensor whose parts are not the rows of the other side's matrices.
    """
    found, told = dict(theirs), dict[str, str]()
    for whole, parts in _fused_names(ours, theirs):
        kind = whole.removesuffix(".weight").removesuffix(".bias").rpartition(".")[2]
        cut, separate = whole in theirs, " and ".join(PARTS[kind])
        one, several = (theirs[whole], [ours[part] for part in parts]) if cut else (ours[whole], [theirs[part] for part in parts])
        if not _are_rows(one, several, turned):
            sides = ("the edited checkpoint", "the original") if cut else ("the original", "the edited checkpoint")
            shapes = ", ".join(str(list(part.entry.shape)) for part in several)
            raise ModelError(
                found=f"{whole} ({list(one.entry.shape)}) in {sides[0]}, where {sides[1]} has {separate} of shapes {shapes}",
                expected="their rows one below the other, in this order",
                where=str(where),
                remedy="write both in one layout: open the one with transformers and save it as the other was saved",
            )
        for name in [whole] if cut else parts:
            del found[name]
        if cut:
            first = 0
            for part, own in zip(parts, several, strict=True):
                rows = own.entry.shape[0]
                found[part] = one.between(first, rows)
                first += rows
            told[kind] = f"{kind} holds what the original has as {separate}: compared part by part"
        else:
            found[whole] = Joined(tuple(several))
            told[kind] = f"{separate} are what the original has as {kind}: compared one below the other"
    return found, list(told.values())


def _fused_names(ours: Layout, theirs: Layout) -> Iterator[tuple[str, list[str]]]:
    """A tensor of one side, and the other side's names of its parts."""
    for one, other in ((ours, theirs), (theirs, ours)):
        for name in sorted(set(one) - set(other)):
            stem, _, ending = name.rpartition(".")
            before, _, kind = stem.rpartition(".")
            parts = [f"{before}.{part}.{ending}" for part in PARTS.get(kind, ())]
            if parts and all(part in other and part not in one for part in parts):
                yield name, parts


def _are_rows(whole: Stored | Joined, parts: list[Stored | Joined], turned: bool) -> bool:
    """Whether a tensor has as many rows as its parts have together, as wide as theirs and in one number format."""
    alike = all(part.entry.shape[1:] == whole.entry.shape[1:] and part.entry.dtype == parts[0].entry.dtype for part in parts)
    rows = sum(part.entry.shape[0] for part in parts) == whole.entry.shape[0]
    return alike and rows and not (turned and any(one.fused for one in (whole, *parts)))
