"""Whether two models know the same tokens: a distribution over one vocabulary says nothing about another."""

from __future__ import annotations

from typing import Any

from anatomy.errors import ModelError

NAMED = 5
"""Differences that a message names."""


def require_same_tokens(base: Any, aligned: Any, where: str) -> None:
    """Refuse a pair of models whose tokenizers give a token different ids.

    Args:
        base, aligned: their tokenizers.
        where: the pair, in words.

    Raises:
        ModelError: tokens that one of them lacks or that have another id, by name.
    """
    first, second = base.get_vocab(), aligned.get_vocab()
    if first == second:
        return
    names = sorted(token for token in {*first, *second} if first.get(token) != second.get(token))
    shown = "; ".join(f"{token!r} is {_id(first, token)} and {_id(second, token)}" for token in names[:NAMED])
    raise ModelError(
        found=f"{len(names)} tokens that differ between base and aligned model: {shown}",
        expected="one tokenizer for both",
        where=where,
        remedy="name the base that the aligned model was trained from; a token added in training must be in both",
    )


def _id(vocabulary: dict[str, int], token: str) -> str:
    return str(vocabulary[token]) if token in vocabulary else "missing"
