"""Everything asked of the engine in one phase: completions and benchmark items of every variant, on one start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.errors import EditError
from anatomy.interventions.edits.spec import Edit, acts_on_activations
from anatomy.interventions.variant import Variant
from anatomy.models.card import ModelCard
from anatomy.progress.counting import Progress
from anatomy.serving.engine import Engine
from anatomy.serving.serving_modes import Fallback
from anatomy.serving.variants import Variant as Served
from anatomy.stages.answers import answer_cell, completions_table, compute_answers, decoding_of, unchanged_variants, with_items
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.phase import Phase, describe
from anatomy.stages.prompts import phase_prompts
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.task_facts import TaskFacts
from anatomy.stages.utility import (
    compute_utility,
    describe_tasks,
    phase_items,
    phase_tasks,
    samples_table,
    utility_cell,
)
from anatomy.stages.withheld import kept, must_withhold
from anatomy.store.digest import canonical_json
from anatomy.store.fill import Lazy, Want, cells_of, fill
from anatomy.store.journal import record

PINS: tuple[str, ...] = ("lm_eval", "torch", "transformers", "vllm")

ITEMS_AN_ANSWER = 4
"""Benchmark items that take about as long as one answer: for progress alone."""


class Evaluated(TypedDict):
    """Tables of a phase (see workflow/README.md), its tasks, and the store's cells they came from."""

    completions: pd.DataFrame
    samples: pd.DataFrame
    variants: pd.DataFrame
    tasks: list[TaskFacts]
    cells: list[str]


