"""Interventions on the test split, in the engine or in memory, and projections before and after the picks.

Nothing edited is written, and of real models' answers only the verdicts are kept (see ``anatomy.stages.withheld``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.interventions.edits.reference import SelectedReference, along_selected
from anatomy.interventions.edits.spec import DirectionReference, Edit, acts_on_activations
from anatomy.interventions.variant import resolve
from anatomy.models.card import ModelCard
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import Progress
from anatomy.recipes.rosi.families import POSITION, families, layers
from anatomy.recipes.rosi.variants import nearest, variants_in_memory, variants_on_test
from anatomy.serving.engine import Engine
from anatomy.stages.answers import answer_cell, completions_table, decoding_of, with_items
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.in_engine import computing_in_engine, hooks_backend
from anatomy.stages.in_memory import computing
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.opening import opened
from anatomy.stages.phase import Phase, describe
from anatomy.stages.projected import computing_projections, projection_cell, projections_table, prompt_items
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.selected_direction import Selected, SelectedDirection, place_of
from anatomy.stages.withheld import Withheld, kept
from anatomy.store.fill import Lazy, Want, cells_of, fill

PINS: tuple[str, ...] = ("torch", "transformers", "vllm")

PROJECTIONS_AN_ANSWER = 10
"""Prompts projected in the time of one answer: for progress alone."""


def measure(
    config: Config,
    subject: Subject,
    model: ModelCard,
    extracted: Path,
    selected: Selected,
    picks: dict[str, Edit | None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Measure a model.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
        selected: the direction of each contrast: the pick of the published rule, or what comes nearest.
        picks: ROSI's picks, by family.

    Returns:
        Tables ``completions``, ``variants``, ``projections``, and ``cells``.
    """
    model_edits, store = ModelEdits(model, extracted), Path(config.results) / "store"
    phase = in_memory_phase(config, subject, selected)
    rendering, decoding = answer_rendering(config.evaluation, subject), decoding_of(config.evaluation)
    wants, edits = wanted_answers(config, subject, model, model_edits, phase)
    projected, edits_projected, direction, position = wanted_projections(config, subject, model, model_edits, selected, picks)
    in_engine = [want for want in wants if want.labels["backend"] == "vllm"]
    in_memory = [want for want in wants if want.labels["backend"] == "transformers"]
    withheld: Withheld = "nothing" if subject.is_organism else "everything"

    def keep(want: Want, rows: pd.DataFrame) -> pd.DataFrame:
        return kept(rows, withheld, want.rows)

    def open_engine() -> Engine:
        say(f"starting the engine for {subject.id}, interventions")
        return Engine(
            Path(model["folder"]),
            dtype=model["dtype"],
            max_model_len=config.serving.max_model_len,
            seed=0,
            kv_cache_bytes=config.serving.kv_cache_bytes,
            threads=config.serving.settled_threads,
            hooks=True,
        )

    def open_model() -> AbstractContextManager[LoadedModel]:
        return nullcontext(opened(model))

    counts: list[float] = [sum(len(want.rows) for want in some) for some in (in_engine, in_memory, projected)]
    counts[2] /= PROJECTIONS_AN_ANSWER
    progress = Progress("measure", sum(counts), whole=True)
    # One after the other: on a GPU the engine takes the memory that a loaded model needs.
    with Lazy(open_engine, store, "measure") as engine, progress.part(counts[0]):
        fill(in_engine, engine, computing_in_engine(model_edits, edits, keep, rendering, decoding, say), say)
    with Lazy(open_model, store, "measure") as session:
        with progress.part(counts[1]):
            fill(
                in_memory, session, computing(model_edits, edits, keep, rendering, decoding, config.serving.batch_size, say), say
            )
        with progress.part(counts[2]):
            fill(
                projected,
                session,
                computing_projections(
                    model_edits, edits_projected, direction, position, rendering, config.extraction.token_budget
                ),
                say,
            )
    return {
        "completions": completions_table(wants),
        "variants": describe(subject, phase),
        "projections": projections_table(projected),
        "cells": list(cells_of([*wants, *projected])),
    }


def in_memory_phase(config: Config, subject: Subject, selected: Selected) -> Phase:
    """Interventions along the selected direction; none where there is none.

    Along a direction that the published rule did not keep they go by a family of their own (``nearest``), so that no claim of the
    paper's is judged by them.
    """
    concrete = []
    for asked in variants_in_memory(config, subject):
        waiting = [edit for edit in asked.edits if along_selected(edit)]
        directions = [selected[edit["direction"]["contrast"]] for edit in waiting]
        if all(place_of(direction) for direction in directions):
            carried = any(direction["outcome"] == "nearest" for direction in directions)
            variant = nearest(asked) if carried else asked
            placed = [_at_selected_place(edit, direction) for edit, direction in zip(waiting, directions, strict=True)]
            # A control without a direction changes nothing, and counts.
            concrete.append((variant, [edit for edit in placed if edit is not None]))
    return Phase("test", concrete)


