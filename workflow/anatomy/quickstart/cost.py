"""What a study of one model costs on this machine: in every size, and stage by stage in the one that was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.costs.prompts import PromptCounts
from anatomy.costs.stage_work import FOUND, NOTHING, Outcome, StageWork
from anatomy.models.preflight.disk import RunCounts
from anatomy.models.size import ModelSize
from anatomy.recipes.effort import LEFT_OUT, Effort
from anatomy.recipes.registry import chosen
from anatomy.runs.planning.hours import StudyHours, study_hours
from anatomy.runs.planning.jobs import hooked_backend, with_more
from anatomy.runs.planning.speed import Speed
from anatomy.runs.resources.threads import with_threads
from anatomy.sources.registry.catalogue import load_catalogue


@dataclass(frozen=True)
class Cost:
    """Work and hours of one study.

    Attributes:
        stages: its work, by stage, if its searches find what they look for.
        took: seconds of that.
        least: seconds if the model never refuses.
        room: what the disk takes, by paper.
    """

    stages: Mapping[str, StageWork]
    took: StudyHours
    least: StudyHours
    room: Sequence[RunCounts]

    @classmethod
    def of(cls, config: Config, size: ModelSize, prompts: PromptCounts, *, on_gpu: bool) -> Cost:
        """Count a study's work and take its seconds from this machine's rate, which is measured once."""
        config = with_threads(config, on_gpu=on_gpu)
        subject, papers = subjects(config)[0], chosen(config.recipes)
        entries, hooked = load_catalogue(config.data.registry), hooked_backend(config, size)

        def work_if(outcome: Outcome) -> dict[str, StageWork]:
            stages: dict[str, StageWork] = {}
            for paper in papers:
                counted = paper.work(
                    config, subject, prompts, num_layers=size.layers, entries=entries, hooked=hooked, outcome=outcome
                )
                stages = with_more(stages, counted)
            return stages

        found, speed = work_if(FOUND), Speed(config.resources)
        took, least = (study_hours(config, subject, size, work, speed, on_gpu=on_gpu) for work in (found, work_if(NOTHING)))
        return cls(found, took, least, [one for paper in papers for one in paper.room(config, subject, found, prompts)])


def size_lines(costs: Mapping[Effort, Cost], effort: Effort) -> Iterator[str]:
    """Hours of each size, the chosen one marked."""
    yield "\nhours on this machine, and how many if the model never refuses, by --effort:"
    for one, cost in costs.items():
        mark = "*" if one == effort else " "
        hours = f"{cost.took.total / 3600:>9.2f}{cost.least.total / 3600:>8.2f}"
        yield f"{mark} {one:<9}{hours}  leaves out: {LEFT_OUT[one]}"


def stage_lines(cost: Cost, dtype: str, *, on_gpu: bool) -> Iterator[str]:
    """Tokens and hours of each stage, their sum, and what they rest on."""
    yield "\nwhat will run (tokens read, tokens written at most, hours on this machine):"
    yield from (_line(stage, cost.took.stages[stage.stage]) for stage in cost.stages.values())
    read, written = (sum(getattr(stage, name) for stage in cost.stages.values()) for name in ("read", "written"))
    yield _line(StageWork("all", "with starts, intervals and figures", read, written), cost.took.total)
    yield f"  {cost.least.total / 3600:.2f} hours if the model never refuses and no search finds anything; " + (
        "rates of GPUs are assumed" if on_gpu else f"rates measured just now, in {dtype}"
    )


def _line(stage: StageWork, seconds: float) -> str:
    """A stage in words."""
    return f"  {stage.stage:<9} {stage.read:>12,} {stage.written:>12,} {seconds / 3600:>8.2f}  {stage.work}"
