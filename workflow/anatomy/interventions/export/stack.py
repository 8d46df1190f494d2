"""A stack of edits of any kinds as what happens to each tensor while it is streamed."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from anatomy.errors import EditError
from anatomy.interventions.edits.head import HeadEdit
from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.edits.weight_edit import WeightEdit
from anatomy.interventions.export.rewrite import Addition, LowRank, Rewrite, Rows, Sparse, low_rank_rewrites


@dataclass(frozen=True)
class InTurn:
    """Several rewrites of one tensor, each of what the one before it made."""

    parts: tuple[Rewrite, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.parts[0].shape

    def __call__(self, rows: Rows, start: int) -> tuple[Rows, Rows]:
        new, total = rows, torch.zeros_like(rows)
        for part in self.parts:
            new, change = part(new, start)
            total = total + change
        return new, total


def stack_rewrites(edits: Sequence[WeightEdit]) -> dict[str, Rewrite]:
    """A stack of edits of any kinds as one rewrite a tensor, first edit first.

    A tensor that every edit leaves as it is (places that held their values already, factors of nothing) has none.

    Raises:
        EditError: an edit of a kind that has no rewrite, or two edits that take one tensor for one of different shapes.
    """
    found: dict[str, list[Rewrite]] = {}
    changed: set[str] = set()
    for edit in edits:
        for name, rewrite in _rewrites(edit).items():
            found.setdefault(name, []).append(rewrite)
            if edit.card.norms.get(name.removesuffix(".weight"), 1.0) > 0:  # a bias stands in an edit only where it changes
                changed.add(name)
    for name, parts in found.items():
        if len({tuple(part.shape) for part in parts}) != 1:
            raise EditError(
                found=f"edits of {name} of shapes {[list(part.shape) for part in parts]}",
                expected="one shape",
                where="a stack of edits",
                remedy="build every edit from the same model",
            )
    return {name: parts[0] if len(parts) == 1 else InTurn(tuple(parts)) for name, parts in found.items() if name in changed}


def _rewrites(edit: WeightEdit) -> dict[str, Rewrite]:
    if isinstance(edit, LowRankEdit):
        return {**low_rank_rewrites(edit.factors), **{f"{name}.bias": Addition(one) for name, one in edit.biases.items()}}
    if isinstance(edit, SparseEdit):
        matrices = [tensor.removesuffix(".weight") for tensor in edit.tensors]
        return {f"{name}.weight": Sparse(edit.shapes[name], *edit.places[name]) for name in matrices}
    if isinstance(edit, HeadEdit):
        whole = edit.some is None and isinstance(edit.residual, tuple)
        rewrite = LowRank(*edit.residual) if whole else Addition(edit.delta())
        return dict.fromkeys(edit.tensors, rewrite)
    raise EditError(
        found=type(edit).__name__,
        expected="a LowRankEdit, SparseEdit or HeadEdit",
        where="a stack of edits",
        remedy="give it a Rewrite (anatomy.interventions.export.rewrite)",
    )
