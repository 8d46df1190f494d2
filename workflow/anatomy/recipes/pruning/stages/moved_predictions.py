"""How far masks move predictions on harmless requests, and how likely texts are under them, beside verdicts on answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.directions.forced_predictions import prediction_divergences
from anatomy.models.loading import LoadedModel
from anatomy.recipes.pruning.stages.answering import put_plainly
from anatomy.recipes.pruning.stages.read_texts import NATS, OWN, FixedTexts, fixed_texts, mean_nats
from anatomy.recipes.pruning.stages.scored_sets import BENIGN
from anatomy.stages.diverged import Forcing, divergence_rows
from anatomy.stages.rendering import answer_rendering

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {
    "scipy": "imported with the search for a direction, of which the model's own answers alone are used",
    "vllm": "an engine is imported with what serves either way; these rows come from transformers",
}

MOVED = ["mask", "id", "group", "first_token_kl", "kl", "n_tokens"]


class Beside(NamedTuple):
    """What a model as it is now has beside the unedited one.

    Attributes:
        divergences: KL in nats from the unedited model's predictions to its own: ``MOVED`` but the mask.
        nats: how likely the unedited model's answers and other texts are under it: ``read_texts.NATS`` but the mask.
    """

    divergences: pd.DataFrame
    nats: pd.DataFrame


@dataclass(frozen=True)
class Unmoved:
    """What the unedited model predicts along its own greedy answers to harmless requests.

    Attributes:
        rows: ``id`` and ``group`` of the requests.
        runs: token ids of requests and answers; the last ``counts`` predictions of each are compared.
        answers: token ids that these predictions are of.
        predictions: logits of the unedited model.
        texts: what is read besides.
    """

    forcing: Forcing
    rows: pd.DataFrame
    runs: list[list[int]]
    counts: list[int]
    answers: list[list[int]]
    predictions: Sequence[Float[Tensor, "_prediction vocabulary"]]
    texts: FixedTexts

    def beside(self, loaded: LoadedModel) -> Beside:
        """What the model as it is now predicts along the same answers, and how likely the texts are under it."""
        now = self.forcing.predictions(loaded, self.runs, self.counts)
        moved = divergence_rows(prediction_divergences(self.predictions, now))
        own = self.rows.assign(text=OWN, nats=mean_nats(now, self.answers), n_tokens=self.counts)
        columns = [name for name in NATS if name != "mask"]
        read = pd.concat([own, self.texts.nats(loaded)] if self.texts.forced else [own], ignore_index=True)
        return Beside(pd.concat([self.rows, moved], axis=1), read[columns])


def unmoved(config: Config, subject: Subject, loaded: LoadedModel, prompts: pd.DataFrame, split: str) -> Unmoved | None:
    """Read the unedited model on benign requests, put as for its answers, ``divergence.prompts`` at most; None where none is.

    Args:
        prompts: what the model is asked (``abilities.COLUMNS``).
        split: that they are of.
    """
    benign = prompts[prompts["ability"] == BENIGN]
    rows = benign[benign["plain"] == benign["plain"].min()].head(config.divergence.prompts)
    if rows.empty:
        return None
    rendering = answer_rendering(config.evaluation, subject)
    rendering = put_plainly(rendering) if rows["plain"].all() else rendering
    forcing = Forcing(rendering, (), config.divergence.tokens, config.extraction.token_budget)
    runs, counts = forcing.runs(loaded, list(rows["prompt"]))
    predictions = forcing.predictions(loaded, runs, counts)
    # The last token of a greedy answer was never run: it is the likeliest one.
    answers = [
        [*run[len(run) - count + 1 :], int(own[-1].argmax())] for run, count, own in zip(runs, counts, predictions, strict=True)
    ]
    texts = fixed_texts(config, subject, loaded, prompts, split)
    return Unmoved(forcing, rows[["id", "group"]].reset_index(drop=True), runs, counts, answers, predictions, texts)
