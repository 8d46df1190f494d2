"""What a recipe asks of a model in a phase, generated in memory: the unedited model, and interventions on its activations.

Texts that continue harmless human prefixes are kept; answers of real models to requests under an edit that may lower safety
are judged at once and withheld (``anatomy.stages.withheld``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from anatomy.config.pasta import PastaDecoding
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.machine.devices import device_name
from anatomy.models.rendering import Rendering
from anatomy.models.tokenizer import load_tokenizer
from anatomy.progress.counting import Progress
from anatomy.recipes.asked import Asked, Manner
from anatomy.recipes.variant import Edit
from anatomy.serving.decoding import Decoding, request_seed
from anatomy.stages.answers import Keep, answer_cell, completions_table, decoding_of, with_items
from anatomy.stages.edit_book import EditBook
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.in_memory import computing
from anatomy.stages.phase import Phase, describe
from anatomy.stages.prefix_prompts import phase_prefixes, put
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.withheld import must_withhold, withhold
from anatomy.store.digest import canonical_json, digest
from anatomy.store.fill import Lazy, Want, cells_of, fill
from anatomy.texts.authors import HUMAN

PINS: tuple[str, ...] = ("tokenizers", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


@dataclass(frozen=True)
class WantsAlike:
    """Wants whose prompts are rendered and answered alike, so that they are answered together."""

    rendering: Rendering
    decoding: Decoding
    wants: list[Want]


def generate(
    config: Config,
    subject: Subject,
    model: dict[str, Any],
    asked: Sequence[Asked],
    phase: str,
    book: EditBook,
    humans: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Fill the store with everything asked for and assemble the tables.

    Args:
        model: the model's card.
        asked: variants with their edits, sets and manner.
        book: makes edits concrete.
        humans: put the human's continuations into the table too.

    Returns:
        Tables ``completions`` and ``variants``, and ``cells``.
    """
    batches, edits = wanted(config, subject, model, asked, phase, book)

    def open_model() -> AbstractContextManager[LoadedModel]:
        say(f"loading {subject.id}, {phase}")
        return nullcontext(load_model(Path(model["folder"]), getattr(torch, model["dtype"]), device_name()))

    progress = Progress("generate", sum(len(want.rows) for batch in batches for want in batch.wants), whole=True)
    with Lazy(open_model, Path(config.results) / "store", "generate") as session:
        for batch in batches:
            keep = _keep(subject, edits)
            with progress.part(sum(len(want.rows) for want in batch.wants)):
                fill(
                    batch.wants,
                    session,
                    computing(book, edits, keep, batch.rendering, batch.decoding, config.serving.batch_size, say),
                    say,
                )
    wants = [want for batch in batches for want in batch.wants]
    tables = [completions_table(wants)]
    if humans:
        tables.append(human_rows(config, subject, phase, list(tables[0].columns)))
    table = pd.concat(tables, ignore_index=True)
    return {
        "completions": _with_prefixes(config, subject, phase, table),
        "variants": describe(subject, Phase(phase, [(one.variant, list(one.edits)) for one in asked])),
        "cells": list(cells_of(wants)),
    }


