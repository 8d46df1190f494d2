"""How long a job takes: a start, and floating-point operations at a rate; corrected by what finished jobs took.

The model is coarse on purpose. Two operations a parameter and token is the matrix products of a forward pass (Kaplan et al. 2020,
table 1); attention over long texts, adapters and waiting between small batches are in the rate, which was set from a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import fmean

from anatomy.config.resources import Resources

START_SECONDS: Mapping[str, float] = {
    "extract": 5, "localize": 8, "evaluate": 16, "measure": 5, "model_judge": 16, "generate": 8, "signature": 6, "detect": 8,
    "localize_signature": 8, "signature_weights": 6, "organism_world": 3, "organism_member": 50, "organism_bars": 20,
    "refusal_classifier": 3, "pick": 5, "judge": 5, "claims": 10, "figures": 15, "page": 5,
}
"""Imports and everything else that does not grow with the work, by rule: the default run on two CPU cores, rounded."""

OTHER_SECONDS = 2.0
"""Of rules not named above."""

GPU_ENGINE_SECONDS = 60.0
"""What an engine on a GPU takes besides, for compilation and graphs: assumed, not measured."""

READ_BYTES_A_SECOND = 1e9
"""Weights from a disk, when a job starts."""

ALIKE = 10.0
"""Finished jobs correct the estimate of models up to so many times larger or smaller than theirs."""


@dataclass(frozen=True)
class JobWork:
    """What one job does with one model.

    Attributes:
        rule: its rule.
        parameters: of the model it loads; 0 without one, None where that is not known yet.
        read, written: tokens.
        processors: GPUs, or CPU threads.
        on_gpu: which of them.
    """

    rule: str
    parameters: int | None
    read: int
    written: int
    processors: int
    on_gpu: bool


@dataclass(frozen=True)
class Took:
    """One finished job: what was expected by the default rates, and the seconds it took."""

    rule: str
    parameters: int
    expected: float
    seconds: float


class Speed:
    """Seconds of jobs.

    Args:
        resources: the rates.
        finished: jobs of this machine that are on record.
    """

    def __init__(self, resources: Resources, finished: Iterable[Took] = ()) -> None:
        self.resources, self.finished = resources, [took for took in finished if took.seconds > 0 and took.expected > 0]

    def seconds(self, job: JobWork) -> float | None:
        """Seconds of a job; None where the model's size is not known."""
        expected = self.expected(job)
        return None if expected is None else expected * self.correction(job.rule, job.parameters)

    def expected(self, job: JobWork) -> float | None:
        """By the rates alone: start and reading of weights, then ``2 * parameters * (read + written / writing_share) /
        (rate * processors)``; writing is slower, since each step passes all weights for one token a sequence."""
        if job.parameters is None:
            return None
        start = float(START_SECONDS.get(job.rule, OTHER_SECONDS))
        if not job.parameters:
            return start
        start += 2 * job.parameters / READ_BYTES_A_SECOND + (
            GPU_ENGINE_SECONDS if job.on_gpu and job.rule in ("evaluate", "model_judge") else 0)
        tokens = job.read + job.written / self.resources.writing_share
        rate = self.resources.gpu_teraflops * 1e12 if job.on_gpu else self.resources.core_gigaflops * 1e9
        return start + 2 * job.parameters * tokens / (rate * max(1, job.processors))

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
