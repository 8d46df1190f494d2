"""Every edit that ROSI's searches tried on a model, as what it gains and what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.pareto_front import COLUMNS, Cost
from anatomy.evidence.figures.rates import method_of
from anatomy.recipes.rosi.options import Rosi

FIRST, ANSWERS = "harmful refused, first token", "harmful refused, answers"
UNEDITED = "unedited"


def costs(rosi: Rosi) -> list[Cost]:
    """What edits cost: of the screen, on the first answer token, and of the shortlist, on whole answers and benchmarks."""
    return [
        Cost("benign_kl", "KL on harmless prompts (nats), first token", FIRST, share=False),
        Cost("benign_rise", "harmless refused more, first token", FIRST, rosi.max_benign_rise),
        Cost("answers_rise", "harmless refused more, answers", ANSWERS, rosi.max_benign_rise),
        Cost("benchmark_loss", "benchmark loss", ANSWERS, rosi.max_benchmark_loss),
    ]


def tried(tables: Tables, model: str, foreign: Sequence[str] = ()) -> pd.DataFrame:
    """Candidates of each search along the main contrast and of its controls, a row for each cost, with the unedited model.

    Searches along foreign directions stand beside them, with the controls of the same search.

    The unedited model is a candidate of every search of which an edit was measured: it costs nothing. Nothing is computed that
    the screen and the choice of the edit did not compute; ``rosi.benchmarked_controls`` says whether controls took benchmarks.

    Args:
        foreign: names of directions that other tools made.

    Raises:
        MissingEvidence: the model was not screened.
    """
    screen = tables.rows("screen", model=model)
    picks = tables.picks if tables.picks is not None else pd.DataFrame(columns=["model"])
    picks = picks[picks["model"] == model].rename(columns={"benign_rise": "answers_rise"})
    unedited = screen[screen["family"] == "base"]
    parts = [_long(screen[screen["family"] != "base"], unedited, ["benign_kl", "benign_rise"])]
    if len(picks):
        first = picks.iloc[:1]
        before = first.assign(harmful_refused=first["harmful_refused"] - first["harmful_rise"], answers_rise=0.0)
        parts.append(_long(picks, before.assign(benchmark_loss=0.0), ["answers_rise", "benchmark_loss"]))
    found = pd.concat(parts, ignore_index=True)
    contrast = found["search"].str.partition("@")[2]
    found = found[contrast.isin(["", *foreign])].dropna(subset=["spent", "gained"])
    beside = [
        found[(found["search"] == search.partition("@")[0]) & (found["draw"] != "")].assign(search=search)
        for search in found["search"].unique()
        if "@" in search
    ]
    found = pd.concat([found, *beside], ignore_index=True)
    edited = found.assign(edited=found["edit"] != UNEDITED).groupby(["search", "draw", "cost"])["edited"].transform("any")
    return found[edited].reset_index(drop=True)


def _long(rows: pd.DataFrame, unedited: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    counts = [column for column in ("n_harmful", "n_benign") if column in rows]
    rows = rows.assign(whole=(rows[counts] == rows[counts].max()).all(axis=1))
    rows = rows.assign(edit=[f"layer {row.layer}, strength {row.strength:g}, sign {row.sign:+d}" for row in rows.itertuples()])
    beside = [unedited.assign(family=family, whole=True, edit=UNEDITED) for family in dict.fromkeys(rows["family"])]
    table = pd.concat([rows, *(one for one in beside if len(one))], ignore_index=True)
    table = table.assign(
        search=[method_of(family) for family in table["family"]],
        draw=[family.partition("~")[2] for family in table["family"]],
        gained=table["harmful_refused"],
    )
    kept = [column for column in COLUMNS if column not in ("cost", "spent")]
    return table.melt(kept, names, var_name="cost", value_name="spent")[COLUMNS]