def wanted(
    config: Config, subject: Subject, model: dict[str, Any], asked: Sequence[Asked], phase: str, book: EditBook
) -> tuple[list[WantsAlike], dict[str, Edit | None]]:
    """Completions wanted, sorted by the way of speaking, and the edit behind each cell."""
    store, pasta = Path(config.results) / "store", config.pasta
    spoken = _Spoken(config, subject, model, phase)
    batches: dict[str, WantsAlike] = {}
    edits: dict[str, Edit | None] = {}
    for one in asked:
        keys = [book.key(edit) for edit in one.edits]
        labels = {
            "model": subject.id,
            "variant": one.variant.id,
            "phase": phase,
            "backend": "transformers",
            "dtype": model["dtype"],
        }
        for name in one.variant.sets:
            kept_back = name != pasta.prefixes and must_withhold(subject, one.edits)
            for rendering, decoding, rows in spoken.rows(name, one.manner if name == pasta.prefixes else "request"):
                rows = rows if one.category is None else rows[rows["category"] == one.category]
                cell = answer_cell(
                    store,
                    model,
                    keys,
                    rendering,
                    decoding,
                    "transformers",
                    cell_fingerprint("measure", bool(keys)),
                    cell_fingerprint("withheld", False) if kept_back else "",
                )
                edits[cell.name] = one.edits[0] if one.edits else None
                way = canonical_json([rendering.key(), decoding.key()])
                batches.setdefault(way, WantsAlike(rendering, decoding, [])).wants.append(Want(cell, rows, labels))
    return list(batches.values()), edits


class _Spoken:
    """What a model is shown in a phase, each set in each manner once."""

    def __init__(self, config: Config, subject: Subject, model: dict[str, Any], phase: str) -> None:
        self.config, self.subject, self.folder, self.phase = config, subject, Path(model["folder"]), phase
        self.rows = cache(self._rows)

    def _rows(self, name: str, manner: Manner) -> list[tuple[Rendering, Decoding, pd.DataFrame]]:
        if manner == "request":
            limit = self.config.pasta.requests_of(self.phase)
            prompts = phase_prompts(Layout(self.config.results), self.subject, name, self.phase, limit)
            return [
                (
                    answer_rendering(self.config.evaluation, self.subject),
                    decoding_of(self.config.evaluation),
                    with_items(prompts, name, self.config.evaluation),
                )
            ]
        sampled = self.config.pasta.decoding
        decoding = Decoding(sampled.max_new_tokens, sampled.temperature, sampled.top_p)
        prefixes = phase_prefixes(self.config, self.subject, self.phase)
        return [
            (rendering, decoding, _prefix_items(rows, name, sampled))
            for rendering, rows in put(self.config, self.subject, prefixes, manner, load_tokenizer(self.folder))
        ]


def human_rows(config: Config, subject: Subject, phase: str, columns: Sequence[str]) -> pd.DataFrame:
    """How humans went on, as rows of a completions table."""
    rows = phase_prefixes(config, subject, phase)
    return rows.assign(
        model=subject.id, variant=HUMAN, phase=phase, set=config.pasta.prefixes, sample=0, backend=HUMAN, finish_reason="stop"
    ).reindex(columns=columns)


def _prefix_items(prompts: pd.DataFrame, name: str, sampled: PastaDecoding) -> pd.DataFrame:
    """Prefixes as wanted rows, each with a seed from its own id."""
    rows = prompts.drop(columns="response").assign(set=name, sample=0)
    greedy = sampled.temperature == 0
    rows["seed"] = [-1 if greedy else request_seed(sampled.seed, prefix, 0) for prefix in rows["id"]]
    rows["item"] = [
        digest({"prompt": prompt} if greedy else {"prompt": prompt, "seed": seed})
        for prompt, seed in zip(rows["prompt"], rows["seed"], strict=True)
    ]
    return rows


def _with_prefixes(config: Config, subject: Subject, phase: str, table: pd.DataFrame) -> pd.DataFrame:
    """The table with the prefix itself as prompt, whatever was put around it: texts of all manners compare."""
    prefixes = phase_prefixes(config, subject, phase).set_index("id")["prompt"]
    ours = table["set"] == config.pasta.prefixes
    return table.assign(prompt=table["prompt"].where(~ours, table["id"].map(prefixes)))


def _keep(subject: Subject, edits: dict[str, Edit | None]) -> Keep:
    def keep(want: Want, rows: pd.DataFrame) -> pd.DataFrame:
        edit = edits[want.cell.name]
        withheld = "withheld" in want.cell.key and edit is not None and must_withhold(subject, [edit])
        return withhold(rows) if withheld else rows

    return keep
