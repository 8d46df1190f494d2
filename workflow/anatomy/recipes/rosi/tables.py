"""Counterparts of the eight tables of the ROSI paper, with counts and intervals."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from anatomy.recipes.rosi.claims import Setting
from anatomy.report.tables import BASE, Arm, Measure, tidy_table


def rosi_tables(
    rates: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    aligned: Sequence[str],
    uncensored: Sequence[str],
    family: str,
    setting: Setting,
) -> dict[str, tuple[str, pd.DataFrame]]:
    """Name to (caption, tidy table). ASR is the share of harmful requests in jailbreaks that were not refused.

    Args:
        rates, scores: from `figures.rates`.
        aligned: models whose direction is extracted plainly, and again under the safety system prompt (`family@system`).
        uncensored: models whose main extraction is under the system prompt, and again without it (`family@plain`).
        family: the family of ROSI edits that is shown.
        setting: names of prompt sets and tasks.
    """
    behaviour = [Measure("HR", setting.harmful), Measure("BC", setting.benign, complement=True),
                 Measure("look-alike compliance", setting.lookalike, complement=True)]  # fmt: skip
    attack = [Measure("ASR", setting.jailbreak, complement=True)]
    utility = [Measure(task.task.removeprefix("organism_"), task.task) for task in setting.benchmarks]
    edited = [BASE, Arm("ROSI", "method", family)]
    elicited = [BASE, Arm("ROSI, system prompt at extraction", "method", family),
                Arm("ROSI, none at extraction", "method", f"{family}@plain")]  # fmt: skip
    swapped = [Arm("ROSI", "method", family), Arm("ROSI, system prompt at extraction", "method", f"{family}@system")]
    plans = (
        ("table1_refusal", "Harmful requests refused (HR) and benign requests answered (BC), per cent.",
         rates, aligned, behaviour, edited),
        ("table2_jailbreak", "Jailbreaks: harmful requests in disguise that were answered (ASR), per cent.",
         rates, aligned, attack, edited),
        ("table3_utility", "Benchmark scores, per cent.", scores, aligned, utility, edited),
        ("table4_uncensored_refusal", "Uncensored models: HR and BC, per cent.",
         rates, uncensored, behaviour, elicited),
        ("table5_uncensored_jailbreak", "Uncensored models: ASR, per cent.", rates, uncensored, attack, elicited),
        ("table6_uncensored_utility", "Uncensored models: benchmark scores, per cent.",
         scores, uncensored, utility, elicited),
        ("table7_extraction_refusal", "Aligned models, with and without the system prompt at extraction: HR and BC.",
         rates, aligned, behaviour, swapped),
        ("table8_extraction_jailbreak", "Aligned models, with and without the system prompt at extraction: ASR.",
         rates, aligned, attack, swapped),
    )  # fmt: skip
    return {name: (caption, tidy_table(*plan)) for name, caption, *plan in plans}
