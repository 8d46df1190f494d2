"""Which first tokens an answer begins with: what a model says first where it does not refuse, from its own likeliest tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence


def derive_openers(first: Sequence[int], refusals: Collection[int], least_share: float) -> dict[int, float]:
    """Tokens that begin answers to harmless prompts, with the share of answers that each begins, the most frequent first.

    Ours. A token counts as refusal tokens do (``selection.token_refusal_share``): if it begins at least ``least_share`` of the
    answers that begin with no refusal token. Where no token does, the most frequent one stands alone.

    Args:
        first: the token that each answer begins with.
        refusals: tokens that refusals begin with.

    Returns:
        Empty where every answer begins with a refusal token.
    """
    counts = Counter(token for token in first if token not in refusals)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shares = {token: count / counts.total() for token, count in ranked}
    return {token: share for token, share in shares.items() if share >= least_share} or dict(list(shares.items())[:1])
