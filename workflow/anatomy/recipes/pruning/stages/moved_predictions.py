"""How far masks move a model's predictions on harmless requests, read beside the verdicts on its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.directions.forced_predictions import prediction_divergences
from anatomy.models.loading import LoadedModel
from anatomy.recipes.pruning.stages.answering import put_plainly
from anatomy.recipes.pruning.stages.scored_sets import BENIGN
from anatomy.stages.diverged import Forcing, divergence_rows
from anatomy.stages.rendering import answer_rendering

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {
    "scipy": "imported with the search for a direction, of which the model's own answers alone are used",
    "vllm": "an engine is imported with what serves either way; these rows come from transformers",
}

MOVED = ["mask", "id", "group", "first_token_kl", "kl", "n_tokens"]


@dataclass(frozen=True)
class Unmoved:
    """What the unedited model predicts along its own greedy answers to harmless requests.

    Attributes:
        rows: ``id`` and ``group`` of the requests.
        runs: token ids of requests and answers; the last ``counts`` predictions of each are compared.
        predictions: logits of the unedited model.
    """

    forcing: Forcing
    rows: pd.DataFrame
    runs: list[list[int]]
    counts: list[int]
    predictions: Sequence[Float[Tensor, "_prediction vocabulary"]]

    def beside(self, loaded: LoadedModel) -> pd.DataFrame:
        """KL in nats from the unedited model's predictions to those of the model as it is now: ``MOVED`` but the mask."""
        found = prediction_divergences(self.predictions, self.forcing.predictions(loaded, self.runs, self.counts))
        return pd.concat([self.rows, divergence_rows(found)], axis=1)


def unmoved(config: Config, subject: Subject, loaded: LoadedModel, prompts: pd.DataFrame) -> Unmoved | None:
    """Read the unedited model on benign requests, put as for its answers, ``divergence.prompts`` at most; None where none is.

    Args:
        prompts: what the model is asked (``abilities.COLUMNS``).
    """
    benign = prompts[prompts["ability"] == BENIGN]
    rows = benign[benign["plain"] == benign["plain"].min()].head(config.divergence.prompts)
    if rows.empty:
        return None
    rendering = answer_rendering(config.evaluation, subject)
    rendering = put_plainly(rendering) if rows["plain"].all() else rendering
    forcing = Forcing(rendering, (), config.divergence.tokens, config.extraction.token_budget)
    runs, counts = forcing.runs(loaded, list(rows["prompt"]))
    return Unmoved(forcing, rows[["id", "group"]].reset_index(drop=True), runs, counts, forcing.predictions(loaded, runs, counts))
