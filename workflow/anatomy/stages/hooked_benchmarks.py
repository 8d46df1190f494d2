"""Benchmarks under stacks of edits in memory: lm-eval on its own transformers backend, while the module is edited.

Only interventions at all positions: one at generated positions alone has no meaning where a question's choices are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.models.card import ModelCard, computed_in
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted
from anatomy.serving.benchmarks.harness import evaluate
from anatomy.serving.benchmarks.items import task_key
from anatomy.serving.benchmarks.transformers_lm import transformers_lm
from anatomy.stages.fingerprints import cell_fingerprint
from anatomy.stages.generation_request import GenerationRequest, at_all_positions
from anatomy.stages.in_memory import edited
from anatomy.stages.model_edits import ModelEdits
from anatomy.stages.opening import opened
from anatomy.stages.utility import FEWSHOT_SEED, phase_items, phase_tasks, samples_table
from anatomy.store.cell import Cell
from anatomy.store.fill import Lazy, Want, cells_of, fill

PINS: tuple[str, ...] = ("lm_eval", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


def hooked_benchmarks(
    config: Config,
    subject: Subject,
    model: ModelCard,
    asked: Sequence[GenerationRequest],
    items: int,
    model_edits: ModelEdits,
    say: Callable[[str], None],
) -> tuple[pd.DataFrame, list[str]]:
    """Score the test items of every task under each variant that takes the benchmarks.

    Args:
        model: the model's card.
        asked: what the recipe asks in the test phase; variants that are not ``benchmarked`` are passed over, and so are edits
            at some positions only.
        items: of each task, at most.
        model_edits: makes edits concrete.

    Returns:
        Samples, as those of other variants, and the store's cells.
    """
    tasks = phase_tasks(Layout(config.results), subject, config.benchmarks, "test")
    store, shots = Path(config.results) / "store", config.benchmarks.shots
    wants, behind = [], {}
    for one in at_all_positions(asked):
        if not one.variant.benchmarked:
            continue
        keys = model_edits.keys(one.edits)
        for name, task in tasks.items():
            cell = Cell(
                store,
                "benchmark",
                {
                    "code": cell_fingerprint("hooked_benchmarks", bool(keys)),
                    "model": model["digest"],
                    "edits": keys,
                    "task": task_key(task, shots),
                    "backend": "transformers",
                    **computed_in(model),
                },
            )
            labels = {"model": subject.id, "variant": one.variant.id, "phase": "test", "task": name}
            wants.append(Want(cell, phase_items(task, subject, "test", items), labels))
            behind[cell.name] = (name, one.edits)

    def compute(loaded: LoadedModel, missing: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        lm = transformers_lm(loaded, config.serving.batch_size)
        for want in counted(missing, "cells of benchmarks", len(missing)):
            name, edits = behind[want.cell.name]
            with edited(loaded, model_edits, edits):
                found = evaluate(
                    lm,
                    {name: tasks[name]},
                    num_fewshot=shots,
                    fewshot_seed=FEWSHOT_SEED,
                    indices={name: sorted(want.rows["index"])},
                )
            yield want, found.drop(columns=["task", "id", "group"])
        say(f"benchmarks: {len(missing)} cells")

    def open_model() -> AbstractContextManager[LoadedModel]:
        return nullcontext(opened(model))

    with Lazy(open_model, store, "hooked_benchmarks") as session:
        fill(wants, session, compute, say)
    return samples_table(wants), list(cells_of(wants))
