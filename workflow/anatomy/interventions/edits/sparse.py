"""Sparse edits of weight matrices as data: places and new values by matrix name, as pruning makes them."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from anatomy.errors import EditError
from anatomy.interventions.edits.card import Change, EditCard, measure
from anatomy.interventions.edits.inventory import dense_shapes, has_post_norms
from anatomy.interventions.edits.spec import Intent, MadeBy
from anatomy.models.checkpoint import Checkpoint

Places = tuple[Int64[Tensor, " _"], Float32[Tensor, " _"]]
"""Indices that count a matrix' elements in storage order and ascend, and the values that stand there afterwards."""


@dataclass(frozen=True)
class SparseEdit:
    """Places of an edit and its card.

    Args:
        places: by matrix, ``model.layers.3.mlp.gate_proj``; a matrix may have none.
        shapes: of each matrix, as stored.

    Raises:
        EditError: other matrices than the card expects; places that repeat, descend or lie outside; values that are not finite.
    """

    places: dict[str, Places]
    shapes: dict[str, tuple[int, int]]
    card: EditCard

    def __post_init__(self) -> None:
        found, expected = set(self.places), set(self.card.expected)
        if found != expected or found != set(self.shapes):
            raise EditError(
                found=f"places for {len(found)} matrices; first difference "
                f"{min((found ^ expected) | (found ^ set(self.shapes)))}",
                expected=f"exactly the {len(expected)} matrices of the inventory",
                where=f"edit {self.card.spec}",
            )
        for name, (indices, values) in self.places.items():
            _check(name, indices, values, self.shapes[name])

    def digest(self) -> str:
        """SHA-256 of the model digest and of every matrix' name, shape, indices and fp32 values."""
        total = hashlib.sha256(self.card.model_digest.encode())
        for name in sorted(self.places):
            total.update(f"\0{name}\0{tuple(self.shapes[name])}\0".encode())
            for part in self.places[name]:
                total.update(part.contiguous().numpy().tobytes())
        return total.hexdigest()

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the checkpoint's tensors that it changes; a matrix in which no place changes is left out."""
        return tuple(f"{name}.weight" for name, (indices, _) in self.places.items() if len(indices))

    def shape(self, tensor: str) -> tuple[int, int]:
        """Shape that a tensor must have, as stored."""
        rows, columns = self.shapes[tensor.removesuffix(".weight")]
        return rows, columns

    def edited(self, tensor: str, weight: Float32[Tensor, "rows columns"]) -> Float32[Tensor, "rows columns"]:
        """The tensor with the new values in their places."""
        indices, values = self.places[tensor.removesuffix(".weight")]
        new = weight.clone().contiguous()
        new.view(-1)[indices.to(weight.device)] = values.to(weight.device)
        return new


def sparse_edit(
    spec: MadeBy, intent: Intent, checkpoint: Checkpoint, places: Mapping[str, Places], expected: Sequence[str]
) -> SparseEdit:
    """A sparse edit with its card.

    Args:
        spec: what made it, for the card.
        expected: every matrix that the method meant to look at; each must have its places, possibly none.

    Raises:
        EditError: a matrix that is no floating-point matrix of a block, or one of fused experts; as ``SparseEdit``.
        NumericsError: the whole edit changes nothing.
    """
    shapes = dense_shapes(checkpoint, places)
    for name, (indices, values) in places.items():
        _check(name, indices, values, shapes[name])
    sizes = measure(_changes(checkpoint, places), unchanged=True)
    card = EditCard(
        spec=spec,
        intent=intent,
        model_digest=checkpoint.digest(),
        expected=tuple(expected),
        edited=tuple(places),
        rank=None,
        parameters=sum(len(indices) for indices, _ in places.values()),
        **vars(sizes),
        post_norm=has_post_norms(checkpoint),
    )
    return SparseEdit(dict(places), shapes, card)


def _changes(checkpoint: Checkpoint, places: Mapping[str, Places]) -> Iterator[Change]:
    for name, (indices, values) in places.items():
        weight = checkpoint.tensor(f"{name}.weight").float()
        delta = torch.zeros_like(weight)
        delta.view(-1)[indices] = values - weight.view(-1)[indices]
        yield name, weight, delta


def _check(name: str, indices: Tensor, values: Tensor, shape: tuple[int, ...]) -> None:
    typed = indices.dtype == torch.int64 and values.dtype == torch.float32 and indices.shape == values.shape == (len(indices),)
    ascend = bool((indices.diff() > 0).all())
    inside = not len(indices) or bool(indices[0] >= 0 and indices[-1] < torch.Size(shape).numel())
    if not typed or not ascend or not inside:
        raise EditError(
            found=f"indices {indices.dtype} {list(indices.shape)} and values {values.dtype} {list(values.shape)}"
            if not typed
            else "indices that repeat, descend or lie outside",
            expected=f"ascending int64 places in shape {tuple(shape)} and as many float32 values",
            where=name,
        )
    if not bool(values.isfinite().all()):
        raise EditError(found="NaN or infinity among the new values", expected="finite numbers", where=name)
