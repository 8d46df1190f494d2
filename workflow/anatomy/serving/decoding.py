"""How a completion is decoded, what comes back, and the seed of each request."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from anatomy.errors import ConfigError
from anatomy.store.json_objects import JsonObject

LOWEST_TEMPERATURE = 0.01
"""Below it vLLM raises the temperature to 0.01 with no more than a log line."""

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Decoding:
    """Everything that shapes a completion besides model, prompt and seed.

    Args:
        max_new_tokens: the longest completion, in tokens, its end token included.
        temperature: 0 decodes greedily.
        top_p: nucleus mass kept when sampling.
        stop: texts that end a completion; they are cut from its text.

    Raises:
        ConfigError: a value no backend can decode with.
    """

    max_new_tokens: int
    temperature: float
    top_p: float = 1.0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ConfigError(found=f"max_new_tokens {self.max_new_tokens}", expected="at least 1", where="decoding")
        if self.temperature != 0 and not self.temperature >= LOWEST_TEMPERATURE:
            raise ConfigError(
                found=f"temperature {self.temperature}", where="decoding", expected=f"0 (greedy) or at least {LOWEST_TEMPERATURE}"
            )
        if not 0 < self.top_p <= 1:
            raise ConfigError(found=f"top_p {self.top_p}", expected="0 < top_p <= 1", where="decoding")
        if "" in self.stop:
            raise ConfigError(found="an empty stop text", expected="texts of at least one character", where="decoding")

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    def key(self) -> JsonObject:
        """Plain JSON of all fields: part of a store cell's key."""
        return {**asdict(self), "stop": list(self.stop)}


@dataclass(frozen=True)
class Generation:
    """One completion.

    Args:
        token_ids: the new tokens, the end token included where one came.
        text: decoded without special tokens, cut before the first stop text.
        finish_reason: ``stop`` (end token or stop text) or ``length``.
    """

    token_ids: list[int]
    text: str
    finish_reason: FinishReason


def request_seed(seed: int, prompt_id: str, sample: int) -> int:
    """Sampling seed of one request, from what it is and never from where in a batch it stands (63 bits)."""
    content = f"{seed}\x1f{prompt_id}\x1f{sample}".encode()
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") >> 1


def finished(ids: list[int], reason: FinishReason, tokenizer: Any, stop: Sequence[str]) -> Generation:
    """A completion ended at the first token that completes a stop text.

    Both backends end here, because vLLM's detokeniser, which works token by token, sees some stop texts tokens later than
    a decoding of the whole does.
    """
    text = tokenizer.decode(ids, skip_special_tokens=True)
    cut = cut_at_stop(text, stop)
    if cut == text:
        return Generation(ids, text, reason)
    length = next(n for n in range(1, len(ids) + 1) if stops(ids[:n], tokenizer, stop))
    return Generation(ids[:length], cut_at_stop(tokenizer.decode(ids[:length], skip_special_tokens=True), stop), "stop")


def stops(ids: list[int], tokenizer: Any, stop: Sequence[str]) -> bool:
    """Whether the tokens' text holds a stop text."""
    text = tokenizer.decode(ids, skip_special_tokens=True)
    return cut_at_stop(text, stop) != text


def cut_at_stop(text: str, stop: Sequence[str]) -> str:
    """The text before the first stop text in it."""
    places = [place for place in (text.find(end) for end in stop) if place >= 0]
    return text[: min(places)] if places else text


def check_seeds(decoding: Decoding, seeds: Sequence[int | None], where: str) -> None:
    """Sampling without a seed a request would make rows depend on engine order.

    Raises:
        ConfigError: sampling is asked for and a request has no seed.
    """
    if not decoding.greedy and any(seed is None for seed in seeds):
        raise ConfigError(
            found=f"temperature {decoding.temperature} and a request without a seed",
            expected="one seed a request",
            where=where,
            remedy="use request_seed(seed, prompt id, sample)",
        )
