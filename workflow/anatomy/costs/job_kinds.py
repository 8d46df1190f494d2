"""The kinds of jobs that all papers share. Memory was measured on the organism; minutes are limits, not predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anatomy.costs.job_kind import JobKind, RuleNeed, Wildcards


def _judge(config: Any, wildcards: Wildcards) -> str | None:
    return wildcards["judge"]


SHARED: dict[str, JobKind] = {
    "organism_world": JobKind(RuleNeed(1500, 15), 1.5),
    "organism_member": JobKind(RuleNeed(2500, 60), 4.0),
    "organism_bars": JobKind(RuleNeed(2500, 60), 40.0),
    "refusal_classifier": JobKind(RuleNeed(1500, 30), 2.0),
    "convert": JobKind(RuleNeed(2500, 60, "transformers", 20), 8.0, a_billion=200.0),
    "tune": JobKind(RuleNeed(3500, 120, "transformers", 240), 10.0, lambda wildcards: ["tune"], a_billion=10.0),
    "model_card": JobKind(None, 0.5, a_billion=10.0),
    "prompt_set": JobKind(None, 1.0),
    "extract": JobKind(RuleNeed(2500, 60, "transformers", 10), 4.0, lambda wildcards: ["extract"], spreads=True, measures=True),
    "check_directions": JobKind(None, 2.0),
    "foreign_directions": JobKind(None, 2.0),
    "answers": JobKind(RuleNeed(2500, 60, "transformers", 30), 4.0, lambda wildcards: ["answers"], spreads=True, measures=True),
    "localize": JobKind(
        RuleNeed(2500, 120, "transformers", 60), 5.0, lambda wildcards: ["localize"], spreads=True, measures=True
    ),
    "make_edit": JobKind(RuleNeed(2500, 120, "transformers", 60), 5.0),
    "generate": JobKind(RuleNeed(2500, 120, "transformers", 120), 5.0, reuses_rows=True, judged=True),
    "hooked_benchmarks": JobKind(RuleNeed(2500, 120, "transformers", 60), 5.0, lambda wildcards: ["hooked_benchmarks"]),
    "evaluate": JobKind(
        RuleNeed(3500, 180, "vllm", 120),
        10.0,
        lambda wildcards: [wildcards["phase"]],
        reuses_rows=True,
        judged=True,
        engine=True,
    ),
    "divergence": JobKind(
        RuleNeed(2500, 120, "transformers", 60), 5.0, lambda wildcards: ["divergence"], reuses_rows=True, spreads=True
    ),
    "judge": JobKind(RuleNeed(2000, 60), 1.0),
    "model_judge": JobKind(RuleNeed(3500, 60, "vllm", 60), 10.0, reuses_rows=True, model=_judge, engine=True),
    "export_pick": JobKind(RuleNeed(2500, 60, "transformers", 10), spreads=True),
    "claims": JobKind(RuleNeed(2500, 60), 5.0),
    "figures": JobKind(RuleNeed(2500, 60), 10.0),
    "page": JobKind(RuleNeed(2500, 60), 6.0),
}
"""Rule to its kind."""


REPORTS = ("claims", "figures", "page")
"""Rules that are made anew for each paper, under names that begin with its own."""


def kinds_of(papers: Mapping[str, Mapping[str, JobKind]]) -> dict[str, JobKind]:
    """Rule to its kind: those that all papers share, and those that papers bring.

    Args:
        papers: a paper's name to the kinds of its own rules.
    """
    found = dict(SHARED)
    for name, own in papers.items():
        found |= {f"{name}_{rule}": SHARED[rule] for rule in REPORTS}
        found |= own
    return found
