"""Benchmark items as rows of the store: what is wanted, and how an engine computes what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.benchmarks.engine_lm import EngineLM
from anatomy.benchmarks.items import chance, plan, task_key
from anatomy.benchmarks.requests import build_requests
from anatomy.benchmarks.sample_rows import METRICS as HARNESS_METRICS
from anatomy.benchmarks.sample_rows import samples_frame
from anatomy.benchmarks.tasks import folder_tasks, real_tasks
from anatomy.benchmarks.variants import stream_variants, unedited
from anatomy.config.methods import Benchmarks
from anatomy.config.study import Layout, Subject
from anatomy.serving.engine import Engine
from anatomy.store.cell import Cell
from anatomy.store.fill import Want, assemble

SORT = ["variant", "task", "id"]
COLUMNS = ["model", "variant", "phase", "task", "id", "group", "target", "loglikelihoods", *HARNESS_METRICS]
FEWSHOT_SEED = 0
METRICS = {"organism_hellaswag": "acc_norm", "organism_truthfulqa": "mc2", "truthfulqa_mc1": "mc1", "truthfulqa_mc2": "mc2"}
"""The metric a task is read by, ``acc`` where not named. ROSI's magnitudes fit plain ``acc`` on HellaSwag and ARC (inferred,
not stated by the paper); the organism's HellaSwag has endings of different length and is read by ``acc_norm``."""


def main_metric(task: str) -> str:
    """The metric a task is read by."""
    return METRICS.get(task, "acc")


def phase_tasks(at: Layout, subject: Subject, benchmarks: Benchmarks, phase: str) -> dict[str, Any]:
    """The tasks of a phase by their plain names.

    Organism tasks come in two files with disjoint items, one a phase. Published benchmarks have one evaluated split; their
    items are parted between the phases by digest (see ``phase_items``).
    """
    if subject.is_organism:
        suffix = "" if phase == "test" else "_select"
        folder = Path(at.organism(subject.seed)) / "tasks"
        found = folder_tasks(folder, [name + suffix for name in benchmarks.organism_tasks])
        return {name.removesuffix(suffix) if suffix else name: task for name, task in found.items()}
    names = [name for name in benchmarks.tasks if name not in benchmarks.left_out]
    return real_tasks(names, Path(benchmarks.data)) if names else {}


def phase_items(task: Any, subject: Subject, phase: str, limit: int) -> pd.DataFrame:
    """Items wanted of a task: columns ``index, item, id, group``, at most ``limit``."""
    items = pd.DataFrame(plan(task))
    if not subject.is_organism:
        late = items["item"].map(lambda item: int(item, 16) % 4 == 0)
        items = items[late if phase == "select" else ~late]
    return items.sort_values("item").head(limit)


def describe_tasks(tasks: Mapping[str, Any], items: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """For each task its metric, what guessing scores on the items asked, and how many there are."""
    return [{"task": name, "metric": main_metric(name), "items": len(items[name]),
             "chance": chance(task, main_metric(name), list(items[name]["index"]))} for name, task in tasks.items()]


def samples_table(wants: list[Want]) -> pd.DataFrame:
    """The table of samples; with its columns where no benchmark was asked for."""
    return assemble(wants, SORT).drop(columns="index") if wants else pd.DataFrame(columns=COLUMNS)


def utility_cell(store: Path, model: dict[str, Any], edits: list[dict[str, Any]], task: Any, shots: int, code: str) -> Cell:
    """The cell of one variant on one task."""
    return Cell(store, "benchmark", {"code": code, "model": model["digest"], "edits": edits, "task": task_key(task, shots),
                                     "backend": "vllm", "dtype": model["dtype"]})


def compute_utility(adapter_of: Callable[[Want], Path | None], tasks: Mapping[str, Any], task_of: Callable[[Want], str],
                    shots: int, say: Callable[[str], None],
                    ) -> Callable[[Engine, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How an engine fills cells of benchmark items: questions are built once for all variants; a cell is a shard.

    Args:
        adapter_of: the adapter of a cell's variant; None is the model itself.
    """
    def compute(engine: Engine, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        by_variant: defaultdict[Path | None, dict[str, Want]] = defaultdict(dict)
        missing: defaultdict[str, set[int]] = defaultdict(set)
        for want in wants:
            by_variant[adapter_of(want)][task_of(want)] = want
            missing[task_of(want)] |= set(want.rows["index"])
        lm = EngineLM(engine)
        built = {name: build_requests(lm, tasks[name], sorted(places), num_fewshot=shots, fewshot_seed=FEWSHOT_SEED)
                 for name, places in missing.items()}
        named = {str(adapter): adapter for adapter in by_variant}
        found = stream_variants(
            engine, {name: partial(nullcontext, adapter) for name, adapter in named.items()}, built,
            {name: {task: list(want.rows["index"]) for task, want in by_variant[adapter].items()}
             for name, adapter in named.items()},
            in_memory={name: unedited for name, adapter in named.items() if adapter is None}, say=say)
        for name, task, rows in found:
            yield by_variant[named[name]][task], samples_frame(rows).drop(columns=["task", "id", "group"])
    return compute
