"""What is known of the jobs of a rule before they run: needs of memory and time, and the work in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Backend = Literal["transformers", "vllm"]
Wildcards = Mapping[str, str]


@dataclass(frozen=True)
class RuleNeed:
    """What the jobs of a rule need.

    Attributes:
        mem_mb, minutes: without a model, or with one of the organism's (a few megabytes).
        backend: what loads the model; None for rules without one.
        minutes_per_billion: further minutes for each billion parameters of a model of your own.
    """

    mem_mb: int
    minutes: int
    backend: Backend | None = None
    minutes_per_billion: int = 0


def _nothing(wildcards: Wildcards) -> list[str]:
    return []


def _its_model(config: Any, wildcards: Wildcards) -> str | None:
    return wildcards.get("model")


@dataclass(frozen=True)
class JobKind:
    """The jobs of one rule.

    Attributes:
        need: memory and time; None for rules that run beside Snakemake itself.
        start: seconds of imports and of everything else that does not grow with tokens, on one CPU core.
        work: names of the stages (``StageWork.stage``) that a job computes, from its wildcards.
        reuses_rows: whether a job may find its rows in the store, so that its time says little of the next one's.
        judged: whether it writes answers, on which a job of ``judge`` then gives verdicts.
        model: the configuration's name of the model that a job loads, which may be a judge; None where it is none of its own.
        opens: whether it opens its model; one that reads its files alone takes no GPU, and fits whatever the model's size.
        spreads: whether transformers may hold its model on several GPUs (``anatomy.models.spreading``).
        measures: whether it measures directions or what they rest on, in four bits where a model's entry asks for that.
        engine: whether an engine on a GPU starts, whose compilation takes a while.
        a_billion: seconds for each billion parameters of work that passes no tokens: reading, hashing and writing of weights.
    """

    need: RuleNeed | None
    start: float = 2.0
    work: Callable[[Wildcards], list[str]] = _nothing
    reuses_rows: bool = False
    judged: bool = False
    model: Callable[[Any, Wildcards], str | None] = _its_model
    opens: bool = True
    spreads: bool = False
    measures: bool = False
    engine: bool = False
    a_billion: float = 0.0
