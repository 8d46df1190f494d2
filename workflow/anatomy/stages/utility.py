"""Benchmark items as rows of the store: what is wanted, and how an engine computes what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pandas as pd
from lm_eval.api.task import ConfigurableTask

from anatomy.config.methods import Benchmarks
from anatomy.config.study import Layout, Subject
from anatomy.errors import ConfigError
from anatomy.interventions.edits.apply import applied
from anatomy.models.card import ModelCard, computed_in
from anatomy.models.loading import LoadedModel
from anatomy.serving.benchmarks.engine_lm import EngineLM
from anatomy.serving.benchmarks.items import chance, plan, task_key
from anatomy.serving.benchmarks.requests import build_requests
from anatomy.serving.benchmarks.sample_rows import METRICS as HARNESS_METRICS
from anatomy.serving.benchmarks.sample_rows import samples_frame
from anatomy.serving.benchmarks.tasks import folder_tasks, real_tasks
from anatomy.serving.benchmarks.variants import stream_variants
from anatomy.serving.engine import Engine
from anatomy.serving.variants import Variant, plan_variants
from anatomy.stages.task_facts import TaskFacts
from anatomy.store.cell import Cell
from anatomy.store.fill import Want, assemble
from anatomy.store.json_objects import JsonObject

PINS: tuple[str, ...] = ("lm_eval", "torch", "transformers", "vllm")

SORT = ["variant", "task", "id"]
COLUMNS = ["model", "variant", "phase", "task", "id", "group", "target", "loglikelihoods", *HARNESS_METRICS]
FEWSHOT_SEED = 0
METRICS = {"organism_hellaswag": "acc_norm", "organism_truthfulqa": "mc2", "truthfulqa_mc1": "mc1", "truthfulqa_mc2": "mc2"}
"""The metric a task is read by, ``acc`` where not named. ROSI's magnitudes fit plain ``acc`` on HellaSwag and ARC (inferred,
not stated by the paper); the organism's HellaSwag has endings of different length and is read by ``acc_norm``."""


def main_metric(task: str) -> str:
    """The metric a task is read by."""
    return METRICS.get(task, "acc")


def phase_tasks(at: Layout, subject: Subject, benchmarks: Benchmarks, phase: str) -> dict[str, ConfigurableTask]:
    """The tasks of a phase by their plain names.

    Organism tasks come in two files with disjoint items, one a phase. Published benchmarks have one evaluated split; their
    items are parted between the phases by digest (see ``phase_items``).
    """
    if subject.seed is not None:
        suffix = "" if phase == "test" else "_select"
        folder = Path(at.organism(subject.seed)) / "tasks"
        found = folder_tasks(folder, [name + suffix for name in benchmarks.organism_tasks])
        return {name.removesuffix(suffix) if suffix else name: task for name, task in found.items()}
    names = [name for name in benchmarks.tasks if name not in benchmarks.left_out]
    if not names:
        return {}
    if benchmarks.data is None:
        raise ConfigError(found="benchmarks.data: null", expected="a folder", where=f"benchmarks {', '.join(names)}")
    return real_tasks(names, Path(benchmarks.data))


def phase_items(task: ConfigurableTask, subject: Subject, phase: str, limit: int) -> pd.DataFrame:
    """Items wanted of a task: columns ``index, item, id, group``, at most ``limit``."""
    items = pd.DataFrame(plan(task))
    if not subject.is_organism:
        late = items["item"].map(lambda item: int(item, 16) % 4 == 0)
        items = items[late if phase == "select" else ~late]
    return items.sort_values("item").head(limit)


def describe_tasks(tasks: Mapping[str, ConfigurableTask], items: Mapping[str, pd.DataFrame]) -> list[TaskFacts]:
    """For each task its metric, what guessing scores on the items asked, and how many there are."""
    return [
        {
            "task": name,
            "metric": main_metric(name),
            "items": len(items[name]),
            "chance": chance(task, main_metric(name), list(items[name]["index"])),
        }
        for name, task in tasks.items()
    ]


def samples_table(wants: list[Want]) -> pd.DataFrame:
    """The table of samples; with its columns where no benchmark was asked for."""
    return assemble(wants, SORT).drop(columns="index") if wants else pd.DataFrame(columns=COLUMNS)


def utility_cell(store: Path, model: ModelCard, edits: list[JsonObject], task: ConfigurableTask, shots: int, code: str) -> Cell:
    """The cell of one variant on one task."""
    return Cell(
        store,
        "benchmark",
        {
            "code": code,
            "model": model["digest"],
            "edits": edits,
            "task": task_key(task, shots),
            "backend": "vllm",
            **computed_in(model),
        },
    )


def compute_utility(
    variant_of: Callable[[Want], Variant],
    tasks: Mapping[str, ConfigurableTask],
    task_of: Callable[[Want], str],
    shots: int,
    say: Callable[[str], None],
) -> Callable[[Engine, list[Want]], Iterator[tuple[Want, pd.DataFrame]]]:
    """How an engine fills cells of benchmark items: questions are built once for all variants, weights move as little as they
    can, equal edits are scored once; a cell is a shard.

    Args:
        variant_of: what a cell's items are scored under; cells of one variant (one of each task) give one name.
    """

    def compute(engine: Engine, wants: list[Want]) -> Iterator[tuple[Want, pd.DataFrame]]:
        variants = {variant.name: variant for variant in map(variant_of, wants)}
        plan = plan_variants(engine, list(variants.values()), say)
        cells: defaultdict[str, defaultdict[str, list[Want]]] = defaultdict(lambda: defaultdict(list))
        missing: defaultdict[str, set[int]] = defaultdict(set)
        for want in wants:
            name = variant_of(want).name
            cells[plan.duplicates.get(name, name)][task_of(want)].append(want)
            missing[task_of(want)] |= set(want.rows["index"])
        lm = EngineLM(engine)
        built = {
            name: build_requests(lm, tasks[name], sorted(places), num_fewshot=shots, fewshot_seed=FEWSHOT_SEED)
            for name, places in missing.items()
        }
        asked = {
            name: {task: sorted({place for want in own for place in want.rows["index"]}) for task, own in by_task.items()}
            for name, by_task in cells.items()
        }
        plain = {name: partial(_in_memory, variants[name]) for name, way in plan.ways.items() if way.kind in ("base", "reload")}
        with engine.sweep():
            for name, task, rows in stream_variants(engine, plan.entries(engine), built, asked, in_memory=plain, say=say):
                table = samples_frame(rows).drop(columns=["task", "id", "group"])
                for want in cells[name][task]:
                    yield want, table[table["item"].isin(want.rows["item"])]

    return compute


def _in_memory(variant: Variant, loaded: LoadedModel) -> AbstractContextManager[LoadedModel]:
    return applied(loaded, *variant.built())
