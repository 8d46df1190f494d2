"""What happens to the values of one tensor while it is streamed, a few rows at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from anatomy.errors import EditError
from anatomy.interventions.edits.low_rank import Factors
from anatomy.models.matrix_names import stored_transposed

Rows = Float32[Tensor, "rows columns"]
"""Rows of a tensor seen as a matrix: all dimensions but the last are rows, a vector is one column."""


@runtime_checkable
class Rewrite(Protocol):
    """A change of one tensor that needs no more of it than the rows at hand.

    Attributes:
        shape: of the tensor it is meant for, as stored.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __call__(self, rows: Rows, start: int) -> tuple[Rows, Rows]:
        """The new rows, and the change that is asked of them, in fp32; ``start`` is the first row's number.

        The change is returned beside the new rows because adding it rounds: only so can its surviving share be measured.
        """
        ...


@dataclass(frozen=True)
class LowRank:
    """``W + B A``; with ``transposed`` the tensor holds ``W^T``, as embeddings do, and GPT-2's matrices."""

    a: Float32[Tensor, "rank d_in"]
    b: Float32[Tensor, "d_model rank"]
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        shape = (self.b.shape[0], self.a.shape[1])
        return shape[::-1] if self.transposed else shape

    def __call__(self, rows: Rows, start: int) -> tuple[Rows, Rows]:
        stop = start + rows.shape[0]
        change = self.a[:, start:stop].T @ self.b.T if self.transposed else self.b[start:stop] @ self.a
        return rows + change, change


@dataclass(frozen=True)
class Sparse:
    """New values at some places: ``indices`` count the elements of the tensor in storage order and ascend."""

    shape: tuple[int, ...]
    indices: Int64[Tensor, " place"]
    values: Float32[Tensor, " place"]

    def __post_init__(self) -> None:
        ascend = bool((self.indices.diff() > 0).all())
        inside = not len(self.indices) or bool(self.indices[0] >= 0 and self.indices[-1] < torch.Size(self.shape).numel())
        if not ascend or not inside:
            raise EditError(
                found="indices that repeat, descend or lie outside",
                expected=f"ascending places in shape {self.shape}",
                where="a sparse edit",
            )

    def __call__(self, rows: Rows, start: int) -> tuple[Rows, Rows]:
        first = start * rows.shape[1]
        low, high = torch.searchsorted(self.indices, torch.tensor([first, first + rows.numel()])).tolist()
        new = rows.clone()
        new.view(-1)[self.indices[low:high] - first] = self.values[low:high]
        return new, new - rows


@dataclass(frozen=True)
class Addition:
    """``W + R`` with R given in full."""

    values: Float32[Tensor, "..."]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def __call__(self, rows: Rows, start: int) -> tuple[Rows, Rows]:
        change = self.values.reshape(-1, rows.shape[1])[start : start + rows.shape[0]]
        return rows + change, change


@dataclass(frozen=True)
class Replacement:
    """Every value given."""

    values: Float32[Tensor, "..."]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def __call__(self, rows: Rows, start: int) -> tuple[Rows, Rows]:
        new = self.values.reshape(-1, rows.shape[1])[start : start + rows.shape[0]]
        return new, new - rows


def low_rank_rewrites(factors: Mapping[str, Factors]) -> dict[str, Rewrite]:
    """The factors of a low-rank edit (by matrix) as rewrites (by tensor)."""
    return {f"{name}.weight": LowRank(a, b, transposed=stored_transposed(name)) for name, (a, b) in factors.items()}
