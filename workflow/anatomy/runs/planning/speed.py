"""How long a job takes: its start, reading the weights, and its tokens at the rate of this machine; corrected by finished jobs.

Two operations a parameter and token is the matrix products of a forward pass (Kaplan et al. 2020, table 1); what norms, attention
and a slow number format add is in the measured rate (``anatomy.models.machine.rate``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import fmean

from anatomy.config.resources import Resources
from anatomy.costs.job_kind import Backend, JobKind
from anatomy.costs.job_kinds import SHARED
from anatomy.costs.stage_work import StageWork
from anatomy.errors import ModelError
from anatomy.models.machine.formats import AUTO
from anatomy.models.machine.rate import BlockShape, Rate, Rates, machine_rates
from anatomy.models.size import ModelSize
from anatomy.runs.planning.stage_seconds import block_shape, stage_seconds

OTHER_SECONDS = 2.0
"""Of rules of which nothing is known (others: ``anatomy.costs.job_kinds``, as the default run takes them on two CPU cores)."""

ENGINE_SECONDS: Mapping[Backend, float] = {"transformers": 0.0, "vllm": 7.0}
"""What an engine takes besides where a rule's start is that of transformers."""

GPU_ENGINE_SECONDS = 60.0
"""What an engine on a GPU takes besides, for compilation and graphs: assumed, not measured."""

READ_BYTES_A_SECOND = 1e9
"""Weights from a disk, when a job starts."""

WRITING_SHARE = 0.15
"""Share of the stated reading rate at which text is generated, where rates are stated or assumed and not measured."""

ALIKE = 10.0
"""Finished jobs correct the estimate of models up to so many times larger or smaller than theirs."""


@dataclass(frozen=True)
class JobWork:
    """What one job does with one model.

    Attributes:
        rule: its rule.
        stages: what it passes through the model.
        size: of the model it loads; None without one, or where it is not known yet.
        unknown: whether it loads a model of unknown size.
        dtype: number format of the model; ``auto`` for the one that is faster here.
        answer: mean tokens of an answer that no limit ends.
        processors: GPUs, or CPU threads.
        on_gpu: which of them.
        kind: of its rule; None for one that all papers share.
    """

    rule: str
    stages: tuple[StageWork, ...] = ()
    size: ModelSize | None = None
    unknown: bool = False
    dtype: str = "float32"
    answer: float = 250.0
    processors: int = 1
    on_gpu: bool = False
    kind: JobKind | None = None

    @property
    def loaded(self) -> ModelSize:
        """The size of its model (``ModelError`` where it loads none, or one of unknown size)."""
        if self.size is None:
            raise ModelError(found="no size", expected="that of the model it loads", where=f"the plan of {self.rule}")
        return self.size

    @property
    def parameters(self) -> int:
        """Of the model; 0 without one."""
        return 0 if self.size is None else self.size.parameters


@dataclass(frozen=True)
class Took:
    """One finished job: what was expected of it, and the seconds it took."""

    rule: str
    parameters: int
    expected: float
    seconds: float


class Speed:
    """Seconds of jobs.

    Args:
        resources: stated rates, which win over measured ones.
        finished: jobs of this machine that are on record.
        rates: measures this machine for a shape, a format and a number of threads.
    """

    def __init__(
        self, resources: Resources, finished: Iterable[Took] = (), rates: Callable[[BlockShape, str, int], Rates] = machine_rates
    ) -> None:
        self.resources, self.finished = resources, [took for took in finished if took.seconds > 0 and took.expected > 0]
        self._measure = rates

    def seconds(self, job: JobWork) -> float | None:
        """Seconds of a job; None where the model's size is not known."""
        expected = self.expected(job)
        return None if expected is None else expected * self.correction(job.rule, job.parameters)

    def expected(self, job: JobWork) -> float | None:
        """By the rates alone: start, reading of weights, and each stage's tokens."""
        if job.unknown:
            return None
        kind = job.kind or SHARED.get(job.rule)
        start = OTHER_SECONDS if kind is None else kind.start
        if job.size is None:
            return start
        start += job.size.disk / READ_BYTES_A_SECOND + (kind.a_billion * job.parameters / 1e9 if kind else 0.0)
        engines = {stage.backend for stage in job.stages}
        if kind is not None and kind.engine:
            start += GPU_ENGINE_SECONDS if job.on_gpu else 0
        else:
            start += max((ENGINE_SECONDS[backend] for backend in engines), default=0)
        return start + sum(self._tokens(job))

    def by_stage(self, job: JobWork) -> list[float | None]:
        """Seconds of each stage's tokens, as ``seconds`` counts them."""
        if job.size is None:
            return [None] * len(job.stages)
        correction = self.correction(job.rule, job.parameters)
        return [correction * seconds for seconds in self._tokens(job)]

    def _tokens(self, job: JobWork) -> list[float]:
        if not job.stages:
            return []
        rates = self.rates(job)
        return [
            stage_seconds(stage, job.loaded, getattr(rates, stage.backend), job.answer, python=not job.on_gpu)
            for stage in job.stages
        ]

    def rates(self, job: JobWork) -> Rates:
        """Stated in the configuration, assumed of GPUs, measured of this machine."""
        stated = self.resources.gpu_teraflops * 1e12 if job.on_gpu else (self.resources.core_gigaflops or 0) * 1e9
        share = self.resources.writing_share or WRITING_SHARE
        if stated:
            stated *= max(1, job.processors)
            return Rates(*[Rate(stated, 2 / (stated * share), 2 / (stated * share))] * 2)
        measured = self._measured(block_shape(job.loaded), job.dtype, max(1, job.processors))
        if self.resources.writing_share is None:
            return measured
        return Rates(*(Rate(one.reading, *[2 / (one.reading * share)] * 2) for one in (measured.transformers, measured.vllm)))

    def _measured(self, shape: BlockShape, dtype: str, threads: int) -> Rates:
        """Of the format; of ``auto`` whichever is faster here, on one thread and taken for all of them:
        two more measurements would cost a plan more than they tell."""
        if dtype != AUTO:
            return self._measure(shape, dtype, threads)
        return max(
            (self._measure(shape, one, 1) for one in ("float32", "bfloat16")), key=lambda rates: rates.transformers.reading
        ).times(threads)

    def correction(self, rule: str, parameters: int) -> float:
        """Geometric mean of ``seconds / expected`` over finished jobs of the rule with models of about that size; 1 without."""
        alike = [took for took in self.finished if took.rule == rule and similar(took.parameters, parameters)]
        return exp(fmean(log(took.seconds / took.expected) for took in alike)) if alike else 1.0

    def measured(self, rules: Iterable[str]) -> set[str]:
        """Those rules that finished jobs speak for."""
        return {took.rule for took in self.finished} & set(rules)


def similar(one: int, other: int) -> bool:
    """Whether two models are within ``ALIKE`` of each other; two jobs without a model are alike."""
    return one == other or (min(one, other) > 0 and max(one, other) <= ALIKE * min(one, other))
