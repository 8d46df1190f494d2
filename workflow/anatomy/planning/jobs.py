"""The work of each job: which stages of which model its rule stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.models.size import ModelSize
from anatomy.planning.pasta_work import pasta_work
from anatomy.planning.prompts import PromptCounts, planned_prompts
from anatomy.planning.sizes import subject_size
from anatomy.planning.speed import JobWork, Speed, Took
from anatomy.planning.work import StageWork, rosi_work
from anatomy.recipes.pasta.pairs import relatives
from anatomy.registry.entry import Entry
from anatomy.resources.size import ASSUMED, known_size, typical_size

POSITIONS = 5
"""Template positions of a model whose tokenizer is not here: those of Llama 3 and Qwen (Arditi et al. 2024, appendix C.3)."""

JUDGE_TOKENS, VERDICT_TOKENS = 300, 10
"""What a model judge reads around a conversation, and writes."""

KEPT_IN_STORE = ("evaluate", "measure", "model_judge", "generate", "detect")
"""Rules whose jobs may have found their rows already there."""


class Work:
    """The work of a run's jobs. Reads prompt tables and headers at most.

    Args:
        entries: of the registry, by name.
    """

    def __init__(self, config: Config, entries: Mapping[str, Entry]) -> None:
        self.config, self.entries = config, entries
        self.subjects = {subject.id: subject for subject in [*subjects(config), *relatives(config)]}
        self.size = cache(self._size)
        self.prompts = cache(self._prompts)
        self.stages = cache(self._stages)

    def _size(self, model: str) -> ModelSize | None:
        return subject_size(self.config, self.subjects[model]) if model in self.subjects else known_size(self.config, model)

    def _prompts(self, model: str) -> PromptCounts:
        return planned_prompts(self.config, self.subjects[model], self.entries)

    def _stages(self, model: str) -> dict[str, StageWork]:
        """Stage to work; the layers of a model of unknown size are those of a typical one."""
        subject, prompts = self.subjects[model], self.prompts(model)
        num_layers = (self.size(model) or typical_size(ASSUMED)).layers
        return {**rosi_work(self.config, subject, prompts, num_layers=num_layers, positions=POSITIONS, entries=self.entries),
                **pasta_work(self.config, subject, prompts, num_layers)}

    def of(self, rule: str, wildcards: Mapping[str, str]) -> list[StageWork]:
        """The stages that a job computes, each its own part; [] for a rule that passes nothing through a model."""
        if wildcards.get("model") not in self.subjects:
            return []
        stages, phase = self.stages(wildcards["model"]), wildcards.get("phase", "")
        names = {"extract": ["extract"], "localize": ["localize", "screen"], "evaluate": [phase], "measure": ["measure"],
                 "generate": [f"pasta.{phase}"], "signature": ["signature"],
                 "detect": [wildcards.get("pass_", "").replace("pasta", "detect")]}.get(rule, [])
        if rule == "model_judge":
            return [self._judged(stages[wildcards["pass_"]], wildcards)]
        found = [stages[name] for name in names if name in stages]
        return [part(stage, self.config.serving.buckets) for stage in found] if rule == "evaluate" else found

    def _judged(self, stage: StageWork, wildcards: Mapping[str, str]) -> StageWork:
        read = round(stage.answers * (self.prompts(wildcards["model"]).tokens + JUDGE_TOKENS)) + stage.written
        return StageWork(f"{stage.stage} by {wildcards['judge']}", f"{stage.answers} answers judged", read,
                         stage.answers * VERDICT_TOKENS, 0, 0)

    def loaded(self, rule: str, wildcards: Mapping[str, str]) -> str | None:
        """The model that a job loads, by its id; None for jobs that load none."""
        if rule == "model_judge":
            return wildcards["judge"]
        if rule == "detect" and not self.subjects[wildcards["model"]].is_organism:
            scorers = (one.scorer for one in self.config.pasta.own_detectors.values() if one.scorer in self.config.models)
            return next(scorers, wildcards["model"])  # scorers in folders count as large as the model whose texts they read
        return wildcards["model"] if self.of(rule, wildcards) else None

    def job(self, rule: str, wildcards: Mapping[str, str], processors: int, on_gpu: bool) -> JobWork:
        """A job as the cost model takes it."""
        model = self.loaded(rule, wildcards)
        size = None if model is None else self.size(model)
        stages = self.of(rule, wildcards)
        return JobWork(rule, 0 if model is None else None if size is None else size.parameters,
                       sum(stage.read for stage in stages), sum(stage.written for stage in stages), processors, on_gpu)

    def finished(self, records: Iterable[Mapping], speed: Speed) -> list[Took]:
        """Jobs on record with what was expected of them; those that found their rows in the store say nothing of time."""
        found = []
        for record in records:
            rule, wildcards, cost = record["rule"], record["wildcards"], record["cost"]
            gone = wildcards.get("model", "") not in {"", *self.subjects} or (
                rule == "model_judge" and wildcards["judge"] not in self.config.model_judges)
            if gone or (rule in KEPT_IN_STORE and not cost["rows"]):
                continue
            on_gpu = record["hardware"].get("accelerator", "none") not in ("none", "not asked")
            job = self.job(rule, wildcards, 1 if on_gpu else record["threads"], on_gpu)
            expected = speed.expected(job)
            if expected is not None:
                found.append(Took(rule, job.parameters, expected, cost["seconds"]))
        return found


def part(stage: StageWork, buckets: int) -> StageWork:
    """An even share of a stage whose variants are spread over jobs."""
    return StageWork(stage.stage, stage.work, *(-(-count // buckets) for count in
                                               (stage.read, stage.written, stage.answers, stage.items)))
