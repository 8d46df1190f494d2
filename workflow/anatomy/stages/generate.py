"""What a recipe asks of a model in a phase, generated in memory: the unedited model, and the model under stacks of edits.

Texts that continue harmless human prefixes are kept; answers of real models to requests under an edit that may lower safety
are judged at once and withheld (``anatomy.stages.withheld``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import Edit
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering
from anatomy.progress.counting import Progress
from anatomy.serving.decoding import Decoding
from anatomy.stages.answers import Keep, answer_cell, completions_table
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.generation_request import GenerationRequest
from anatomy.stages.in_memory import computing
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.opening import opened
from anatomy.stages.phase import Phase, describe
from anatomy.stages.speaking import Speaking
from anatomy.stages.withheld import kept, must_withhold
from anatomy.store.digest import canonical_json
from anatomy.store.fill import Lazy, Want, cells_of, fill

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


@dataclass(frozen=True)
class WantsAlike:
    """Wants whose prompts are rendered and answered alike, so that they are answered together."""

    rendering: Rendering
    decoding: Decoding
    wants: list[Want]


class Generated(TypedDict):
    """Tables of what was generated (see workflow/README.md), and the store's cells they came from."""

    completions: pd.DataFrame
    variants: pd.DataFrame
    cells: list[str]


def generate(
    config: Config,
    subject: Subject,
    model: ModelCard,
    asked: Sequence[GenerationRequest],
    phase: str,
    model_edits: ModelEdits,
    spoken: Speaking,
    say: Callable[[str], None],
) -> Generated:
    """Fill the store with everything asked for and assemble the tables.

    Args:
        model: the model's card.
        asked: variants with their edits, sets and manner.
        model_edits: makes edits concrete.
        spoken: puts the prompts of the phase.

    Returns:
        Tables ``completions`` and ``variants``, and ``cells``.
    """
    batches, edits = wanted(config, subject, model, asked, phase, model_edits, spoken)

    def open_model() -> AbstractContextManager[LoadedModel]:
        say(f"loading {subject.id}, {phase}")
        return nullcontext(opened(model))

    progress = Progress("generate", sum(len(want.rows) for batch in batches for want in batch.wants), whole=True)
    with Lazy(open_model, Path(config.results) / "store", "generate") as session:
        for batch in batches:
            keep = _keep(subject, edits, phase)
            with progress.part(sum(len(want.rows) for want in batch.wants)):
                fill(
                    batch.wants,
                    session,
                    computing(model_edits, edits, keep, batch.rendering, batch.decoding, config.serving.batch_size, say),
                    say,
                )
    wants = [want for batch in batches for want in batch.wants]
    return {
        "completions": spoken.finished(completions_table(wants)),
        "variants": describe(subject, Phase(phase, [(one.variant, list(one.edits)) for one in asked])),
        "cells": list(cells_of(wants)),
    }


def wanted(
    config: Config,
    subject: Subject,
    model: ModelCard,
    asked: Sequence[GenerationRequest],
    phase: str,
    model_edits: ModelEdits,
    spoken: Speaking,
) -> tuple[list[WantsAlike], dict[str, tuple[Edit, ...]]]:
    """Completions wanted, those rendered and decoded alike together, and the stack of edits behind each cell."""
    store = Path(config.results) / "store"
    batches: dict[str, WantsAlike] = {}
    edits: dict[str, tuple[Edit, ...]] = {}
    for one in asked:
        keys = model_edits.keys(one.edits)
        labels = {
            "model": subject.id,
            "variant": one.variant.id,
            "phase": phase,
            "backend": "transformers",
            "dtype": model["dtype"],
        }
        for name in one.variant.sets:
            kept_back = not spoken.harmless(name) and must_withhold(subject, one.edits, phase) != "nothing"
            for rendering, decoding, rows in spoken.rows(name, one.manner):
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
                edits[cell.name] = one.edits
                way = canonical_json([rendering.key(), decoding.key()])
                batches.setdefault(way, WantsAlike(rendering, decoding, [])).wants.append(Want(cell, rows, labels))
    return list(batches.values()), edits


def _keep(subject: Subject, edits: Mapping[str, Sequence[Edit]], phase: str) -> Keep:
    def keep(want: Want, rows: pd.DataFrame) -> pd.DataFrame:
        what = must_withhold(subject, edits[want.cell.name], phase)
        return kept(rows, what, want.rows) if "withheld" in want.cell.key else rows

    return keep
