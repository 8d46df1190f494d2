"""How PASTA words its prompts: human prefixes to be continued, as documents or chats, and requests: what an ablation costs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.models.card import ModelCard
from anatomy.models.tokenizer import load_tokenizer
from anatomy.recipes.pasta.options import PastaDecoding
from anatomy.recipes.pasta.pairs import roles
from anatomy.recipes.pasta.stages.prefix_prompts import phase_prefixes, put
from anatomy.serving.decoding import Decoding, request_seed
from anatomy.stages.generation_request import Manner
from anatomy.stages.speaking import Put, Requests
from anatomy.store.digest import digest
from anatomy.texts.authors import HUMAN


class Continuations:
    """The prefixes of a phase in each manner; continuations by humans stand beside those of base models and scorers."""

    def __init__(self, config: Config, subject: Subject, folder: Path, phase: str) -> None:
        self.config, self.subject, self.folder, self.phase = config, subject, folder, phase
        self.requests = Requests(config, subject, phase, config.pasta.requests_of(phase))
        self.rows = cache(self._rows)

    def harmless(self, name: str) -> bool:
        return name == self.config.pasta.prefixes

    def _rows(self, name: str, manner: Manner) -> Put:
        if name != self.config.pasta.prefixes:
            return self.requests.rows(name, "request")
        sampled = self.config.pasta.decoding
        decoding = Decoding(sampled.max_new_tokens, sampled.temperature, sampled.top_p)
        prefixes = phase_prefixes(self.config, self.subject, self.phase)
        return [
            (rendering, decoding, prefix_items(rows, name, sampled))
            for rendering, rows in put(self.config, self.subject, prefixes, manner, load_tokenizer(self.folder))
        ]

    def finished(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with the prefix itself as prompt, whatever surrounded it, so that texts of all manners can be compared."""
        if {"base", "scorer"} & roles(self.config, self.subject.id):
            rows = human_rows(self.config, self.subject, self.phase, list(table.columns))
            table = pd.concat([table, rows], ignore_index=True)
        prefixes = phase_prefixes(self.config, self.subject, self.phase).set_index("id")["prompt"]
        ours = table["set"] == self.config.pasta.prefixes
        return table.assign(prompt=table["prompt"].where(~ours, table["id"].map(prefixes)))


def speaking(config: Config, subject: Subject, model: ModelCard, phase: str) -> Continuations:
    """Prefixes and requests of a phase."""
    return Continuations(config, subject, Path(model["folder"]), phase)


def human_rows(config: Config, subject: Subject, phase: str, columns: Sequence[str]) -> pd.DataFrame:
    """The humans' own continuations, as rows of a completions table."""
    rows = phase_prefixes(config, subject, phase)
    return rows.assign(
        model=subject.id, variant=HUMAN, phase=phase, set=config.pasta.prefixes, sample=0, backend=HUMAN, finish_reason="stop"
    ).reindex(columns=columns)


def prefix_items(prompts: pd.DataFrame, name: str, sampled: PastaDecoding) -> pd.DataFrame:
    """Prefixes as wanted rows, each with a seed from its own id."""
    rows = prompts.drop(columns="response").assign(set=name, sample=0)
    greedy = sampled.temperature == 0
    rows["seed"] = [-1 if greedy else request_seed(sampled.seed, prefix, 0) for prefix in rows["id"]]
    rows["item"] = [
        digest({"prompt": prompt} if greedy else {"prompt": prompt, "seed": seed})
        for prompt, seed in zip(rows["prompt"], rows["seed"], strict=True)
    ]
    return rows
