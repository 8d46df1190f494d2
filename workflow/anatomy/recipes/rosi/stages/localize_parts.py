"""How much work each part of the localization is, so that its progress is that of the whole job."""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.recipes.rosi.families import candidates, families, layers
from anatomy.recipes.rosi.variants import draws
from anatomy.stages.model_directions import ModelDirections

WRITING, PROMPT_TOKENS = 0.15, 40
"""A token is written at this share of the speed it is read at; prompts are about so long. Only progress rests on it."""


@dataclass(frozen=True)
class Parts:
    """Work in passes of one prompt through the model, roughly.

    Attributes:
        answers: own answers; a written token costs as much as ``1 / WRITING`` read ones.
        grid: of each contrast: three passes a candidate, over half of the prompts each.
        controls: the search of all control directions of the first contrast.
        screen: one pass an edit.
        total: of all of them.
    """

    answers: float
    grid: float
    controls: float
    screen: float
    total: float

    @classmethod
    def of(cls, config: Config, subject: Subject, directions: ModelDirections) -> Parts:
        found = directions.candidates(subject.contrasts[0])
        cells, validation = len(found.positions) * len(found.layers), 2 * config.selection.prompts
        tried = layers(config.rosi, len(found.layers), config.selection.layer_share)
        edits = sum(len(candidates(family, config.rosi, tried)) for family in families(config, subject))
        answers = (
            2
            * (config.extraction.prompts + config.selection.prompts)
            * (1 + config.evaluation.max_new_tokens / WRITING / PROMPT_TOKENS)
        )
        grid, screened = 1.5 * cells * validation, float(edits * validation)
        controls = float(cells * validation * len(draws(config.extraction.controls)) * subject.direction_headline)
        return cls(answers, grid, controls, screened, answers + grid * len(subject.contrasts) + controls + screened)
