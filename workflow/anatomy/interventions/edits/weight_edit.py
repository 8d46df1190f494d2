"""What every edit of weights can do, whatever it is made of, and stacks of them on a checkpoint."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.edits.card import EditCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.matrix_names import EMBEDDINGS
from anatomy.store.digest import digest

TIED = (*(f"{name}.weight" for name in EMBEDDINGS), "lm_head.weight")
"""The tensors that are one matrix where embeddings are tied."""


@runtime_checkable
class WeightEdit(Protocol):
    """A change of some tensors of one model: ``LowRankEdit``, ``SparseEdit``, ``HeadEdit``."""

    @property
    def card(self) -> EditCard: ...

    @property
    def tensors(self) -> tuple[str, ...]: ...

    def shape(self, tensor: str) -> tuple[int, ...]: ...

    def edited(self, tensor: str, weight: Float32[Tensor, "..."]) -> Float32[Tensor, "..."]: ...

    def digest(self) -> str: ...


def stack_digest(edits: Sequence[WeightEdit]) -> str:
    """What tells stacks of edits apart: their digests in order."""
    return digest([edit.digest() for edit in edits])


def touched(edits: Sequence[WeightEdit]) -> list[str]:
    """Names of the tensors that a stack changes, each once."""
    return list(dict.fromkeys(name for edit in edits for name in edit.tensors))


def check_stack(edits: Sequence[WeightEdit], checkpoint: Checkpoint) -> None:
    """Refuse (``EditError``) a stack for another model, for tensors it lacks or has in another shape, or for a tied embedding.

    A head that is tied to the embedding gets a matrix of its own wherever the edit is applied; an edit of the embedding would
    change what the head computes too.
    """
    names = set(checkpoint.names())
    for edit in edits:
        for name in edit.tensors:
            source = checkpoint.source(name)
            if checkpoint.tied_embeddings and name.endswith(TIED) and source == name:
                raise EditError(
                    found=f"an edit of {name}, tied to another matrix",
                    expected="a matrix of its own",
                    where=str(checkpoint.folder),
                    remedy="write an untied copy (anatomy.interventions.export.untied.write_untied) and study that",
                )
            if source not in names or checkpoint.shape(source) != edit.shape(name):
                raise EditError(
                    found=f"an edit of {name}, shape {list(edit.shape(name))}",
                    expected=f"shape {list(checkpoint.shape(source))}" if source in names else "a tensor that the model has",
                    where=str(checkpoint.folder),
                    remedy="build the edit from this model's own weights",
                )
        if edit.card.model_digest != checkpoint.digest():
            raise EditError(
                found=f"an edit for model {edit.card.model_digest[:12]}",
                expected=f"model {checkpoint.digest()[:12]}",
                where=str(checkpoint.folder),
                remedy="build the edit from this model's own weights",
            )


def edited_tensors(edits: Sequence[WeightEdit], checkpoint: Checkpoint, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Every touched tensor under the whole stack, one in memory at a time.

    The tensor is first what a model opened in ``dtype`` holds, so that every way edits the same numbers; then first edit first,
    in fp32, cast once.

    Raises:
        NumericsError: a number that the dtype cannot hold.
    """
    for name in touched(edits):
        yield name, edited_weight(name, checkpoint.tensor(checkpoint.source(name)).to(dtype), edits, dtype)


def edited_weight(name: str, weight: Tensor, edits: Sequence[WeightEdit], dtype: torch.dtype) -> Tensor:
    """One tensor under a stack of edits, computed in fp32 and cast once. Raises as ``edited_tensors``."""
    new = weight.float()
    for edit in edits:
        if name in edit.tensors:
            new = edit.edited(name, new)
    cast = new.to(dtype).contiguous()
    if not bool(cast.isfinite().all()):
        raise NumericsError(
            found="NaN or infinity after the edit",
            expected=f"numbers that {dtype} can hold",
            where=name,
            remedy="check the strength of the edit",
        )
    return cast
