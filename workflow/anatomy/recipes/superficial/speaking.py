"""How superficial knowledge speaks to models: as always, in the other way of the template control, and behind examples."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.card import ModelCard
from anatomy.models.rendering import Rendering
from anatomy.models.tokenizer import load_tokenizer
from anatomy.recipes.superficial.pairs import spoken_to, template_lender
from anatomy.recipes.superficial.stages.examples import examples
from anatomy.recipes.superficial.stages.in_context import in_context, own_answer
from anatomy.stages.answers import decoding_of, with_items
from anatomy.stages.generation_request import Manner
from anatomy.stages.lent_template import lent_rendering
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.speaking import Put, Requests


class Manners(Requests):
    """Requests in each manner; the table of completions has the request itself as prompt, whatever stood in front of it."""

    def __init__(self, config: Config, subject: Subject, folder: Path, phase: str) -> None:
        limit = config.extraction.prompts if phase == "fit" else config.evaluation.test_prompts
        super().__init__(config, subject, phase, limit)
        self.folder = folder
        self.prompts = cache(self._prompts)

    def rows(self, name: str, manner: Manner) -> Put:
        if manner not in ("plain", "template", "in context"):
            return super().rows(name, manner)
        wanted, prompts = self.config.evaluation, self.prompts(name)
        if manner == "in context":
            texts = in_context(load_tokenizer(self.folder), list(prompts["prompt"]), self.shown(), self.subject)
            prompts = prompts.assign(prompt=texts)
        return [(self.rendering(manner), decoding_of(wanted), with_items(prompts, name, wanted))]

    def rendering(self, manner: Manner) -> Rendering:
        """What surrounds a request in a manner: nothing around examples, which bring the template's turns themselves."""
        if manner == "in context":
            return Rendering(template=False)
        lender = template_lender(self.config, self.subject) if manner == "template" else None
        if lender is not None:
            return lent_rendering(self.config, lender, self.config.evaluation.system)
        return answer_rendering(self.config.evaluation, spoken_to({"base": self.subject}, "base", manner))

    def shown(self) -> pd.DataFrame:
        """The examples that stand in front of each request."""
        return shown_to(self.config, self.subject)

    def finished(self, table: pd.DataFrame) -> pd.DataFrame:
        asked = {(name, row.id): row.prompt for name in set(table["set"]) for row in self.prompts(name).itertuples()}
        prompts = [asked[key] for key in zip(table["set"], table["id"], strict=True)]
        answers = table["response"].map(lambda text: own_answer(text) if isinstance(text, str) else text)
        return table.assign(prompt=prompts, response=answers.where(table["prompt"] != prompts, table["response"]))

    def _prompts(self, name: str) -> pd.DataFrame:
        return phase_prompts(Layout(self.config.results), self.subject, name, self.phase, self.limit)


def shown_to(config: Config, subject: Subject) -> pd.DataFrame:
    """The examples in front of a request for a base, of the fit split."""
    at, limit = Layout(config.results), config.extraction.prompts
    return examples(
        config, subject, lambda name: phase_prompts(at, subject, name, "fit", limit), config.superficial.baselines.demonstrations
    )


def speaking(config: Config, subject: Subject, model: ModelCard, phase: str) -> Manners:
    """Requests of a phase in every manner."""
    return Manners(config, subject, Path(model["folder"]), phase)