def _at_selected_place(edit: SelectedReference, found: SelectedDirection) -> Edit | None:
    """An edit along the direction that was selected for its contrast; None for a control whose search found no place."""
    control = edit["direction"]["control"]
    if control is None:
        cell = list(place_of(found) or ()) or None
    else:
        cell = found["controls"]["{}-{}".format(*control)]["add" if edit["method"] == "add" else "ablate"]
    if cell is None:
        return None
    direction = DirectionReference(contrast=edit["direction"]["contrast"], position=cell[0], layer=cell[1], control=control)
    if edit["method"] == "orthogonalize":
        return {"method": "orthogonalize", "direction": direction}
    if edit["method"] == "add":
        return {"method": "add", "direction": direction, "strength": 1.0}
    return {"method": edit["method"], "direction": direction}


def wanted_answers(
    config: Config, subject: Subject, model: ModelCard, model_edits: ModelEdits, phase: Phase
) -> tuple[list[Want], dict[str, list[Edit]]]:
    """Completions wanted, each labelled with the backend that computes it, and the stack of edits behind each cell.

    Stacks of edits of weights alone are made in memory, whatever computes the interventions.
    """
    at, store = Layout(config.results), Path(config.results) / "store"
    rendering, decoding = answer_rendering(config.evaluation, subject), decoding_of(config.evaluation)
    prompts = {
        name: with_items(phase_prompts(at, subject, name, "test", config.evaluation.test_prompts), name, config.evaluation)
        for name in config.evaluation.pair
    }
    hooks = hooks_backend(config.serving.hooks, model_edits.checkpoint)
    withheld = "" if subject.is_organism else cell_fingerprint("withheld", False)
    wants: list[Want] = []
    edits: dict[str, list[Edit]] = {}
    for variant, concrete in phase.variants:
        backend = hooks if not concrete or any(map(acts_on_activations, concrete)) else "transformers"
        cell = answer_cell(
            store,
            model,
            model_edits.keys(concrete),
            rendering,
            decoding,
            backend,
            cell_fingerprint("hooked" if backend == "vllm" else "measure", True),
            withheld,
        )
        edits[cell.name] = concrete
        labels = {"model": subject.id, "variant": variant.id, "phase": "test", "backend": backend, "dtype": model["dtype"]}
        wants += [Want(cell, prompts[name], labels) for name in variant.sets]
    return wants, edits


def wanted_projections(
    config: Config,
    subject: Subject,
    model: ModelCard,
    model_edits: ModelEdits,
    selected: Selected,
    picks: dict[str, Edit | None],
) -> tuple[list[Want], dict[str, list[Edit]], Tensor, int]:
    """Projections wanted of the unedited model and of each method's pick, the edits behind each cell, direction and position.

    The direction is the selected one; where nothing was selected, the one of the middle layer that ROSI tries.
    """
    at, contrast, num_layers = Layout(config.results), subject.contrasts[0], model_edits.checkpoint.num_layers
    tried = layers(config.rosi, num_layers, config.selection.layer_share)
    position, layer = place_of(selected[contrast]) or (POSITION, tried[len(tried) // 2])
    direction = model_edits.directions.unit({"contrast": contrast, "position": position, "layer": layer, "control": None})
    prompts = {
        name: prompt_items(phase_prompts(at, subject, name, "test", config.evaluation.test_prompts), name)
        for name in config.evaluation.pair
    }
    methods = {family.name for family in families(config, subject) if not family.control and "@" not in family.name}
    wants: list[Want] = []
    edits: dict[str, list[Edit]] = {}
    for variant in variants_on_test(config, subject):
        if variant.role != "base" and variant.family not in methods:
            continue
        resolved = [resolve(edit, picks) for edit in variant.edits]
        concrete = [edit for edit in resolved if edit is not None]
        if len(concrete) < len(resolved):
            continue
        cell = projection_cell(
            Path(config.results) / "store",
            model,
            model_edits.keys(concrete),
            answer_rendering(config.evaluation, subject),
            direction,
            position,
            cell_fingerprint("project", bool(concrete)),
        )
        edits[cell.name] = concrete
        labels = {"model": subject.id, "variant": variant.id, "phase": "test"}
        wants += [Want(cell, rows, labels) for rows in prompts.values()]
    return wants, edits, direction, position
