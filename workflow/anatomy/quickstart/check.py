"""Check a study in seconds: configuration, prompts, model; and say in words what will run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.costs.lengths import lengths
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, NOTHING, Outcome, StageWork
from anatomy.models.machine.formats import resolved
from anatomy.models.machine.memory import this_machine
from anatomy.models.preflight.disk import estimate_disk, require_disk
from anatomy.recipes.configuration import check_config
from anatomy.recipes.registry import chosen
from anatomy.runs.planning.hours import study_hours
from anatomy.runs.planning.jobs import hooked_backend, with_more
from anatomy.runs.planning.speed import Speed
from anatomy.serving.environment import gpu_allocation
from anatomy.sources.registry.catalogue import load_catalogue
from anatomy.sources.registry.hub_models import HubModel
from anatomy.stages.convert import convert_once
from anatomy.stages.preflight import examine
from anatomy.stages.prompt_set import prepare
from anatomy.store.files import read_table

GIB = 1 << 30


def check_study(options: dict[str, Any], where: str) -> Iterator[str]:
    """Check everything that can be checked without weights; yields lines for a person.

    Raises:
        AnatomyError: the first thing that would have failed later, with what to do.
    """
    config = check_config(options, where)
    subject = subjects(config)[0]
    prompts = prompt_tables(config)
    for name in prompts:
        splits = prompts[name]["split"].value_counts()
        yield f"{name}: {len(prompts[name])} prompts, " + ", ".join(f"{splits[phase]} to {phase}" for phase in splits.index)
    model = config.models[subject.id]
    if model.gguf is not None:
        folder = Path(Layout(config.results).converted_folder(subject.id))
        yield f"{model.gguf}: converting it into {folder}"
        convert_once(Path(model.gguf), model.model_dump(), Path(Layout(config.results).converted(subject.id)))
        yield from check_model(config, subject, folder, prompts)
        return
    if model.folder is None:
        wanted = HubModel.of(model)
        yield (
            f"{wanted.hub} at {wanted.revision[:10]}: not here yet; run `snakemake prefetch` with this configuration where "
            "there is a network, and this command again for its cost"
        )
        return
    yield from check_model(config, subject, Path(model.folder), prompts)


def prompt_tables(config: Config) -> dict[str, pd.DataFrame]:
    """Every prompt set of a configuration, prepared as a run would, and thrown away."""
    found = {}
    with TemporaryDirectory() as folder:
        for name, source in config.prompt_sets.items():
            out = Path(folder) / f"{name}.parquet"
            prepare(name, source.model_dump(), out, lambda text: None)
            found[name] = read_table(out)
    return found


def check_model(config: Config, subject: Subject, folder: Path, prompts: dict[str, pd.DataFrame]) -> Iterator[str]:
    """Lines about a model that lies in a folder: what it is, what it needs, and what the study will ask of it.

    Raises:
        AnatomyError: the model, its memory, its context or the disk do not do.
    """
    texts = {name: list(table["prompt"]) for name, table in prompts.items()}
    machine = this_machine(gpu=gpu_allocation() is not None)
    report = examine(config, subject, folder, texts, machine)
    architecture, size = report.check()
    yield f"{subject.id}: {architecture.name}, {size.parameters / 1e6:,.1f} million parameters, {size.layers} blocks"
    yield from (f"  note: {note}" for note in report.notes)
    room = machine.gpu_free if machine.gpu else machine.free
    for backend, estimate in report.memory.items():
        yield f"memory, {backend}: about {estimate.total / GIB:.1f} GiB of {room / GIB:.1f} GiB free"
    texts_of_all = [text for one in texts.values() for text in one]
    counts = PromptCounts.of_tables(prompts, lengths(config, subject, texts_of_all, folder))
    entries, on_gpu = load_catalogue(config.data.registry), machine.gpu is not None
    papers, hooked = chosen(config.recipes), hooked_backend(config, size)

    def work_if(outcome: Outcome) -> dict[str, StageWork]:
        stages: dict[str, StageWork] = {}
        for paper in papers:
            counted = paper.work(config, subject, counts, num_layers=size.layers, entries=entries, hooked=hooked, outcome=outcome)
            stages = with_more(stages, counted)
        return stages

    found, nothing = work_if(FOUND), work_if(NOTHING)
    counted = [one for paper in papers for one in paper.room(config, subject, found, counts)]
    for space in (estimate_disk(size, one, Path(config.results)) for one in counted):
        require_disk(space, config.results)
        yield f"disk: about {space.results / GIB:.2f} GiB in {config.results}, {space.free / GIB:.0f} GiB free"
    speed = Speed(config.resources)
    took, least = (study_hours(config, subject, size, work, speed, on_gpu=on_gpu) for work in (found, nothing))
    yield "\nwhat will run (tokens read, tokens written at most, hours on this machine):"
    yield from (line(stage, took.stages[stage.stage]) for stage in found.values())
    yield line(
        StageWork(
            "all",
            "with starts, intervals and figures",
            sum(stage.read for stage in found.values()),
            sum(stage.written for stage in found.values()),
        ),
        took.total,
    )
    yield (
        f"  {least.total / 3600:.2f} hours if the model never refuses and no search finds anything; "
        + ("rates of GPUs are assumed" if on_gpu else f"rates measured just now, in {resolved(subject.dtype)}")
    )


def line(stage: StageWork, seconds: float) -> str:
    """A stage in words."""
    return f"  {stage.stage:<9} {stage.read:>12,} {stage.written:>12,} {seconds / 3600:>8.2f}  {stage.work}"
