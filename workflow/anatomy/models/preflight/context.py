"""Whether prompts and answers fit the context: of the model, and of the engine that serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from anatomy.errors import ConfigError, DataError
from anatomy.models.rendering import Rendering, render

BEGINNING = 60
"""Letters of a prompt by which a reader finds it again."""


@dataclass(frozen=True)
class ContextNeed:
    """The longest prompt of a run, and what it must fit into; all in tokens.

    Attributes:
        prompts: number of rendered prompts.
        tokens: of all rendered prompts together.
        longest: of the longest one.
        place: which one that is, as ``prompt 3 of harmful_requests``.
        max_new_tokens: of an answer.
        context: of the model; None where its configuration does not say.
        max_model_len: of the engine.
        text: the longest prompt as it was given.
    """

    prompts: int
    tokens: int
    longest: int
    place: str
    max_new_tokens: int
    context: int | None
    max_model_len: int
    text: str = ""

    @property
    def needed(self) -> int:
        return self.longest + self.max_new_tokens


def measure_context(
    tokenizer: Any,
    prompts: Mapping[str, Sequence[str]],
    renderings: Sequence[Rendering],
    *,
    max_new_tokens: int,
    context: int | None,
    max_model_len: int,
) -> ContextNeed:
    """Render every prompt under every rendering and count.

    Args:
        prompts: texts by the name of their set.

    Raises:
        ModelError: as ``render``.
    """
    lengths = [
        (len(ids), f"prompt {place} of {name}", texts[place])
        for rendering in renderings
        for name, texts in prompts.items()
        for place, ids in enumerate(render(tokenizer, list(texts), rendering))
    ]
    longest, place, text = max(lengths, default=(0, "no prompt", ""))
    total = sum(length for length, *_ in lengths)
    return ContextNeed(len(lengths), total, longest, place, max_new_tokens, context, max_model_len, text)


def require_context(need: ContextNeed, where: str) -> None:
    """Refuse prompts that are too long, and an engine that reserves more than the model has.

    Raises:
        DataError: the longest prompt and an answer are longer than the model's context.
        ConfigError: they are longer than ``serving.max_model_len``; or that is longer than the model's context.
    """
    beginning = f" ({need.text[:BEGINNING]!r}...)" if need.text else ""
    found = f"{need.longest} tokens in {need.place}{beginning} and {need.max_new_tokens} new ones"
    if need.context is not None and need.needed > need.context:
        raise DataError(
            found=found,
            expected=f"together at most {need.context}, the model's context",
            where=where,
            remedy="drop or shorten the prompt, lower evaluation.max_new_tokens, or choose a model with more context",
        )
    if need.needed > need.max_model_len:
        raise ConfigError(
            found=found,
            expected=f"together at most {need.max_model_len}, as serving.max_model_len says",
            where=where,
            remedy=f"set serving.max_model_len to {need.needed} or more",
        )
    if need.context is not None and need.max_model_len > need.context:
        raise ConfigError(
            found=f"serving.max_model_len {need.max_model_len}",
            expected=f"at most {need.context}, the model's context",
            where=where,
            remedy=f"set serving.max_model_len between {need.needed} and {need.context}",
        )


def require_lengths(token_ids: Sequence[Sequence[int]], max_new_tokens: int, limit: int | None, where: str) -> None:
    """Refuse a job's prompts before the first one is answered.

    Args:
        limit: tokens of a prompt and its answer; None where the model does not say.

    Raises:
        DataError: the longest prompt does not fit.
    """
    long = [len(ids) for ids in token_ids if limit is not None and len(ids) + max_new_tokens > limit]
    if long:
        raise DataError(
            found=f"{len(long)} of {len(token_ids)} prompts too long; the longest has {max(long)} tokens, and {max_new_tokens} "
            "new ones",
            expected=f"together at most {limit}",
            where=where,
            remedy="ask for fewer new tokens, drop the prompts, or raise the limit where it is not the model's own",
        )
