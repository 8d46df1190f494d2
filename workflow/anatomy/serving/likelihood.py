"""Log-likelihoods of continuations from a running engine.

Two ways. Where every candidate is one token, one forward pass of the context answers them all. Longer continuations are
scored as part of the prompt, with the prefix cache not read: for positions that came from the cache vLLM returns
uninitialised memory as their log-probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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


def next_token_likelihoods(engine: Engine, contexts: Sequence[list[int]], candidates: Sequence[Sequence[int]],
                           adapter: Path | None) -> list[list[Likelihood]]:
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
    parameters = [SamplingParams(temperature=0, max_tokens=1, detokenize=False, logprob_token_ids=sorted(set(wanted)))
                  for wanted in candidates]
    outputs = engine.run(contexts, parameters, [adapter] * len(contexts))
    found = []
    for place, (output, wanted) in enumerate(zip(outputs, candidates, strict=True)):
        step, best = output.outputs[0].logprobs[0], output.outputs[0].token_ids[0]
        found.append([Likelihood(checked(step[token].logprob, place), token == best) for token in wanted])
    return found


def continuation_likelihoods(engine: Engine, contexts: Sequence[list[int]], continuations: Sequence[list[int]],
                             adapter: Path | None) -> list[Likelihood]:
    """Log-probability of each continuation after its context, summed over its tokens.

    Raises:
        NumericsError: a log-probability is NaN.
    """
    from vllm import SamplingParams

    # prompt_logprobs=1 returns the best token beside the given one, which "greedy" needs.
    parameter = SamplingParams(temperature=0, max_tokens=1, detokenize=False, prompt_logprobs=1,
                               skip_reading_prefix_cache=True)
    whole = [list(context) + list(rest) for context, rest in zip(contexts, continuations, strict=True)]
    outputs = engine.run(whole, [parameter] * len(whole), [adapter] * len(whole))
    found = []
    for place, (output, context, ids) in enumerate(zip(outputs, contexts, whole, strict=True)):
        rows = output.prompt_logprobs[len(context) :]
        logprobs = [row[token].logprob for row, token in zip(rows, ids[len(context) :], strict=True)]
        greedy = all(row[token].rank == 1 for row, token in zip(rows, ids[len(context) :], strict=True))
        found.append(Likelihood(checked(float(np.sum(logprobs, dtype=np.float64)), place), greedy))
    return found


def checked(logprob: float, place: int) -> float:
    """The value itself, unless it is NaN."""
    if np.isnan(logprob):
        raise NumericsError(found="a NaN log-probability", expected="a number", where=f"request {place} of the batch",
                            remedy="the edit's strength or the dtype may overflow; try float32 or a smaller strength")
    return float(logprob)
