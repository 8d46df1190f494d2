"""Prompts that instruments read, rendered as the model is spoken to."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.mechanisms.prompts_read import SIDES, set_read
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering

EXACT = 0.0
"""Nothing is added to probabilities in the refusal metric: shares of it are taken, and a floor would hide what a patch does."""


@dataclass(frozen=True)
class Looked:
    """Prompts of one kind and split, rendered.

    Attributes:
        table: their rows.
        tokens: token ids of each.
    """

    table: pd.DataFrame
    tokens: list[list[int]]

    @property
    def ids(self) -> list[str]:
        return list(self.table["id"])


def read_prompts(config: Config, subject: Subject, loaded: LoadedModel, phase: str, limit: int) -> dict[str, Looked]:
    """Harmful and harmless prompts of a split, by side."""
    found = {}
    for side in SIDES:
        table = phase_prompts(Layout(config.results), subject, set_read(config, side, phase), phase, limit)
        rendered = render(loaded.tokenizer, list(table["prompt"]), answer_rendering(config.evaluation, subject))
        found[side] = Looked(table, rendered)
    return found
