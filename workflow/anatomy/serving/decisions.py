"""Short greedy answers together with the log-probabilities of a few candidate tokens at each of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from anatomy.errors import ModelError
from anatomy.serving.likelihood import MAX_CANDIDATES, checked

if TYPE_CHECKING:
    from anatomy.serving.engine import Engine


class Decided(NamedTuple):
    """What was written, and for each written token the log-probability (nats, over the whole vocabulary) of each candidate
    in its place."""

    token_ids: list[int]
    logprobs: list[dict[int, float]]


def decide(engine: Engine, prompts: Sequence[list[int]], candidates: Sequence[int], max_new_tokens: int) -> list[Decided]:
    """Greedy answers of the unedited model.

    Args:
        prompts: token ids; each must leave room for ``max_new_tokens``.
        candidates: token ids, at most ``MAX_CANDIDATES``.

    Raises:
        DataError: a prompt is empty or too long.
        ModelError: too many candidates.
        NumericsError: a log-probability is NaN.
    """
    from vllm import SamplingParams

    wanted = sorted(set(candidates))
    if not 0 < len(wanted) <= MAX_CANDIDATES:
        raise ModelError(
            found=f"{len(wanted)} candidate tokens",
            expected=f"1 to {MAX_CANDIDATES}",
            where="decide",
            remedy="ask for fewer different words",
        )
    parameters = SamplingParams(temperature=0, max_tokens=max_new_tokens, detokenize=False, logprob_token_ids=wanted)
    outputs = engine.run(prompts, [parameters] * len(prompts), [None] * len(prompts))
    found = []
    for place, output in enumerate(outputs):
        written = output.outputs[0]
        steps = [{token: checked(step[token].logprob, place) for token in wanted} for step in written.logprobs]
        found.append(Decided(list(written.token_ids), steps))
    return found
