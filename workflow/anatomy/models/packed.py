"""Matrices of which several numbers lie in one byte: their shape and their scales."""

from __future__ import annotations

from torch import Tensor


def shape_of(weight: Tensor) -> tuple[int, ...]:
    """The shape of a matrix, also where its numbers lie packed in bytes."""
    state = getattr(weight, "quant_state", None)
    return tuple(weight.shape if state is None else state.shape)


def scales_of(weight: Tensor) -> Tensor | None:
    """The scales that a packed matrix is multiplied with; None for one that is not packed."""
    state = getattr(weight, "quant_state", None)
    return None if state is None else state.absmax
