"""What an edit of weights is: its inventory, its size, how much of it a narrower dtype keeps, and what it is meant to do."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.edits.spec import Intent, MadeBy
from anatomy.store.json_objects import JsonObject


@dataclass(frozen=True)
class EditCard:
    """What an edit is.

    Attributes:
        spec: the concrete spec it was built from, or a maker's own words.
        intent: what the edit is meant for (``edits.spec.Intent``).
        model_digest: of the checkpoint it was built for.
        expected: every matrix the spec asks for.
        edited: every matrix the edit has numbers for; differs from ``expected`` never, or the edit is refused.
        rank: of each matrix' edit; None where it is no product of factors.
        parameters: numbers in the edit.
        norms: ||Delta||_F by matrix.
        relative_norms: ||Delta||_F / ||W||_F by matrix.
        surviving: share of the edit that a merge in bfloat16 keeps, ``<bf16(W') - W, Delta> / ||Delta||^2``, by matrix.
        surviving_share: the same over all matrices together.
        post_norm: a norm follows the matrices, so the edit of W is not an edit of what is written to the stream.
    """

    spec: MadeBy
    intent: Intent
    model_digest: str
    expected: tuple[str, ...]
    edited: tuple[str, ...]
    rank: int | None
    parameters: int
    norms: dict[str, float]
    relative_norms: dict[str, float]
    surviving: dict[str, float]
    surviving_share: float
    post_norm: bool

    def as_json(self) -> JsonObject:
        return dataclasses.asdict(self) | {"expected": list(self.expected), "edited": list(self.edited)}

    @classmethod
    def from_json(cls, card: JsonObject) -> "EditCard":
        return cls(**card | {"expected": tuple(card["expected"]), "edited": tuple(card["edited"])})


def require_files(folder: Path, names: Iterable[str], what: str) -> None:
    """Refuse (``EditError``) a folder of an edit that lacks a file; `what` it should be."""
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise EditError(found=f"no {', '.join(missing)}", expected=what, where=str(folder))


Change = tuple[str, Float32[Tensor, "rows columns"], Float32[Tensor, "rows columns"]]
"""A matrix' name, W and Delta."""


@dataclass(frozen=True)
class Sizes:
    """``norms, relative_norms, surviving, surviving_share`` of a card."""

    norms: dict[str, float]
    relative_norms: dict[str, float]
    surviving: dict[str, float]
    surviving_share: float


def measure(changes: Iterable[Change], *, unchanged: bool = False) -> Sizes:
    """Measure an edit against the weights it is for, one matrix in memory at a time.

    Args:
        unchanged: whether single matrices may stay as they are, of which all survives; the whole edit may not.

    Raises:
        NumericsError: NaN or infinity, in the edit or in the weights, or an edit of zero norm.
    """
    norms, relative, surviving, kept, total = {}, {}, {}, 0.0, 0.0
    for name, weight, delta in changes:
        square = delta.double().square().sum().item()
        if not 0.0 < square < float("inf") and not (unchanged and square == 0.0):
            raise _no_size(square, name) if bool(weight.isfinite().all()) else _no_weights(name)
        survived = _surviving_product(weight, delta)
        norms[name] = square**0.5
        relative[name] = square**0.5 / weight.double().norm().item() if square else 0.0
        surviving[name] = survived / square if square else 1.0
        kept, total = kept + survived, total + square
    if not total > 0.0:
        raise _no_size(total, "all matrices together")
    return Sizes(norms, relative, surviving, kept / total)


def _no_size(square: float, where: str) -> NumericsError:
    return NumericsError(
        found=f"an edit of squared norm {square}",
        expected="a finite norm above zero",
        where=where,
        remedy="check direction and strength",
    )


def _no_weights(where: str) -> NumericsError:
    return NumericsError(
        found=f"weights of {where} that are NaN or infinite",
        expected="finite weights to edit",
        where=where,
        remedy="copy or download the weights again",
    )


def _surviving_product(weight: Tensor, delta: Tensor) -> float:
    merged = (weight + delta).to(torch.bfloat16)
    return ((merged.double() - weight.double()) * delta.double()).sum().item()
