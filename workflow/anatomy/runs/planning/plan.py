"""The plan of a run: its pending jobs with what each will take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anatomy.costs.stage_work import NOTHING, StageWork
from anatomy.recipes.configuration import check_config
from anatomy.runs.pending.jobs import PendingJob
from anatomy.runs.planning.disk import PlannedDisk, planned_disk
from anatomy.runs.planning.jobs import Work
from anatomy.runs.planning.speed import Speed
from anatomy.runs.provenance.record import Record
from anatomy.runs.resources.threads import with_threads
from anatomy.sources.registry.catalogue import load_catalogue
from anatomy.store.json_objects import JsonObject


@dataclass(frozen=True)
class PlannedJob:
    """One job.

    Attributes:
        rule, model: what runs on which model; model None for jobs about none.
        loaded: the model that passes the tokens, which may be a judge; None for jobs that load none.
        stages: the work in it.
        by_stage: seconds of each stage's tokens; what is left of the job's is its start.
        seconds: where it runs now; None where the model's size is not known.
        least: the same where searches that have not run yet find nothing.
        gpu_seconds: on one GPU; 0 for jobs that load no model.
        processors: GPUs, or CPU threads.
        mem_mb: memory it asks for.
    """

    rule: str
    model: str | None
    loaded: str | None
    stages: tuple[StageWork, ...]
    by_stage: tuple[float | None, ...]
    seconds: float | None
    least: float | None
    gpu_seconds: float | None
    processors: int
    mem_mb: int


@dataclass(frozen=True)
class Plan:
    """A run before it starts.

    Attributes:
        parameters: model to its size, None where not known yet.
        measured: rules whose time is corrected by finished jobs of this run.
        assumed: models whose prompts have not been counted yet.
        on_gpu: whether jobs run on GPUs with the installed packages.
        order: stages as papers name them, one after the other.
    """

    jobs: tuple[PlannedJob, ...]
    parameters: Mapping[str, int | None]
    disk: PlannedDisk
    measured: tuple[str, ...]
    assumed: tuple[str, ...]
    on_gpu: bool
    order: tuple[str, ...] = ()


def plan_run(
    options: JsonObject, pending: Sequence[PendingJob], records: Iterable[Record], *, on_gpu: bool, tokenizers: bool = True
) -> Plan:
    """Put numbers to pending jobs.

    Args:
        options: the whole configuration.
        pending: what Snakemake would run (``anatomy.runs.pending.jobs``).
        records: of finished jobs (``anatomy.runs.provenance.record``).
        on_gpu: whether jobs run on GPUs.
        tokenizers: whether prompts are counted in the models' own tokens, for which transformers is imported.
    """
    config = with_threads(check_config(options, "the configuration"), on_gpu=on_gpu)
    work = Work(config, load_catalogue(config.data.registry), tokenizers=tokenizers)
    speed = Speed(config.resources)
    speed = Speed(config.resources, work.finished(records, speed))
    jobs = tuple(planned_job(work, speed, job, on_gpu) for job in pending if job.outputs)
    models = sorted({job.model for job in jobs if job.model in work.subjects})
    sizes = {model: work.size(model) for model in sorted({name for job in jobs for name in (job.model, job.loaded) if name})}
    return Plan(
        jobs,
        {model: None if size is None else size.parameters for model, size in sizes.items()},
        planned_disk(work, models),
        tuple(sorted(speed.measured(job.rule for job in jobs))),
        tuple(model for model in models if not work.prompts(model).rows),
        on_gpu,
        tuple(dict.fromkeys(stage for model in models for stage in work.stages(model))),
    )


def planned_job(work: Work, speed: Speed, job: PendingJob, on_gpu: bool) -> PlannedJob:
    """One job with its numbers."""
    gpus = int(job.resources.get("gpu", 0)) if on_gpu else 0
    here = work.job(job.rule, job.wildcards, gpus or job.threads, bool(gpus))
    there = work.job(job.rule, job.wildcards, 1, True)
    loaded = work.loaded(job.rule, job.wildcards)
    known = loaded is None or loaded not in work.subjects or work.searched(loaded)
    least = here if known else work.job(job.rule, job.wildcards, gpus or job.threads, bool(gpus), NOTHING)
    stages, by_stage = (here.stages, tuple(speed.by_stage(here))) if loaded else ((), ())
    return PlannedJob(
        job.rule,
        job.wildcards.get("model"),
        loaded,
        stages,
        by_stage,
        speed.seconds(here),
        speed.seconds(least),
        speed.expected(there) if loaded else 0.0,
        gpus or job.threads,
        int(job.resources.get("mem_mb", 0)),
    )


def plan_of(snakefile: Path, options: JsonObject, *, on_gpu: bool) -> Plan:
    """The plan of everything that the run still has to do."""
    from anatomy.runs.pending.jobs import pending_jobs
    from anatomy.runs.provenance.record import read_records

    records = read_records(Path(options.get("results", "results")))
    return plan_run(options, pending_jobs(snakefile, options), records, on_gpu=on_gpu)
