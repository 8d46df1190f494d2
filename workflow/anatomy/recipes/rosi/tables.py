"""Counterparts of the tables of ROSI, from the rates of a run."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.recipes.rosi.figures import Evidence
from anatomy.recipes.rosi.plans import TablePlan
from anatomy.report.tables import BASE, Arm, Measure, tidy_table


def measures_of(plan: TablePlan, config: Config, evidence: Evidence) -> list[Measure]:
    """The measures of a table: rates of prompt sets, or scores of tasks."""
    named = {
        "harmful": Measure("harmful refused", config.extraction.harmful),
        "benign": Measure("benign answered", config.extraction.harmless, complement=True),
        "lookalike": Measure("look-alikes answered", "lookalike_requests", complement=True),
        "jailbreak": Measure("jailbreaks answered", "jailbreak_requests", complement=True),
    }
    if plan.measures == ("tasks",):
        return [Measure(task, task) for task in sorted(evidence.chance)]
    return [named[name] for name in plan.measures]


def tabulate(plan: TablePlan, config: Config, evidence: Evidence) -> pd.DataFrame:
    """The tidy form of a table."""
    models = [subject.id for subject in subjects(config) if subject.kind in plan.kinds]
    rates = evidence.scores if plan.measures == ("tasks",) else evidence.rates
    arms = [BASE, *(Arm(title, "method", family) for title, family in plan.arms)]
    return tidy_table(rates, models, measures_of(plan, config, evidence), arms)
