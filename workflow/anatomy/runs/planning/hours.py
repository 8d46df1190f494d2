"""Hours of one model's study, stage by stage, before anything of it is planned by Snakemake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.job_kind import JobKind
from anatomy.costs.job_kinds import REPORTS, SHARED
from anatomy.costs.stage_work import StageWork
from anatomy.models.size import ModelSize
from anatomy.recipes.recipe import PHASES, Recipe
from anatomy.recipes.registry import chosen
from anatomy.runs.planning.jobs import ANSWER
from anatomy.runs.planning.speed import JobWork, Speed


@dataclass(frozen=True)
class StudyJob:
    """A job that passes something through the model.

    Attributes:
        rule: its rule.
        stages: names of the stages that it computes.
        kind: of the rule; None for a stage that no rule is known to compute.
    """

    rule: str
    stages: tuple[str, ...]
    kind: JobKind | None


def study_jobs(papers: Sequence[Recipe], work: Mapping[str, StageWork]) -> list[StudyJob]:
    """Jobs that compute the stages of a study, each stage once.

    Args:
        papers: of the run.
        work: the stages of one model, as these papers count them.
    """
    found: list[StudyJob] = []
    left = list(work)
    for name, kinds in ((None, SHARED), *((paper.name, paper.jobs) for paper in papers)):
        for (rule, kind), phase in product(kinds.items(), PHASES):
            asked = kind.work({"phase": phase, "pass_": phase if name is None else f"{name}.{phase}"})
            if stages := tuple(stage for stage in asked if stage in left):
                found.append(StudyJob(rule, stages, kind))
                left = [stage for stage in left if stage not in stages]
    return found + [StudyJob(stage, (stage,), None) for stage in left]


def beside(papers: Sequence[Recipe], jobs: Sequence[StudyJob]) -> list[tuple[str, JobKind]]:
    """Rules that pass nothing through the model, once for each job: verdicts on answers, papers' own tables, and reports."""
    judges = [("judge", SHARED["judge"]) for job in jobs if job.kind is not None and job.kind.judged]
    computing = {job.rule for job in jobs}
    own = [
        (rule, kind)
        for paper in papers
        for rule, kind in paper.jobs.items()
        if rule not in computing and not any(kind.work({"phase": phase, "pass_": f"{paper.name}.{phase}"}) for phase in PHASES)
    ]
    return judges + own + [(rule, SHARED[rule]) for _ in papers for rule in REPORTS]


@dataclass(frozen=True)
class StudyHours:
    """Seconds of a study.

    Attributes:
        stages: of each stage's tokens.
        starts: of everything else: imports, engines, intervals, figures.
    """

    stages: Mapping[str, float]
    starts: float

    @property
    def total(self) -> float:
        return sum(self.stages.values()) + self.starts


def study_hours(
    config: Config, subject: Subject, size: ModelSize, work: Mapping[str, StageWork], speed: Speed, *, on_gpu: bool
) -> StudyHours:
    """Seconds of a model's stages where it runs now, one job after the other.

    Args:
        work: its stages, as the papers of the run count them.
    """
    papers = chosen(config.recipes)
    jobs = study_jobs(papers, work)
    stages: dict[str, float] = {}
    total = sum((speed.expected(JobWork(rule, kind=kind)) or 0.0 for rule, kind in beside(papers, jobs)), 0.0)
    for one in jobs:
        job = JobWork(
            one.rule,
            tuple(work[name] for name in one.stages),
            size,
            False,
            subject.dtype,
            ANSWER[subject.is_organism],
            1 if on_gpu else config.serving.settled_threads,
            on_gpu,
            one.kind,
        )
        stages |= {name: seconds or 0.0 for name, seconds in zip(one.stages, speed.by_stage(job), strict=True)}
        total += speed.expected(job) or 0.0
    return StudyHours(stages, total - sum(stages.values()))
