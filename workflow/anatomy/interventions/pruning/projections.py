"""Removal of the output directions that a set of answers depends on, with those of another set left (ActSVD as an edit)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float32, Float64
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import StoreError, parsing
from anatomy.interventions.edits.low_rank import Factors, LowRankEdit, low_rank_edit
from anatomy.interventions.edits.spec import MadeBy
from anatomy.models.checkpoint import Checkpoint
from anatomy.store.files import write_aside

Projections = dict[str, dict[str, Factors]]
"""Factors by matrix, of each removal by name."""


def removal(
    weight: Float32[Tensor, "rows columns"],
    removed: Float64[Tensor, "rows few"],
    preserved: Float64[Tensor, "rows kept"],
    rank: int,
) -> Factors:
    """Factors of ``-(I - Pi_u) Pi_s W`` (arXiv 2402.05162, its orthogonal projection): outputs lose what only one set has.

    The weight becomes ``W - Delta`` with ``Delta = (I - Pi_u) Pi_s W``.

    Args:
        removed: orthonormal basis of the space that is removed, Pi_s (``response_inputs.output_space`` of one set).
        preserved: the same of the space that stays, Pi_u (of another set); may have no column.
        rank: of the factors, at least that of ``removed``: the rest is zeros, so that all matrices have one rank.
    """
    only = removed - preserved @ (preserved.T @ removed)
    a, b = torch.zeros(rank, weight.shape[1]), torch.zeros(weight.shape[0], rank)
    a[: removed.shape[1]] = (removed.T @ weight.detach().double()).float().cpu()
    b[:, : removed.shape[1]] = -only.float().cpu()
    return a, b


def random_space(rows: int, rank: int, generator: torch.Generator) -> Float64[Tensor, "rows rank"]:
    """Orthonormal basis of random directions."""
    return torch.linalg.qr(torch.randn(rows, rank, generator=generator, dtype=torch.float64)).Q


def projection_edit(spec: MadeBy, checkpoint: Checkpoint, factors: Mapping[str, Factors]) -> LowRankEdit:
    """A removal as an edit with its card. It is one to measure: its numbers are kept, never edited weights.

    Raises:
        EditError, NumericsError: as ``low_rank_edit``.
    """
    return low_rank_edit(spec, "measure", checkpoint, factors, list(factors))


def write_projections(path: Path, several: Projections) -> None:
    """Write factors into one file."""
    tensors = {
        f"{key}|{side}|{name}": factor.contiguous()
        for key, own in several.items()
        for name, factors in own.items()
        for side, factor in zip("ab", factors, strict=True)
    }
    write_aside(path, lambda aside: save_file(tensors, aside, {"projections": "factors of W + B A"}))


def read_projections(path: Path) -> Projections:
    """What ``write_projections`` wrote; matrices in the order of their names.

    Raises:
        StoreError: the file is missing or damaged.
    """
    with parsing(
        StoreError, str(path), "factors written by the workflow", SafetensorError, remedy="delete the file and run again"
    ):
        with safe_open(path, framework="pt") as stream:
            names = sorted(key.split("|") for key in stream.keys())  # noqa: SIM118
        tensors = load_file(path)
        found: Projections = {}
        for key, side, name in names:
            if side == "a":
                found.setdefault(key, {})[name] = (tensors[f"{key}|a|{name}"], tensors[f"{key}|b|{name}"])
        return found
