"""lm-eval's view of one variant on an engine that is already running."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from anatomy.errors import DataError
from anatomy.serving.benchmarks.scoring import Encoded, require_scorable, score
from anatomy.serving.benchmarks.writing import decoding_of
from anatomy.serving.completions import Request, in_order, stream
from anatomy.serving.decoding import request_seed
from anatomy.serving.engine import Engine
from anatomy.serving.packed_likelihood import PackedScorer

TOKENISED = 1024
"""Texts given to the tokenizer at a time."""


class EngineLM(TemplateLM):
    """Base model or one adapter; many of these share one engine, and none of them caches anything.

    Args:
        engine: an open engine.
        adapter: folder of a PEFT adapter, or None for the base model.
        packed: scores long choices in packed rows; its module must be in the variant's state. None: the engine scores them.
        shard_size: requests a batch.
        seed: of sampled completions (``generate_until`` tasks that sample).
        max_gen_toks: longest completion of a task that names none.
        say: receives a line with rate and remaining time after each batch.
    """

    def __init__(
        self,
        engine: Engine,
        adapter: Path | None = None,
        *,
        packed: PackedScorer | None = None,
        shard_size: int = 512,
        seed: int = 0,
        max_gen_toks: int = 256,
        say: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self.engine, self.adapter, self.packed, self.shard_size = engine, adapter, packed, shard_size
        self.seed, self.max_gen_toks, self._say = seed, max_gen_toks, say
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
    def max_length(self) -> int:
        return self.engine.max_model_len

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: object) -> list[int]:
        """Token ids; a text that already begins with the beginning token gets no second one."""
        if add_special_tokens is None:
            add_special_tokens = not self._begins(string)
        return self.tokenizer.encode(string, add_special_tokens=add_special_tokens)

    def _begins(self, text: str) -> bool:
        begin = self.tokenizer.bos_token
        return bool(begin) and text.startswith(begin)

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        return self.tokenizer.apply_chat_template(
            chat_history,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=not add_generation_prompt,
        )

    def encode_pairs(self, pairs: Sequence[tuple[str, str]]) -> list[Encoded]:
        """Tokens of contexts and choices as lm-eval's ``_encode_pair`` gives them, each distinct text tokenised once.

        The choice is what the tokens of both together have beyond those of the context; spaces at the context's end go to
        the choice. An empty context is the beginning token.
        """
        encoded: list[Encoded] = []
        for start in range(0, len(pairs), TOKENISED):
            split = [_split(context, choice) for context, choice in pairs[start : start + TOKENISED]]
            ids = self._tokens({text for context, choice in split if context for text in (context, context + choice)})
            for pair, (context, choice) in zip(pairs[start : start + TOKENISED], split, strict=True):
                if context:
                    before = ids[context]
                    after = ids[context + choice][len(before) :]
                else:
                    before, after = [self.prefix_token_id], self.tok_encode(choice, add_special_tokens=False)
                    if after[:1] == before:
                        after = after[1:]
                encoded.append((pair, before, after))
        return encoded

    def _tokens(self, texts: set[str]) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for special in (True, False):
            part = sorted(text for text in texts if self._begins(text) != special)
            if part:
                rows = self.tokenizer(part, add_special_tokens=special, return_attention_mask=False)["input_ids"]
                found.update(zip(part, rows, strict=True))
        return found

    def loglikelihood(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[tuple[float, bool]]:
        """Task by task, so that a task's numbers do not depend on which others are asked for."""
        by_task: dict[str | None, list[int]] = {}
        for place, request in enumerate(requests):
            by_task.setdefault(request.task_name, []).append(place)
        encoded = {task: self.encode_pairs([requests[place].args for place in places]) for task, places in by_task.items()}
        for task, own in encoded.items():
            require_scorable(own, self.max_length, f"task {task}")
        found: dict[int, tuple[float, bool]] = {}
        for task, places in by_task.items():
            found.update(zip(places, self._loglikelihood_tokens(encoded[task]), strict=True))
        return [found[place] for place in range(len(requests))]

    def _loglikelihood_tokens(self, requests: Sequence[Encoded], **_: object) -> list[tuple[float, bool]]:
        require_scorable(requests, self.max_length, f"lm-eval on {self.engine.model_folder}")
        return [
            (one.logprob, one.greedy)
            for one in score(self.engine, self.adapter, requests, packed=self.packed, shard_size=self.shard_size, say=self._say)
        ]

    def loglikelihood_rolling(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[float]:
        """Log-probability of whole texts, in windows of the context's length that do not overlap, as lm-eval's backends do."""
        windows = [(place, *window) for place, request in enumerate(requests) for window in self._windows(request.args[0])]
        found = self._loglikelihood_tokens([(str(place), context, rest) for place, context, rest in windows])
        totals = [0.0] * len(requests)
        for (place, _context, _rest), (logprob, _greedy) in zip(windows, found, strict=True):
            totals[place] += logprob
        return totals

    def _windows(self, text: str) -> Iterator[tuple[list[int], list[int]]]:
        ids = self.tok_encode(text)
        if not ids:
            raise DataError(found="an empty text", expected="at least one token", where="loglikelihood_rolling")
        windows = get_rolling_token_windows(
            token_list=ids, prefix_token=self.prefix_token_id, max_seq_len=self.max_length - 1, context_len=1
        )
        return map(make_disjoint_window, windows)

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[str]:
        """Completions, cut before the task's stop texts (see ``decoding_of``); prompts that are too long are refused."""
        asked: dict[Any, list[int]] = {}
        for place, request in enumerate(requests):
            asked.setdefault(decoding_of(request.args[1], self.max_gen_toks), []).append(place)
        times: Counter[str] = Counter()
        found: dict[int, str] = {}
        for decoding, places in asked.items():
            prompts = []
            for place in places:
                text = requests[place].args[0]
                seed = None if decoding.greedy else request_seed(self.seed, text, times[text])
                times[text] += 1
                prompts.append(Request(self.tok_encode(text), seed, self.adapter))
            answers = in_order(stream(self.engine, prompts, decoding, self.shard_size, self._say), len(prompts))
            found.update(zip(places, (answer.text for answer in answers), strict=True))
        return [found[place] for place in range(len(requests))]


def _split(context: str, choice: str) -> tuple[str, str]:
    bare = context.rstrip()
    return bare, context[len(bare) :] + choice
