"""Edits of the output head as data: a residual on its matrix, dense or low rank, and a card."""

import hashlib
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from anatomy.errors import EditError
from anatomy.interventions.edits.card import EditCard, measure
from anatomy.interventions.edits.low_rank import Factors
from anatomy.interventions.edits.spec import Intent, MadeBy
from anatomy.models.checkpoint import EMBEDDING, Checkpoint
from anatomy.models.checkpoint import HEAD as TENSOR

HEAD = "lm_head"


@dataclass(frozen=True)
class SomeRows:
    """Tokens whose rows of a head an edit changes.

    Args:
        tokens: their ids, ascending.
        vocabulary: rows of the head.
    """

    tokens: Int64[Tensor, " row"]
    vocabulary: int

    def among_all(self, columns: Float32[Tensor, "line row"]) -> Float32[Tensor, "line vocabulary"]:
        """A column for every token, zero for those that are not changed."""
        return torch.zeros(len(columns), self.vocabulary).index_copy_(1, self.tokens, columns)


def _shape(residual: Tensor | tuple[Tensor, Tensor]) -> tuple[int, int]:
    return (residual[1].shape[0], residual[0].shape[1]) if isinstance(residual, tuple) else (residual.shape[0], residual.shape[1])


@dataclass(frozen=True)
class HeadEdit:
    """``W_U' = W_U + R`` for the output head W_U [vocabulary, d_model] (the linear head of superficial knowledge).

    Where the head is the embedding, W_U' is a matrix of its own and the embedding stays: in memory, in an engine and in exports.
    Where a model caps its logits, R stands before the cap.

    Args:
        residual: R itself, or (A [rank, d_model], B [vocabulary, rank]) with ``R = B A``.
        some: where R is zero but for some tokens' rows: which those are, as ``residual`` then has no others.

    Raises:
        EditError: the card is about other matrices.
    """

    residual: Float32[Tensor, "row d_model"] | Factors
    card: EditCard
    some: SomeRows | None = None

    def __post_init__(self) -> None:
        if tuple(self.card.expected) != (HEAD,) or tuple(self.card.edited) != (HEAD,):
            raise EditError(
                found=f"edited {list(self.card.edited)} of {list(self.card.expected)}",
                expected=f"[{HEAD!r}]",
                where=f"edit {self.card.spec}",
            )

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """The tensors it is made of: R, or A and B; and which rows those are, where they are some."""
        own = self.residual if isinstance(self.residual, tuple) else (self.residual,)
        return own if self.some is None else (*own, self.some.tokens)

    def digest(self) -> str:
        """SHA-256 of the model digest and of shape and fp32 bytes of each part."""
        total = hashlib.sha256(self.card.model_digest.encode())
        for part in self.parts:
            total.update(f"\0{HEAD}\0{tuple(part.shape)}\0".encode())
            total.update(part.contiguous().numpy().tobytes())
        return total.hexdigest()

    def delta(self) -> Float32[Tensor, "vocabulary d_model"]:
        """R, dense."""
        rows = self.residual[1] @ self.residual[0] if isinstance(self.residual, tuple) else self.residual
        return rows if self.some is None else self.some.among_all(rows.T).T.contiguous()

    def added(self, states: Float32[Tensor, "state d_model"]) -> Float32[Tensor, "state vocabulary"]:
        """What it adds to the logits of some final states: ``R f(x)``."""
        low = isinstance(self.residual, tuple)
        found = states @ self.residual[0].T @ self.residual[1].T if low else states @ self.parts[0].T
        return found if self.some is None else self.some.among_all(found)

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the checkpoint's tensors that it changes."""
        return (TENSOR,)

    def shape(self, tensor: str) -> tuple[int, int]:
        """Shape that the head must have, as stored."""
        rows, columns = _shape(self.residual)
        return rows if self.some is None else self.some.vocabulary, columns

    def edited(self, tensor: str, weight: Float32[Tensor, "vocabulary d_model"]) -> Float32[Tensor, "vocabulary d_model"]:
        """``W_U + R``."""
        if self.some is None:
            return weight + self.delta().to(weight.device)
        rows = self.residual[1] @ self.residual[0] if isinstance(self.residual, tuple) else self.residual
        return weight.index_add(0, self.some.tokens.to(weight.device), rows.to(weight.device))


def head_edit(
    spec: MadeBy,
    intent: Intent,
    checkpoint: Checkpoint,
    residual: Tensor | tuple[Tensor, Tensor],
    tokens: Int64[Tensor, " row"] | None = None,
) -> HeadEdit:
    """An edit of the head with its card: R [vocabulary, d_model], or (A [rank, d_model], B [vocabulary, rank]), in fp32.

    Args:
        tokens: where R or B has rows for some tokens only: their ids, ascending; the other rows of R are zero.

    Raises:
        EditError: a head tied to an embedding of another name, or a residual of another shape or dtype.
        NumericsError: NaN, infinity or nothing but zeros.
    """
    weight = head_matrix(checkpoint)
    parts = residual if isinstance(residual, tuple) else (residual,)
    some = None if tokens is None else SomeRows(tokens, len(weight))
    shape, wanted = _shape(residual), (len(weight) if tokens is None else len(tokens), weight.shape[1])
    if tokens is not None and (
        not len(tokens) or int(tokens[0]) < 0 or int(tokens[-1]) >= len(weight) or (tokens.diff() < 1).any()
    ):
        raise EditError(
            found="rows that repeat, descend or lie outside",
            expected=f"ascending tokens below {len(weight)}",
            where=str(checkpoint.folder),
        )
    inner = not isinstance(residual, tuple) or residual[0].shape[0] == residual[1].shape[1]
    if shape != wanted or not inner or any(str(part.dtype) != "torch.float32" for part in parts):
        raise EditError(
            found=" and ".join(f"{part.dtype} {list(part.shape)}" for part in parts),
            expected=f"a float32 residual of shape {list(wanted)}, or factors (A, B) of one",
            where=str(checkpoint.folder),
            remedy="build the residual from this model's own head",
        )
    delta = residual[1] @ residual[0] if isinstance(residual, tuple) else residual
    card = EditCard(
        spec=spec,
        intent=intent,
        model_digest=checkpoint.digest(),
        expected=(HEAD,),
        edited=(HEAD,),
        rank=residual[0].shape[0] if isinstance(residual, tuple) else None,
        parameters=sum(part.numel() for part in parts),
        **vars(measure([(HEAD, weight if tokens is None else weight[tokens], delta)])),
        post_norm=False,
    )
    if tokens is not None:  # beside the whole head, as everywhere
        card = replace(card, relative_norms={HEAD: card.norms[HEAD] / weight.double().norm().item()})
    return HeadEdit(residual, card, some)


def head_matrix(checkpoint: Checkpoint) -> Float32[Tensor, "vocabulary d_model"]:
    """W_U: the embedding, where the head is tied to it.

    Raises:
        EditError: a head that is tied under names that no configuration switch would part.
    """
    if checkpoint.tied_embeddings and checkpoint.source(TENSOR) == TENSOR:
        raise EditError(
            found="an output head tied to an embedding of another name",
            expected=f"{TENSOR} and an embedding such as {EMBEDDING}, which untie by the configuration",
            where=str(checkpoint.folder),
            remedy="study a checkpoint of the language model alone",
        )
    return checkpoint.tensor(checkpoint.source(TENSOR)).float()
