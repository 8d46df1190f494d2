"""Which edits the search threw out and why: what each would have brought and cost on the select split."""

from __future__ import annotations

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.figures import Evidence

BOUNDS = ("benign_rise_low", "benign_rise_high")
COLUMNS = [
    "model",
    "method",
    "measured by",
    "layer",
    "strength",
    "sign",
    "harmful_rise",
    "benign_rise",
    *BOUNDS,
    "benchmark_loss",
    "first_token_kl",
    "picked",
    "reason",
]
SHOWN = 3
"""Screened candidates of a method that are shown: those that would have raised refusals most."""


def candidates_table(config: Config, evidence: Evidence) -> pd.DataFrame:
    """Candidates of each method: those that answers were generated with, and the strongest that the screen threw out.

    ``first_token_kl`` is what the screen read of each: KL (nats) of the first answer token on harmless prompts, from the unedited
    model to the edited one, over the prompts that the candidate was asked.
    """
    parts = []
    for subject in subjects(config):
        screened = _of(evidence.tables.screen, subject.id).rename(columns={"benign_kl": "first_token_kl"})
        generated = _of(evidence.tables.picks, subject.id)
        divergences = screened[screened["place"] > 0].reindex(columns=["family", "place", "first_token_kl"])
        generated = generated.merge(divergences, how="left", on=["family", "place"])
        methods = [family.name for family in families(config, subject) if not family.control]
        for method in methods:
            out = screened[(screened["family"] == method) & (screened["place"] == 0) & ~_eligible(screened)]
            out = out[out["harmful_rise"] > 0].sort_values("harmful_rise", ascending=False, kind="stable").head(SHOWN)
            for rows, measured in ((generated[generated["family"] == method], "answers"), (out, "first token")):
                parts.append(rows.assign(method=method, **{"measured by": measured}))
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS)
    return table.assign(picked=table["picked"].eq(True))


def _of(table: pd.DataFrame | None, model: str) -> pd.DataFrame:
    if table is None:
        return pd.DataFrame(columns=["model", "family", "place", "harmful_rise", "reason"])
    return table[table["model"] == model]


def _eligible(screened: pd.DataFrame) -> pd.Series:
    return screened["reason"].astype(str).str.startswith("eligible")