def evaluate(
    config: Config,
    subject: Subject,
    phase: Phase,
    model: ModelCard,
    model_edits: ModelEdits,
    say: Callable[[str], None],
    *,
    target_modules: Sequence[str],
    threads: int | None = None,
    gpus: int = 1,
) -> Evaluated:
    """Fill the store and assemble the phase's tables.

    Args:
        model: the model's card.
        model_edits: makes edits concrete: keys and edits of weights.
        target_modules: matrices that adapters edit.
        threads, gpus: of the engine, as the job was granted them; ``serving.threads`` if None.

    Returns:
        Tables ``completions``, ``samples``, ``variants`` (with ``unchanged``: whether an edited variant answered every prompt
        exactly as the unedited model did, whichever job serves that one); ``tasks`` with their metric and chance level; and
        ``cells``, the store's cells the tables came from.

    Raises:
        EditError: before anything starts, a variant with an edit of activations; this stage serves edits of weights.
    """
    at, store = Layout(config.results), Path(config.results) / "store"
    rendering, decoding = answer_rendering(config.evaluation, subject), decoding_of(config.evaluation)
    edits: dict[str, list[Edit]] = {}
    tasks = phase_tasks(at, subject, config.benchmarks, phase.name)
    task_names: dict[str, str] = {}
    answers, utility = [], []
    limit = config.evaluation.select_prompts if phase.name == "select" else config.evaluation.test_prompts
    item_limit = config.benchmarks.select_items if phase.name == "select" else config.benchmarks.test_items
    prompts = {
        name: with_items(phase_prompts(at, subject, name, phase.name, limit), name, config.evaluation)
        for name in sorted({name for variant, _ in phase.variants for name in variant.sets})
    }

    def answers_of(variant: Variant, concrete: list[Edit]) -> list[Want]:
        _refuse_hooks(variant.id, concrete)
        keys = model_edits.keys(concrete)
        cell = answer_cell(
            store,
            model,
            keys,
            rendering,
            decoding,
            "vllm",
            cell_fingerprint("generate", bool(keys)),
            "" if must_withhold(subject, concrete, phase.name) == "nothing" else cell_fingerprint("withheld", False),
        )
        edits[cell.name] = concrete
        labels = {"model": subject.id, "variant": variant.id, "phase": phase.name, "backend": "vllm", "dtype": model["dtype"]}
        return [Want(cell, prompts[name], labels) for name in variant.sets if name in prompts]

    compared = [want for variant in phase.unedited_elsewhere for want in answers_of(variant, [])]
    items = {name: phase_items(task, subject, phase.name, item_limit) for name, task in tasks.items()}
    for variant, concrete in phase.variants:
        keys = model_edits.keys(concrete)
        labels = {"model": subject.id, "variant": variant.id, "phase": phase.name}
        answers += answers_of(variant, concrete)
        if variant.benchmarked:
            for name, task in tasks.items():
                cell = utility_cell(store, model, keys, task, config.benchmarks.shots, cell_fingerprint("benchmark", bool(keys)))
                edits[cell.name], task_names[cell.name] = concrete, name
                utility.append(Want(cell, items[name], {**labels, "task": name}))

    def open_engine() -> Engine:
        say(f"starting the engine for {subject.id}, {phase.name}")
        return Engine(
            Path(model["folder"]),
            dtype=model["dtype"],
            max_model_len=config.serving.max_model_len,
            seed=0,
            kv_cache_bytes=config.serving.kv_cache_bytes,
            threads=threads or config.serving.settled_threads,
            gpus=gpus,
            adapters=True,
            max_loras=config.serving.max_loras,
            target_modules=tuple(target_modules),
            on_fallback=told,
        )

    def told(fallback: Fallback) -> None:
        say(f"{subject.id}: {fallback}")
        record(store, "fallback", stage="evaluate", model=subject.id, **vars(fallback))

    def variant_of(want: Want) -> Served:
        concrete = edits[want.cell.name]
        return Served(want.cell.name, lambda: model_edits.weight_edits(concrete))

    def keep(want: Want, rows: pd.DataFrame) -> pd.DataFrame:
        return kept(rows, must_withhold(subject, edits[want.cell.name], phase.name), want.rows)

    def scored_under(want: Want) -> Served:
        concrete = edits[want.cell.name]
        return Served(canonical_json(model_edits.keys(concrete)), lambda: model_edits.weight_edits(concrete))

    asked = [sum(len(want.rows) for want in answers), sum(len(want.rows) for want in utility) / ITEMS_AN_ANSWER]
    with Lazy(open_engine, store, "evaluate") as session, Progress("evaluate", sum(asked), whole=True) as progress:
        with progress.part(asked[0]):
            # First and by themselves: jobs that run beside this one wait for these rows, and for none of the edited ones.
            fill(compared, session, compute_answers(variant_of, keep, rendering, decoding, say), say)
            fill(answers, session, compute_answers(variant_of, keep, rendering, decoding, say), say)
        with progress.part(asked[1]):
            fill(
                utility,
                session,
                compute_utility(scored_under, tasks, lambda want: task_names[want.cell.name], config.benchmarks.shots, say),
                say,
            )
    completions = completions_table(answers)
    plain, edited = ([variant.id for variant, concrete in phase.variants if bool(concrete) is wanted] for wanted in (False, True))
    beside = completions_table([*answers, *compared]) if compared else completions
    unchanged = unchanged_variants(beside, [*plain, *(one.id for one in phase.unedited_elsewhere)], edited, say)
    variants = describe(subject, phase)
    return {
        "completions": completions,
        "samples": samples_table(utility),
        "variants": variants.assign(unchanged=variants["variant"].isin(unchanged)),
        "tasks": describe_tasks(tasks, items),
        "cells": list(cells_of([*answers, *compared, *utility])),
    }


def _refuse_hooks(variant: str, edits: Sequence[Edit]) -> None:
    hooks = [edit["method"] for edit in edits if acts_on_activations(edit)]
    if hooks:
        raise EditError(
            found=f"{variant} with {hooks[0]}, an edit of activations",
            expected="edits of weights alone",
            where="stage evaluate",
            remedy="ask for the variant's answers from the stage generate, and for its benchmarks from hooked_benchmarks",
        )
