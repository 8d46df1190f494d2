"""Interventions in memory on the test split, and projections before and after the picks.

Nothing edited is written, and of real models' answers only the verdicts are kept (see ``anatomy.stages.withheld``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from anatomy.activations.projections import project
from anatomy.config.options import cell_fingerprint
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.rendering import render
from anatomy.recipes.rosi.families import POSITION, families, layers
from anatomy.recipes.rosi.variants import variants_in_memory, variants_on_test
from anatomy.recipes.variant import Edit, resolve
from anatomy.stages.answers import answer_cell, completions_table, decoding_of, with_items
from anatomy.stages.edit_book import EditBook
from anatomy.stages.in_memory import computing, edited
from anatomy.stages.phase import Phase, describe
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.withheld import withhold
from anatomy.store.fill import Lazy, Want, cells_of, fill


def measure(config: Config, subject: Subject, model: dict[str, Any], extracted: Path, selected: dict[str, Any],
            picks: dict[str, Edit | None], say: Callable[[str], None]) -> dict[str, Any]:
    """Measure a model.

    Args:
        model: the model's card.
        extracted: folder of the model's extraction.
        selected: pick of the published rule, by contrast.
        picks: ROSI's picks, by family.

    Returns:
        Tables ``completions``, ``variants``, ``projections``, and ``cells``.
    """
    loaded = load_model(Path(model["folder"]), getattr(torch, model["dtype"]), "cuda" if torch.cuda.is_available() else "cpu")
    book = EditBook(model, extracted)
    phase = in_memory_phase(config, subject, selected)
    wants, edits = wanted_answers(config, subject, model, book, phase)
    with Lazy(lambda: nullcontext(loaded), Path(config.results) / "store", "measure") as session:
        keep = (lambda want, rows: rows) if subject.is_organism else (lambda want, rows: withhold(rows))
        compute = computing(book, edits, keep, answer_rendering(config.evaluation, subject),
                            decoding_of(config.evaluation), say)
        fill(wants, session, compute, say)
    return {"completions": completions_table(wants), "variants": describe(subject, phase),
            "projections": projections(config, subject, loaded, book, selected, picks), "cells": list(cells_of(wants))}


def in_memory_phase(config: Config, subject: Subject, selected: dict[str, Any]) -> Phase:
    """Interventions along the selected direction; none where the selection ended with an empty grid."""
    concrete = []
    for variant in variants_in_memory(config, subject):
        edit = variant.edits[0]
        found = selected[edit["direction"]["contrast"]]
        if found["outcome"] != "picked":
            continue
        control = edit["direction"]["control"]
        if control is None:
            cell = [found["position"], found["layer"]]
        else:
            cell = found["controls"]["{}-{}".format(*control)]["add" if edit["method"] == "add" else "ablate"]
        if cell is None:
            concrete.append((variant, []))  # a control without a direction changes nothing, and counts
            continue
        direction = {"contrast": edit["direction"]["contrast"], "position": cell[0], "layer": cell[1], "control": control}
        strength = {"strength": 1.0} if edit["method"] == "add" else {}
        concrete.append((variant, [{"method": edit["method"], "direction": direction, **strength}]))
    return Phase("test", concrete)


def wanted_answers(config: Config, subject: Subject, model: dict[str, Any], book: EditBook,
                   phase: Phase) -> tuple[list[Want], dict[str, Edit | None]]:
    """Completions wanted, and the edit behind each cell."""
    at, store = Layout(config.results), Path(config.results) / "store"
    rendering, decoding = answer_rendering(config.evaluation, subject), decoding_of(config.evaluation)
    prompts = {name: with_items(phase_prompts(at, subject, name, "test", config.evaluation.test_prompts), name,
                                config.evaluation) for name in config.evaluation.pair}
    wants, edits = [], {}
    for variant, concrete in phase.variants:
        cell = answer_cell(store, model, [book.key(edit) for edit in concrete], rendering, decoding, "transformers",
                           cell_fingerprint("measure", True),
                           "" if subject.is_organism else cell_fingerprint("withheld", False))
        edits[cell.name] = concrete[0] if concrete else None
        labels = {"model": subject.id, "variant": variant.id, "phase": "test", "backend": "transformers", "dtype": model["dtype"]}
        wants += [Want(cell, prompts[name], labels) for name in variant.sets]
    return wants, edits


def projections(config: Config, subject: Subject, loaded: LoadedModel, book: EditBook, selected: dict[str, Any],
                picks: dict[str, Edit | None]) -> pd.DataFrame:
    """Projections of test prompts onto the model's direction at every layer, unedited and under each method's pick.

    The direction is the selected one; where nothing was selected, the one of the middle layer that ROSI tries.
    """
    at, contrast = Layout(config.results), subject.contrasts[0]
    found = selected[contrast]
    tried = layers(config.rosi, loaded.num_layers, config.selection.layer_share)
    cell = (found["position"], found["layer"]) if found["outcome"] == "picked" else (POSITION, tried[len(tried) // 2])
    direction = book.directions.unit({"contrast": contrast, "position": cell[0], "layer": cell[1], "control": None})
    methods = {family.name for family in families(config, subject) if not family.control and "@" not in family.name}
    tables = []
    for variant in variants_on_test(config, subject):
        if variant.role != "base" and variant.family not in methods:
            continue
        edits = [resolve(edit, {}, picks) for edit in variant.edits]
        if None in edits:
            continue
        for name in config.evaluation.pair:
            prompts = phase_prompts(at, subject, name, "test", config.evaluation.test_prompts)
            tokens = render(loaded.tokenizer, list(prompts["prompt"]), answer_rendering(config.evaluation, subject))
            with edited(loaded, book, edits[0] if edits else None):
                rows = project(loaded, list(prompts["id"]), tokens, direction, position=cell[0],
                               layers=range(loaded.num_layers), token_budget=config.extraction.token_budget)
            tables.append(rows.merge(prompts[["id", "group", "label"]], on="id").assign(
                model=subject.id, variant=variant.id, phase="test", set=name))
    return pd.concat(tables, ignore_index=True)

