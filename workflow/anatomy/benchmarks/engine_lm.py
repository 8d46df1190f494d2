"""lm-eval's view of one variant on an engine that is already running."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.model import TemplateLM

from anatomy.errors import ConfigError, DataError
from anatomy.serving.engine import Engine
from anatomy.serving.likelihood import (
    MAX_CANDIDATES,
    Likelihood,
    continuation_likelihoods,
    next_token_likelihoods,
)
from anatomy.serving.progress import Progress

Encoded = tuple[Any, list[int], list[int]]
"""lm-eval's request after tokenisation: its cache key, the context's tokens, the continuation's tokens."""


class EngineLM(TemplateLM):
    """Base model or one adapter; many of these share one engine, and none of them caches anything.

    Args:
        engine: an open engine.
        adapter: folder of a PEFT adapter, or None for the base model.
        shard_size: requests a batch.
        say: receives a line with rate and remaining time after each batch.
    """

    def __init__(self, engine: Engine, adapter: Path | None = None, *, shard_size: int = 512,
                 say: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self.engine, self.adapter, self.shard_size, self._say = engine, adapter, shard_size, say
        self.tokenizer = engine.tokenizer

    @property
    def eot_token_id(self) -> int:
        return self.tokenizer.eos_token_id

    @property
    def prefix_token_id(self) -> int:
        """Stands for an empty context."""
        begin = self.tokenizer.bos_token_id
        return self.tokenizer.eos_token_id if begin is None else begin

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: object) -> list[int]:
        """Token ids; a text that already begins with the beginning token gets no second one."""
        if add_special_tokens is None:
            begin = self.tokenizer.bos_token
            add_special_tokens = not (begin and string.startswith(begin))
        return self.tokenizer.encode(string, add_special_tokens=add_special_tokens)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return self.tokenizer.apply_chat_template(
            chat_history, tokenize=False, add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        return super().loglikelihood(requests, disable_tqdm=True)

    def _loglikelihood_tokens(self, requests: Sequence[Encoded], **_: object) -> list[tuple[float, bool]]:
        """One forward pass a context for continuations of one token, one a request for longer ones."""
        for _key, context, continuation in requests:
            if not context or not continuation:
                raise DataError(found="no tokens", expected="a context and a choice of at least one token",
                                where=f"request {_key}", remedy="check the task's prompt and choices")
        contexts: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        longer = []
        for place, (_key, context, continuation) in enumerate(requests):
            if len(continuation) == 1:
                contexts[tuple(context)].append(place)
            else:
                longer.append(place)
        units = [(context, places[start : start + MAX_CANDIDATES]) for context, places in sorted(contexts.items())
                 for start in range(0, len(places), MAX_CANDIDATES)]
        progress = Progress("score", len(requests), self._say)
        found: dict[int, Likelihood] = {}
        for start in range(0, len(units), self.shard_size):
            shard = units[start : start + self.shard_size]
            candidates = [[requests[place][2][0] for place in places] for _context, places in shard]
            rows = next_token_likelihoods(self.engine, [list(context) for context, _ in shard], candidates, self.adapter)
            for (_context, places), row in zip(shard, rows, strict=True):
                found.update(zip(places, row, strict=True))
            progress.advance(sum(len(places) for _context, places in shard))
        longer.sort(key=lambda place: -len(requests[place][1]) - len(requests[place][2]))
        for start in range(0, len(longer), self.shard_size):
            places = longer[start : start + self.shard_size]
            row = continuation_likelihoods(self.engine, [requests[place][1] for place in places],
                                           [requests[place][2] for place in places], self.adapter)
            found.update(zip(places, row, strict=True))
            progress.advance(len(places))
        return [tuple(found[place]) for place in range(len(requests))]

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[float]:
        raise _unsupported("loglikelihood_rolling")

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        raise _unsupported("generate_until")


def _unsupported(kind: str) -> ConfigError:
    return ConfigError(found=f"{kind} requests", expected="likelihoods of choices", where="the benchmark's task",
                       remedy="use a multiple_choice task; completions are the generate stage's business")
