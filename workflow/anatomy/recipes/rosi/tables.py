"""Counterparts of the tables of ROSI, from the rates of a run."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.report.published import published_cells
from anatomy.evidence.report.tables import BASE, Arm, Measure, tidy_table
from anatomy.recipes.rosi.figures import Evidence
from anatomy.recipes.rosi.plans import TablePlan


def measures_of(plan: TablePlan, config: Config, evidence: Evidence) -> list[Measure]:
    """The measures of a table: rates of prompt sets, or scores of tasks."""
    wanted = config.evaluation
    named = {
        "harmful": [Measure("harmful refused", wanted.harmful)],
        "benign": [Measure("benign answered", wanted.benign, complement=True)],
        "lookalike": _several("look-alikes answered", wanted.lookalikes),
        "jailbreak": _several("jailbreaks answered", wanted.jailbreaks),
    }
    if plan.measures == ("tasks",):
        return [Measure(task, task) for task in sorted(evidence.chance)]
    return [measure for name in plan.measures for measure in named[name]]


def _several(title: str, sets: list[str]) -> list[Measure]:
    return [Measure(title if len(sets) == 1 else f"{title}: {name.replace('_', ' ')}", name, complement=True) for name in sets]


def tabulate(plan: TablePlan, config: Config, evidence: Evidence) -> pd.DataFrame:
    """The tidy form of a table."""
    models = [subject.id for subject in subjects(config) if subject.kind in plan.kinds]
    rates = evidence.scores if plan.measures == ("tasks",) else evidence.rates
    arms = [BASE, *(Arm(title, "method", family) for title, family in plan.arms)]
    printed = published_cells(evidence.published, plan.paper) if evidence.published is not None else None
    return tidy_table(rates, models, measures_of(plan, config, evidence), arms, printed)
