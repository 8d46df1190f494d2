"""Log-likelihoods of continuations from a running engine.

Two ways. Where every candidate is one token, one forward pass of the context answers them all. Longer continuations are
scored as part of the prompt. Both read the prefix cache; for prompt positions that came from it vLLM returns uninitialised
memory as their log-probabilities, so a request that found more of itself in the cache than its context is asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from anatomy.errors import NumericsError

if TYPE_CHECKING:
    from anatomy.serving.engine import Engine

MAX_CANDIDATES = 128
"""Most token ids whose log-probabilities vLLM returns for one request."""


class Likelihood(NamedTuple):
    """Log-probability of a continuation in nats, and whether greedy decoding would write exactly it."""

    logprob: float
    greedy: bool


def next_token_likelihoods(
    engine: Engine, contexts: Sequence[list[int]], candidates: Sequence[Sequence[int]], adapter: Path | None
) -> list[list[Likelihood]]:
    """Log-probability of each single candidate token after each context, over the whole vocabulary.

    Args:
        contexts: token ids, at least one each.
        candidates: for each context its candidate tokens, at most ``MAX_CANDIDATES``.

    Returns:
        For each context one ``Likelihood`` a candidate, in order.

    Raises:
        NumericsError: a log-probability is NaN.
    """
    from vllm import SamplingParams

    # The sampled token is the argmax, so it answers "greedy" too; raw log-probabilities are taken before any masking.
    parameters = [
        SamplingParams(temperature=0, max_tokens=1, detokenize=False, logprob_token_ids=sorted(set(wanted)))
        for wanted in candidates
    ]
    outputs = engine.run(contexts, parameters, [adapter] * len(contexts))
    found = []
    for place, (output, wanted) in enumerate(zip(outputs, candidates, strict=True)):
        step, best = output.outputs[0].logprobs[0], output.outputs[0].token_ids[0]
        found.append([Likelihood(checked(step[token].logprob, place), token == best) for token in wanted])
    return found


def continuation_likelihoods(
    engine: Engine, contexts: Sequence[list[int]], continuations: Sequence[list[int]], adapter: Path | None
) -> list[Likelihood]:
    """Log-probability of each continuation after its context, summed over its tokens; contexts that begin alike should stand
    beside each other, so that the cache holds what they share.

    The last token is no part of the prompt: its log-probability is that of a sampled token.

    Raises:
        NumericsError: a log-probability is NaN.
    """
    # Requests that together fit the cache are never put off half computed and read back from it later. Half of it, because
    # each request also leaves part of a block unused.
    lengths = [len(context) + len(rest) for context, rest in zip(contexts, continuations, strict=True)]
    found: list[Likelihood] = []
    for start, end in _within(engine.cache_tokens // 2, lengths):
        found += _continuations(engine, contexts[start:end], continuations[start:end], adapter)
    return found


def _continuations(
    engine: Engine, contexts: Sequence[list[int]], continuations: Sequence[list[int]], adapter: Path | None
) -> list[Likelihood]:
    prompts = [[*context, *rest[:-1]] for context, rest in zip(contexts, continuations, strict=True)]

    def ask(places: Sequence[int], cached: bool) -> list[Any]:
        parameters = [_scoring(continuations[place], cached) for place in places]
        return engine.run([prompts[place] for place in places], parameters, [adapter] * len(places))

    outputs = ask(range(len(prompts)), cached=True)
    # Entry i of the prompt's log-probabilities comes from position i - 1, which must have been computed by this request.
    stale = [
        place
        for place, output in enumerate(outputs)
        if len(continuations[place]) > 1 and (output.num_cached_tokens or 0) >= len(contexts[place])
    ]
    for place, output in zip(stale, ask(stale, cached=False), strict=True):
        outputs[place] = output
    found = []
    for place, (output, context, rest) in enumerate(zip(outputs, contexts, continuations, strict=True)):
        first, last = output.prompt_logprobs[len(context) :] if len(rest) > 1 else [], output.outputs[0]
        logprobs = [row[token].logprob for row, token in zip(first, rest[:-1], strict=True)]
        greedy = all(row[token].rank == 1 for row, token in zip(first, rest[:-1], strict=True)) and last.token_ids[0] == rest[-1]
        total = float(np.sum([*logprobs, last.logprobs[0][rest[-1]].logprob], dtype=np.float64))
        found.append(Likelihood(checked(total, place), greedy))
    return found


def _scoring(continuation: Sequence[int], cached: bool) -> Any:
    from vllm import SamplingParams

    last = {"temperature": 0, "max_tokens": 1, "detokenize": False, "logprob_token_ids": [continuation[-1]]}
    # prompt_logprobs=1 returns the best token beside the given one, which "greedy" needs.
    before = {"prompt_logprobs": 1, "skip_reading_prefix_cache": not cached} if len(continuation) > 1 else {}
    return SamplingParams(**last, **before)


def _within(budget: int, lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Bounds of consecutive runs of at most ``budget`` tokens; a longer one alone."""
    start, total = 0, 0
    for place, length in enumerate(lengths):
        if place > start and total + length > budget:
            yield start, place
            start, total = place, 0
        total += length
    if lengths:
        yield start, len(lengths)


def checked(logprob: float, place: int) -> float:
    """The value itself, unless it is NaN."""
    if np.isnan(logprob):
        raise NumericsError(
            found="a NaN log-probability",
            expected="a number",
            where=f"request {place} of the batch",
            remedy="the edit's strength or the dtype may overflow; try float32 or a smaller strength",
        )
    return float(logprob)
