"""Every variant of the test split beside the unedited model: how far it moves predictions on harmless prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.edits.spec import Edit
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.stages.diverged import (
    Forcing,
    computing_divergences,
    divergence_cell,
    divergences_table,
    harmless_items,
)
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.opening import opened
from anatomy.stages.phase import Phase
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.store.fill import Lazy, Want, cells_of, fill

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {
    "scipy": "imported with the search for a direction, of which the model's own answers alone are used",
    "vllm": "an engine is imported with what serves either way; these rows come from transformers",
}


def measure_divergence(
    config: Config,
    subject: Subject,
    model: ModelCard,
    phase: Phase,
    model_edits: ModelEdits,
    prefix: Sequence[int],
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, list[str]]:
    """Fill the store with the divergences of every variant of a phase but the unedited one.

    Args:
        model: the model's card.
        phase: its variants with their edits made concrete.
        prefix: tokens that all answers of the model begin with.

    Returns:
        The table (``diverged.COLUMNS``; KL in nats, from the unedited model to the variant), and the store's cells.
    """
    at, store, wanted = Layout(config.results), Path(config.results) / "store", config.divergence
    forcing = Forcing(answer_rendering(config.evaluation, subject), tuple(prefix), wanted.tokens, config.extraction.token_budget)
    name = config.evaluation.benign
    prompts = harmless_items(phase_prompts(at, subject, name, phase.name, wanted.prompts), name)
    wants: list[Want] = []
    edits: dict[str, list[Edit]] = {}
    for variant, concrete in phase.variants:
        if variant.role == "base":
            continue
        keys = model_edits.keys(concrete)
        cell = divergence_cell(store, model, keys, forcing, cell_fingerprint("divergence", bool(keys)))
        edits[cell.name] = concrete
        wants.append(Want(cell, prompts, {"model": subject.id, "variant": variant.id, "phase": phase.name}))

    def open_model() -> AbstractContextManager[LoadedModel]:
        say(f"loading {subject.id}, divergence of {len(wants)} variants")
        return nullcontext(opened(model))

    with Lazy(open_model, store, "divergence") as session:
        fill(wants, session, computing_divergences(model_edits, edits, forcing), say)
    return divergences_table(wants), list(cells_of(wants))
