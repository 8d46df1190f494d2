"""How models are spoken to where a paper generates in memory: as the evaluation asks, unless the paper says otherwise."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.card import ModelCard
from anatomy.models.rendering import Rendering
from anatomy.serving.decoding import Decoding
from anatomy.stages.answers import decoding_of, with_items
from anatomy.stages.generation_request import Manner
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering

Put = list[tuple[Rendering, Decoding, pd.DataFrame]]
"""Prompts by their rendering and decoding, as rows that are wanted."""


@runtime_checkable
class Speaking(Protocol):
    """How prompts of a phase are put, and what becomes of the table of completions."""

    def rows(self, name: str, manner: Manner) -> Put:
        """A prompt set in a manner."""

    def harmless(self, name: str) -> bool:
        """Whether answers to a set are kept under edits that may lower safety."""

    def finished(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table of completions as it is written."""


class Requests:
    """Requests as they are, at most as many as the evaluation takes in the phase."""

    def __init__(self, config: Config, subject: Subject, phase: str, limit: int) -> None:
        self.config, self.subject, self.phase, self.limit = config, subject, phase, limit

    def rows(self, name: str, manner: Manner) -> Put:
        prompts = phase_prompts(Layout(self.config.results), self.subject, name, self.phase, self.limit)
        wanted = self.config.evaluation
        return [(answer_rendering(wanted, self.subject), decoding_of(wanted), with_items(prompts, name, wanted))]

    def harmless(self, name: str) -> bool:
        return False

    def finished(self, table: pd.DataFrame) -> pd.DataFrame:
        return table


def speaking(config: Config, subject: Subject, model: ModelCard, phase: str) -> Speaking:
    """Requests of the evaluation."""
    wanted = config.evaluation
    limit = {"fit": config.extraction.prompts, "select": wanted.select_prompts}.get(phase, wanted.test_prompts)
    return Requests(config, subject, phase, limit)
