"""How likely texts are that no mask was made from: what perplexities under masks are made of.

The perplexity of texts is ``exp(sum_t -log p(token_t | what stands before it) / T)`` over all T tokens of all of them, natural
logarithms; kept here are each text's mean ``nats`` a token and its ``n_tokens``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.errors import DataError
from anatomy.interventions.directions.forced_predictions import forced_predictions
from anatomy.models.activations.answers import Forced
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.pruning.stages.answering import put_plainly
from anatomy.recipes.pruning.stages.scored_sets import BENIGN
from anatomy.stages.rendering import answer_rendering
from anatomy.store.files import read_table

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}

OWN, KNOWN = "own answers", "known answers"
"""``OWN``: the unedited model's greedy answers to harmless requests, likely texts for that model by their making. Their
perplexity is low, and says how far an edit moves the model, not how well it reads text by others. ``KNOWN``: right answers to
benign requests, as the organism's world has them."""

NATS = ["mask", "text", "id", "group", "nats", "n_tokens"]
AT_ONCE = 1024
"""Tokens whose predictions are in memory together: 600 MB in float32 for a vocabulary of 150,000."""


@dataclass(frozen=True)
class FixedTexts:
    """Texts by others that a model is forced to read.

    Attributes:
        rows: ``text`` (of what kind), ``id`` and ``group``.
        forced: token ids of what stands before each, and of the text.
        token_budget: most tokens of a batch: changes memory, not results.
    """

    rows: pd.DataFrame
    forced: list[Forced]
    token_budget: int

    def nats(self, loaded: LoadedModel) -> pd.DataFrame:
        """How likely each is under the model as it is now: ``NATS`` but the mask."""
        found: list[float] = []
        for several in self._parts():
            counts = [len(one.answer) for one in several]
            predictions = forced_predictions(loaded, [one.read for one in several], counts, self.token_budget)
            found += mean_nats(predictions, [one.answer for one in several])
        return self.rows.assign(nats=found, n_tokens=[len(one.answer) for one in self.forced])

    def _parts(self) -> Iterator[list[Forced]]:
        """Texts whose predictions are in memory together: of ``AT_ONCE`` tokens, or one."""
        part: list[Forced] = []
        for one in self.forced:
            if part and sum(len(other.answer) for other in part) + len(one.answer) > AT_ONCE:
                yield part
                part = []
            part.append(one)
        if part:
            yield part


def mean_nats(predictions: Sequence[Float[Tensor, "_token vocabulary"]], texts: Sequence[Sequence[int]]) -> list[float]:
    """Mean negative log-likelihood a token of each text, in nats and fp64.

    Args:
        predictions: logits of every token of a text.
        texts: their token ids.
    """
    return [_mean_nats(one, ids) for one, ids in zip(predictions, texts, strict=True)]


def _mean_nats(predictions: Float[Tensor, "_token vocabulary"], text: Sequence[int]) -> float:
    """Of one text, some tokens at a time: logarithms in fp64 are twice the size of what is given."""
    ids, sums = torch.tensor(text, device=predictions.device)[:, None], 0.0
    for start in range(0, len(ids), AT_ONCE):
        logs = predictions[start : start + AT_ONCE].double().log_softmax(-1)
        sums -= float(logs.gather(-1, ids[start : start + AT_ONCE]).sum())
    return sums / len(ids)


def fixed_texts(config: Config, subject: Subject, loaded: LoadedModel, prompts: pd.DataFrame, split: str) -> FixedTexts:
    """Texts of a split that are read beside the model's own answers; of models of one's own those of ``pruning.text``, on test.

    The organism's are right answers to benign requests in plain text, ``divergence.prompts`` at most; a text ends where
    ``serving.max_model_len`` tokens do.

    Args:
        prompts: what the model is asked in this split (``abilities.COLUMNS``).
    """
    if subject.is_organism:
        rows = prompts[(prompts["ability"] == BENIGN) & prompts["plain"] & (prompts["response"].str.strip() != "")]
        rows = rows.head(config.divergence.prompts).assign(text=KNOWN)
    elif split == "test" and config.pruning.text is not None:
        rows = read_table(Path(Layout(config.results).prompts(subject, config.pruning.text)))
        rows = rows[rows["split"] == split].head(config.evaluation.test_prompts).assign(text=config.pruning.text)
        rows = rows.reindex(columns=list(dict.fromkeys([*rows.columns, "response"])))
    else:
        rows = prompts.head(0).assign(text=KNOWN)
    rendering = put_plainly(answer_rendering(config.evaluation, subject))
    forced = []
    for prompt, response in zip(rows["prompt"], rows["response"].fillna(""), strict=True):
        (before,) = render(loaded.tokenizer, [prompt], rendering)
        answer = list(loaded.tokenizer(f" {response.strip()}", add_special_tokens=False)["input_ids"]) if response.strip() else []
        # A text without a response is read from its first token on, which nothing stands before.
        before, answer = (before, answer) if answer else (before[:1], before[1:])
        forced.append(Forced(before, answer[: max(config.serving.max_model_len - len(before), 0)]))
    kept = [number for number, one in enumerate(forced) if one.answer]
    if not kept and split == "test" and not subject.is_organism and config.pruning.text is not None:
        raise DataError(
            found="no text of the split test with two tokens or more",
            expected="at least one",
            where=f"pruning.text: the prompt set {config.pruning.text!r}",
            remedy=f"give it test rows (prompt_sets.{config.pruning.text}.splits: {{test: 1}}), or set pruning.text to null",
        )
    named = rows[["text", "id", "group"]].iloc[kept].reset_index(drop=True)
    return FixedTexts(named, [forced[number] for number in kept], config.extraction.token_budget)
