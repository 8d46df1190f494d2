"""Counterparts of the tables of ROSI (papers' Tables 1 to 8)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.recipes.rosi.figures import Evidence
from anatomy.report.tables import BASE, Arm, Measure, tidy_table

AMPLIFY = (BASE, Arm("ROSI", "method", "row_mean"), Arm("ROSI, sign chosen (ours)", "method", "row_mean_signed"),
           Arm("projection (ours)", "method", "projection"))
UNCENSORED = (BASE, Arm("ROSI, system prompt", "method", "row_mean"), Arm("ROSI, plain", "method", "row_mean@plain"),
              Arm("projection, system prompt (ours)", "method", "projection"),
              Arm("projection, plain (ours)", "method", "projection@plain"))
EXTRACTION = (BASE, Arm("ROSI", "method", "row_mean"), Arm("ROSI, system prompt", "method", "row_mean@system"),
              Arm("projection (ours)", "method", "projection"),
              Arm("projection, system prompt (ours)", "method", "projection@system"))


@dataclass(frozen=True)
class TablePlan:
    """One table: its file name, the paper's table it answers, its words, which models and arms it shows."""

    name: str
    title: str
    caption: str
    kinds: tuple[str, ...]
    measures: tuple[str, ...]
    arms: tuple[Arm, ...]


PLANS = (
    TablePlan("table1_refusal", "Harmful refusal and benign compliance (ROSI Table 1)",
              "Per cent with 95 % intervals clustered by item, test split.", ("base", "aligned", "placebo"),
              ("harmful", "benign", "lookalike"), AMPLIFY),
    TablePlan("table2_jailbreak", "Jailbreak-shaped requests answered (ROSI Table 2)",
              "Share of wrapped harmful requests that were not refused.", ("base", "aligned", "placebo"), ("jailbreak",),
              AMPLIFY),
    TablePlan("table3_utility", "Utility (ROSI Table 3)", "Each task by the metric it is read by.",
              ("base", "aligned", "placebo"), ("tasks",), AMPLIFY),
    TablePlan("table4_uncensored", "Re-alignment of uncensored models (ROSI Table 4)",
              "Direction extracted under a safety system prompt, or plain; answers without it.", ("uncensored",),
              ("harmful", "benign", "lookalike"), UNCENSORED),
    TablePlan("table5_uncensored_jailbreak", "Uncensored models, jailbreak-shaped requests (ROSI Table 5)",
              "Share of wrapped harmful requests that were not refused.", ("uncensored",), ("jailbreak",), UNCENSORED),
    TablePlan("table6_uncensored_utility", "Uncensored models, utility (ROSI Table 6)", "Each task by the metric it is read by.",
              ("uncensored",), ("tasks",), UNCENSORED),
    TablePlan("table7_extraction", "Aligned models with and without a system prompt at extraction (ROSI Table 7)",
              "Per cent with 95 % intervals clustered by item.", ("aligned",), ("harmful", "benign", "lookalike"), EXTRACTION),
    TablePlan("table8_extraction_jailbreak", "The same, jailbreak-shaped requests (ROSI Table 8)",
              "Share of wrapped harmful requests that were not refused.", ("aligned",), ("jailbreak",), EXTRACTION),
)


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
    return tidy_table(rates, models, measures_of(plan, config, evidence), plan.arms)
