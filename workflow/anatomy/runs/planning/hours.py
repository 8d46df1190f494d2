"""Hours of one model's study, stage by stage, before anything of it is planned by Snakemake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.costs.stage_work import StageWork
from anatomy.models.size import ModelSize
from anatomy.runs.planning.jobs import ANSWER
from anatomy.runs.planning.speed import JobWork, Speed

JOBS: Mapping[str, tuple[str, ...]] = {
    "extract": ("extract",),
    "localize": ("localize", "screen"),
    "evaluate": ("select",),
    "evaluate on test": ("test",),
    "measure": ("measure", "project"),
}
"""Jobs of a study and the stages that each computes."""

BESIDE = ("pick", "judge", "judge", "judge", "claims", "figures", "page")
"""Rules that pass nothing through the model."""


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
        work: its stages, as its papers count them.
    """
    stages: dict[str, float] = {}
    total = sum((speed.expected(JobWork(rule)) or 0.0 for rule in BESIDE), 0.0)
    for rule, names in JOBS.items():
        job = JobWork(
            rule.split()[0],
            tuple(work[name] for name in names),
            size,
            False,
            subject.dtype,
            ANSWER[subject.is_organism],
            1 if on_gpu else config.serving.settled_threads,
            on_gpu,
        )
        stages |= {name: seconds or 0.0 for name, seconds in zip(names, speed.by_stage(job), strict=True)}
        total += speed.expected(job) or 0.0
    return StudyHours(stages, total - sum(stages.values()))
