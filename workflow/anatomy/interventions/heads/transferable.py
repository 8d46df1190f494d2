"""A residual on logits instead of states: it fits every model of a family that shares the tokenizer (arXiv 2502.04602)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anatomy.errors import ConfigError, EditError
from anatomy.interventions.heads.targets import require_k

MOST_TOKENS = 40_000
"""Vocabularies up to this size get a whole matrix: 32,000 tokens as published are 4 GB, and Adam takes three more of them."""


def require_square(vocabulary: int, where: str) -> None:
    """Refuse (``ConfigError``) a vocabulary whose square is no matrix that a machine holds."""
    if vocabulary > MOST_TOKENS:
        raise ConfigError(
            found=f"a vocabulary of {vocabulary:,} tokens, for which the matrix has {vocabulary**2 / 1e9:.0f} billion entries",
            expected=f"at most {MOST_TOKENS:,}",
            where=where,
            remedy="let heads change the likeliest tokens alone (the paper's option union), or leave the pair out of transfer.to",
        )


def top_logits(logits: Float[Tensor, "row vocabulary"], k: int) -> Float[Tensor, "row vocabulary"]:
    """Logits with all but the k largest of each row set to zero."""
    values, places = logits.topk(k, 1)
    return torch.zeros_like(logits).scatter_(1, places, values)


@dataclass(frozen=True)
class TopLogits:
    """The k largest logits of tokens, computed for those that are asked for: all of them would fill a memory.

    Args:
        features: final states; ``weight`` is the head that multiplies them.
    """

    features: Float[Tensor, "token d_model"]
    weight: Float[Tensor, "vocabulary d_model"]
    k: int

    def logits(self, rows: Int[Tensor, " row"]) -> Float[Tensor, "row vocabulary"]:
        """All logits of some tokens."""
        return self.features[rows].float() @ self.weight.T

    def __getitem__(self, rows: Int[Tensor, " row"], /) -> Float[Tensor, "row vocabulary"]:
        """``topk(l)`` of some tokens."""
        return top_logits(self.logits(rows), self.k)


@dataclass(frozen=True)
class LogitsHead:
    """``T topk(l)``, which is added to logits l.

    Args:
        matrix: T.
        k: logits of the whole vocabulary that it reads.
        tokens: ids of T's rows and columns where these are not all tokens: it reads and changes no others.
    """

    matrix: Float[Tensor, "member member"]
    k: int
    tokens: Int[Tensor, " member"] | None = None

    def changed(self, logits: Float[Tensor, "row vocabulary"]) -> Float[Tensor, "row vocabulary"]:
        """``l + T topk(l)``."""
        read = top_logits(logits, self.k)
        matrix = self.matrix.to(logits.device)
        if self.tokens is None:
            return logits + read @ matrix.T
        tokens = self.tokens.to(logits.device)
        return logits.index_add(1, tokens, read[:, tokens] @ matrix.T)


@contextmanager
def attached(model: Any, added: LogitsHead) -> Iterator[None]:
    """While the context lasts, a model's logits are ``l + T topk(l)``.

    Raises:
        ConfigError: k is larger than the vocabulary.
        EditError: the model's vocabulary is another than the matrix's.
    """
    head = model.get_output_embeddings()
    rows, wanted = head.weight.shape[0], added.matrix.shape
    square = wanted == (rows, rows) if added.tokens is None else wanted[0] == wanted[1] and int(added.tokens.max()) < rows
    if not square:
        raise EditError(
            found=f"a matrix of {list(wanted)}",
            expected=f"[{rows}, {rows}], the model's vocabulary, or some of its tokens",
            where="a transferable head",
            remedy="attach it to models of the family that it was trained in",
        )
    require_k(added.k, rows, "a transferable head")

    def changed(_module: torch.nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        flat = output.reshape(-1, rows).float()
        return added.changed(flat).reshape(output.shape).to(output.dtype)

    handle = head.register_forward_hook(changed)
    try:
        yield
    finally:
        handle.remove()


def space_similarity(one: Float[Tensor, "row vocabulary"], other: Float[Tensor, "row vocabulary"]) -> float:
    """How alike the spaces are that two models' logits span: ``||V^T U||_F / sqrt(||V||_F ||U||_F)`` of right singular vectors.

    1 for one space and 0 for orthogonal ones. As many vectors as tokens span everything, so take few.
    """
    bases = [torch.linalg.svd(each.float(), full_matrices=False).Vh for each in (one, other)]
    norms = [float(basis.norm()) for basis in bases]
    return float((bases[0] @ bases[1].T).norm()) / (norms[0] * norms[1]) ** 0.5
