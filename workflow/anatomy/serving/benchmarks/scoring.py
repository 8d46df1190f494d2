"""Tokenised questions to log-likelihoods, each by the cheapest right way that the machine has.

Where all choices of a context are one token, one pass of the context on the engine answers them (``next_token_likelihoods``).
Longer choices are scored as packed rows where there is a ``PackedScorer``, else by the engine as parts of prompts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anatomy.errors import DataError
from anatomy.progress.counting import Progress
from anatomy.serving.likelihood import MAX_CANDIDATES, Likelihood, continuation_likelihoods, next_token_likelihoods

if TYPE_CHECKING:
    from anatomy.serving.engine import Engine
    from anatomy.serving.packed_likelihood import PackedScorer

Encoded = tuple[Any, list[int], list[int]]
"""lm-eval's request after tokenisation: its key (context and choice as text), the context's tokens, the choice's tokens."""

PACKED_QUESTIONS = 256
"""Contexts scored between two lines of progress."""


def require_scorable(requests: Sequence[Encoded], limit: int, where: str) -> None:
    """Refuse questions before the first one is scored; none is ever cut.

    Args:
        limit: tokens of a context and its choice together (``Engine.max_model_len``).

    Raises:
        DataError: a context or choice without tokens, or questions that are too long, with their number and the first.
    """
    for key, context, continuation in requests:
        if not context or not continuation:
            raise DataError(
                found="no tokens",
                expected="a context and a choice of at least one token",
                where=f"{where}, request {str(key)[-160:]}",
                remedy="check the task's prompt and choices",
            )
    long = [request for request in requests if len(request[1]) + len(request[2]) > limit]
    if long:
        longest = max(long, key=lambda request: len(request[1]) + len(request[2]))
        raise DataError(
            found=f"{len(long)} of {len(requests)} requests too long; the longest has {len(longest[1])} tokens of context and "
            f"{len(longest[2])} of choice: ...{str(longest[0][0])[-120:]!r}",
            expected=f"together at most {limit}",
            where=where,
            remedy="raise max_model_len, show fewer examples, or leave the task out",
        )


def score(
    engine: Engine,
    adapter: Path | None,
    requests: Sequence[Encoded],
    *,
    packed: PackedScorer | None = None,
    shard_size: int = 512,
    say: Callable[[str], None] | None = None,
) -> list[Likelihood]:
    """Log-likelihood of each request under one variant.

    The engine's prefix cache is emptied first, so that rounding does not depend on what was asked before. Where questions share
    cache blocks with each other (few-shot examples), 1e-6 of a log-likelihood is left to the engine.

    Args:
        engine: open, and in the variant's state.
        adapter: the variant's adapter, or None.
        requests: checked by ``require_scorable``.
        packed: over the same model in the same state; None scores long choices on the engine.
        shard_size: requests of one call of the engine.
        say: receives a line with rate and remaining time after each batch.
    """
    engine.reset_prefix_cache()
    contexts: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for place, (_key, context, _continuation) in enumerate(requests):
        contexts[tuple(context)].append(place)
    single = {context: places for context, places in contexts.items() if all(len(requests[place][2]) == 1 for place in places)}
    found: dict[int, Likelihood] = {}
    progress = Progress("choices scored", len(requests), say)
    # Sorted, so that questions that begin alike (the examples of a subject) meet while their blocks are in the cache.
    units = [
        (context, places[start : start + MAX_CANDIDATES])
        for context, places in sorted(single.items())
        for start in range(0, len(places), MAX_CANDIDATES)
    ]
    for start in range(0, len(units), shard_size):
        shard = units[start : start + shard_size]
        candidates = [[requests[place][2][0] for place in places] for _context, places in shard]
        rows = next_token_likelihoods(engine, [list(context) for context, _ in shard], candidates, adapter)
        for (_context, places), row in zip(shard, rows, strict=True):
            found.update(zip(places, row, strict=True))
        progress.advance(sum(len(places) for _context, places in shard))
    longer = sorted((context, places) for context, places in contexts.items() if context not in single)
    if packed is not None:
        for start in range(0, len(longer), PACKED_QUESTIONS):
            shard = longer[start : start + PACKED_QUESTIONS]
            rows = packed.score([(context, [requests[place][2] for place in places]) for context, places in shard])
            for (_context, places), row in zip(shard, rows, strict=True):
                found.update(zip(places, row, strict=True))
            progress.advance(sum(len(places) for _context, places in shard))
        return [found[place] for place in range(len(requests))]
    order = [place for _context, places in longer for place in places]
    for start in range(0, len(order), shard_size):
        places = order[start : start + shard_size]
        likelihoods = continuation_likelihoods(
            engine, [requests[place][1] for place in places], [requests[place][2] for place in places], adapter
        )
        found.update(zip(places, likelihoods, strict=True))
        progress.advance(len(places))
    return [found[place] for place in range(len(requests))]
