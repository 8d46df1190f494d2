"""The work of each job: which stages of which model its rule stands for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from anatomy.config.schema import Config
from anatomy.costs.job_kind import Backend
from anatomy.costs.job_kinds import kinds_of
from anatomy.costs.prompts import PromptCounts, planned_prompts
from anatomy.costs.stage_work import FOUND, Outcome, StageWork
from anatomy.models.size import ModelSize
from anatomy.recipes.asked_variants import everyone
from anatomy.recipes.registry import chosen, known
from anatomy.runs.planning.sizes import organism_size, subject_size
from anatomy.runs.planning.speed import JobWork, Speed, Took
from anatomy.runs.planning.training_work import training_reads, tuning_work
from anatomy.runs.provenance.record import Cost, Record
from anatomy.runs.resources.size import ASSUMED, known_size, typical_size
from anatomy.serving.serving_modes import ENGINE_FROM
from anatomy.sources.registry.entry import Entry

ANSWER = {True: 28.0, False: 250.0}
"""Mean tokens of an answer that no limit ends, by whether the model is the organism's (of whose 32 tokens at most the default
run wrote 19); chat models write a few hundred."""

JUDGE_TOKENS, VERDICT_TOKENS = 300, 10
"""What a model judge reads around a conversation, and writes."""


SHARED_STAGES = ("extract", "answers", "localize", "select", "test", "divergence")
"""Work of rules that all papers of a run share."""


class Work:
    """The work of a run's jobs. Reads prompt tables and headers at most.

    Args:
        entries: of the registry, by name.
        tokenizers: open tokenizers of models that are here, to know how long prompts are; this imports transformers.
    """

    def __init__(self, config: Config, entries: Mapping[str, Entry], *, tokenizers: bool = True) -> None:
        self.config, self.entries, self.tokenizers = config, entries, tokenizers
        self.subjects = {subject.id: subject for subject in everyone(config)}
        self.papers = known(config.recipes)
        self.kinds = kinds_of({name: paper.jobs for name, paper in self.papers.items()})
        self.size = cache(self._size)
        self.prompts = cache(self._prompts)
        self.stages = cache(self._stages)
        self.stages_if = cache(self._stages_if)  # jobs of a model share them, and counting all its candidates takes a while

    def _size(self, model: str) -> ModelSize | None:
        return subject_size(self.config, self.subjects[model]) if model in self.subjects else known_size(self.config, model)

    def _prompts(self, model: str) -> PromptCounts:
        return planned_prompts(self.config, self.subjects[model], self.entries, tokenizers=self.tokenizers)

    def _stages(self, model: str) -> dict[str, StageWork]:
        """Stage to work; the layers of a model of unknown size are those of a typical one."""
        return self.stages_if(model, None)

    def searched(self, model: str) -> bool:
        """Whether every search in a model that papers of the run make has ended."""
        return all(paper.searched(self.config, self.subjects[model]) is not None for paper in chosen(self.config.recipes))

    def _stages_if(self, model: str, outcome: Outcome | None) -> dict[str, StageWork]:
        """The same with what the searches find; None for what each paper's have found, or else that they find something."""
        subject, prompts, size = self.subjects[model], self.prompts(model), self.size(model) or typical_size(ASSUMED)
        hooked = hooked_backend(self.config, size)
        found: dict[str, StageWork] = {}
        mine = [paper.name for paper in chosen(self.config.recipes)]
        for paper in self.papers.values():
            counted = paper.work(
                self.config,
                subject,
                prompts,
                num_layers=size.layers,
                entries=self.entries,
                hooked=hooked,
                outcome=outcome or paper.searched(self.config, subject) or FOUND,
            )
            if paper.name not in mine:  # it comes in by a target of its own alone
                counted = {name: stage for name, stage in counted.items() if name not in SHARED_STAGES}
            found = with_more(found, counted)
        return found

    def of(self, rule: str, wildcards: Mapping[str, str], outcome: Outcome | None = None) -> list[StageWork]:
        """The stages that a job computes, each its own part; [] for a rule that passes nothing through a model.

        Args:
            outcome: what the searches find; None for what is known, or else that they find what they look for.
        """
        if wildcards.get("model") not in self.subjects:
            return []
        if rule not in self.kinds:
            return []
        model = wildcards["model"]
        if rule == "tune" and model in self.config.models and (tuned := self.config.models[model].tuned):
            return [tuning_work(tuned)]
        stages = self.stages(model) if outcome is None else self.stages_if(model, outcome)
        if rule == "model_judge":
            return [self._judged(stages[name], wildcards) for name in [wildcards["pass_"]] if name in stages]
        found = [stages[name] for name in self.kinds[rule].work(wildcards) if name in stages]
        return [stage.part(self.config.serving.buckets) for stage in found] if rule == "evaluate" else found

    def _judged(self, stage: StageWork, wildcards: Mapping[str, str]) -> StageWork:
        read = round(stage.answers * (self.prompts(wildcards["model"]).tokens + JUDGE_TOKENS)) + stage.written
        return StageWork(
            f"{stage.stage} by {wildcards['judge']}",
            f"{stage.answers} answers judged",
            read,
            stage.answers * VERDICT_TOKENS,
            stage.answers,
            backend="vllm",
        )

    def loaded(self, rule: str, wildcards: Mapping[str, str]) -> str | None:
        """The model that a job loads, by its id; None for jobs that load none."""
        if rule == "model_judge":
            return wildcards["judge"]
        kind = self.kinds.get(rule)
        if kind is None or wildcards.get("model") not in self.subjects:
            return None
        return kind.model(self.config, wildcards) if kind.a_billion or self.of(rule, wildcards) else None

    def dtype(self, model: str) -> str:
        """Number format of a model or judge."""
        source = self.config.model_judges.get(model)
        return self.subjects[model].dtype if source is None else source.dtype

    def job(
        self, rule: str, wildcards: Mapping[str, str], processors: int, on_gpu: bool, outcome: Outcome | None = None
    ) -> JobWork:
        """A job as the cost model takes it."""
        if rule == "organism_member":
            recipe = self.config.organism.recipe
            stage = StageWork("training", "forwards and backwards", training_reads(recipe, wildcards["member"]), 0)
            return JobWork(rule, (stage,), organism_size(recipe), False, self.config.organism.dtype, ANSWER[True], processors)
        model = self.loaded(rule, wildcards)
        if model is None:
            return JobWork(rule, processors=processors, on_gpu=on_gpu, kind=self.kinds.get(rule))
        size, organism = self.size(model), model in self.subjects and self.subjects[model].is_organism
        return JobWork(
            rule,
            tuple(self.of(rule, wildcards, outcome)),
            size,
            size is None,
            self.dtype(model),
            ANSWER[organism],
            processors,
            on_gpu,
            self.kinds[rule],
        )

    def finished(self, records: Iterable[Record], speed: Speed) -> list[Took]:
        """Jobs on record with what was expected of them; those that found their rows in the store say nothing of time."""
        found = []
        for record in records:
            rule, wildcards, cost = record["rule"], record["wildcards"], record["cost"]
            gone = wildcards.get("model", "") not in {"", *self.subjects} or (
                rule == "model_judge" and wildcards["judge"] not in self.config.model_judges
            )
            if gone or (rule in self.kinds and self.kinds[rule].reuses_rows and not cost["rows"]):
                continue
            on_gpu = record["hardware"].get("accelerator", "none") not in ("none", "not asked")
            job = self.job(rule, wildcards, 1 if on_gpu else record["threads"], on_gpu)
            expected = speed.expected(job)
            if expected is not None:
                found.append(Took(rule, job.parameters, expected, alone(cost, record["threads"], on_gpu)))
        return found


def alone(cost: Cost, threads: int, on_gpu: bool) -> float:
    """Seconds that a finished job would have taken with its cores to itself: its processor time where a CPU computed, since what
    else ran beside it says nothing of the next run. Records of older runs have wall time alone."""
    return cost["seconds"] if on_gpu or "cpu_seconds" not in cost else min(cost["seconds"], cost["cpu_seconds"] / max(1, threads))


def hooked_backend(config: Config, size: ModelSize) -> Backend:
    """What answers under interventions, as ``anatomy.stages.in_engine`` decides it of a family whose hooks are proven."""
    wanted = config.serving.hooks
    return "vllm" if wanted == "engine" or (wanted == "auto" and size.parameters >= ENGINE_FROM) else "transformers"


def with_more(work: Mapping[str, StageWork], more: Mapping[str, StageWork]) -> dict[str, StageWork]:
    """Stages of several papers together; where two ask for work of the same stage, both."""
    return {**work, **{name: work[name].plus(stage) if name in work else stage for name, stage in more.items()}}
