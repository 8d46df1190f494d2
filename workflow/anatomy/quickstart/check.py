"""Check a study in seconds: configuration, prompts, model; and say in words what will run, and what that cannot decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from anatomy.config.study import subjects
from anatomy.costs.lengths import lengths
from anatomy.costs.prompts import PromptCounts
from anatomy.models.machine.formats import resolved
from anatomy.models.machine.gpu_locks import visible_gpus
from anatomy.models.machine.memory import this_machine
from anatomy.models.preflight.disk import estimate_disk, require_disk
from anatomy.quickstart.cost import Cost, size_lines, stage_lines
from anatomy.quickstart.study import Study
from anatomy.recipes.asked_variants import inputs_at
from anatomy.recipes.configuration import check_config
from anatomy.recipes.effort import Effort
from anatomy.recipes.undecided import undecided
from anatomy.sources.registry.hub_models import HubModel
from anatomy.stages.preflight import examine
from anatomy.stages.prompt_set import prepare
from anatomy.store.files import read_table

GIB = 1 << 30


def check_study(
    studies: Mapping[Effort, Study], effort: Effort, folder: Path | None, prompts: Mapping[str, pd.DataFrame], where: str
) -> Iterator[str]:
    """Check everything that can be checked without weights; yields lines for a person.

    Args:
        studies: the same study in every size.
        effort: the size that was chosen.
        folder: of the model; None where it is not here.
        prompts: prepared tables of its prompt sets.
        where: the file that the study will be written to.

    Raises:
        AnatomyError: the first thing that would have failed later, with what to do.
    """
    config = check_config(studies[effort].options, where)
    subject = subjects(config)[0]
    for name, table in prompts.items():
        splits = table["split"].value_counts()
        yield f"{name}: {len(table)} prompts, " + ", ".join(f"{splits[phase]} to {phase}" for phase in splits.index)
    model = config.models[subject.id]
    if folder is None:
        wanted = HubModel.of(model)
        yield (
            f"{wanted.hub} at {wanted.revision[:10]}: not here yet; run `snakemake prefetch` with this configuration where "
            "there is a network, and this command again for its cost, and for layers and a context that fit the model"
        )
        return
    machine = this_machine(len(visible_gpus()))
    texts = {name: list(table["prompt"]) for name, table in prompts.items()}
    report = examine(config, subject, folder, texts, machine, inputs_at=inputs_at(config))
    architecture, size = report.check()
    yield f"{subject.id}: {architecture.name}, {size.parameters / 1e6:,.1f} million parameters, {size.layers} blocks"
    yield from (f"  note: {note}" for note in report.notes)
    room = machine.gpu_free if machine.gpu else machine.free
    for backend, estimate in report.memory.items():
        yield f"memory, {backend}: about {estimate.total / GIB:.1f} GiB of {room / GIB:.1f} GiB free"
    counts = PromptCounts.of_tables(prompts, lengths(config, subject, [text for one in texts.values() for text in one], folder))
    costs = {
        one: Cost.of(check_config(study.options, where), size, counts, on_gpu=machine.gpu is not None)
        for one, study in studies.items()
    }
    chosen = costs[effort]
    for space in (estimate_disk(size, one, Path(config.results)) for one in chosen.room):
        require_disk(space, config.results)
        yield f"disk: about {space.results / GIB:.2f} GiB in {config.results}, {space.free / GIB:.0f} GiB free"
    yield from size_lines(costs, effort)
    yield from stage_lines(chosen, resolved(subject.dtype), on_gpu=machine.gpu is not None)
    yield f"\nwhat `--effort {effort}` cannot decide, whatever the model does:"
    evaluation = config.evaluation
    harmful, benign = (counts.of(name, "test", evaluation.test_prompts) for name in evaluation.pair)
    yield from (f"  - {sentence}" for sentence in undecided(config, harmful, benign))


def prompt_tables(options: dict[str, Any], where: str) -> dict[str, pd.DataFrame]:
    """Every prompt set of a study, prepared as a run would, and thrown away.

    Raises:
        AnatomyError: the configuration or a set is wrong.
    """
    found = {}
    with TemporaryDirectory() as folder:
        for name, source in check_config(options, where).prompt_sets.items():
            out = Path(folder) / f"{name}.parquet"
            prepare(name, source.model_dump(), out, lambda text: None)
            found[name] = read_table(out)
    return found
