"""Every edit that PASTA tried on a model, as what it lowers of detection and what it costs."""

from __future__ import annotations

import pandas as pd

from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures.pareto_front import COLUMNS, Cost
from anatomy.recipes.pasta.operating import LOSSES, RISES
from anatomy.recipes.pasta.options import PastaLimits
from anatomy.recipes.pasta.stages.measures_table import ALL

SEARCHED, TESTED = "search, split select", "tested edits, split test"
"""Rows of the figure: candidates of the search, and the edits that were tested with the controls of the same edits."""

DRAWN = ("orthogonal", "equal_variance")
"""Controls that are directions drawn at random; others (principal components, halves, other contrasts) mean something."""

UNEDITED = "unedited"
SCORE = "score of the detector"
TITLES = {
    "accuracy": "fall of right answers",
    "refusal": "fall of refusals, harmful",
    "over_refusal": "rise of refusals, benign",
    "degenerate": "rise of degenerate texts",
}


def costs(limits: PastaLimits, detector: str) -> list[Cost]:
    """What edits cost, each with the limit that the search had."""
    gain = f"not a machine's, by {detector}"
    return [Cost(name, TITLES[name], gain, getattr(limits, name)) for name in LOSSES]


def tried(tables: Tables, model: str, detector: str) -> pd.DataFrame:
    """Candidates of the search and tested edits with their controls, a row for each cost, with the unedited model.

    ``gained`` is 1 minus the mean probability, by the detector, that a machine wrote a continuation: a detector measures and does
    not choose. Nothing is computed that the search and the measures of the test split did not compute.

    Args:
        tables: ``operating`` and ``swap`` of the select split, ``measures`` of the test split.
        detector: the first one of the pair.

    Raises:
        MissingEvidence: nothing was searched and nothing was measured.
    """
    parts, missing = [], None
    for read in (_searched, _tested):
        try:
            parts.append(read(tables, model, detector))
        except MissingEvidence as error:
            missing = missing or error
    if missing is not None and not parts:
        raise missing
    return pd.concat(parts, ignore_index=True).dropna(subset=["spent", "gained"]).reset_index(drop=True)


def _searched(tables: Tables, model: str, detector: str) -> pd.DataFrame:
    rows = tables.rows("operating", model=model)
    before = float(tables.rows("swap", model=model, detector=detector)["unedited"].iloc[0])
    words = [
        f"{row.form}, {str(row.direction).replace('_', ' ')}, layer {row.layer}, strength {row.strength:g}, {row.positions}"
        for row in rows.itertuples()
    ]
    lost = {name: rows[f"{name}_loss"] for name in LOSSES}
    table = rows.assign(search=SEARCHED, draw="", gained=1 - rows["score"], whole=True, edit=words, **lost)
    unedited = {"search": SEARCHED, "draw": "", "gained": 1 - before, "whole": True, "edit": UNEDITED}
    known = {name: 0.0 for name in LOSSES if table[name].notna().any()}
    return _long(pd.concat([table, pd.DataFrame([unedited | known])], ignore_index=True))


def _tested(tables: Tables, model: str, detector: str) -> pd.DataFrame:
    rows = tables.rows("measures", pair=model, model=model, domain=ALL)
    # A detector of one's own may be called like another measure, such as ``words``.
    score = (rows["kind"] == "detector") & (rows["measure"] == detector)
    rows = rows[score | (rows["kind"] != "detector")].assign(measure=rows["measure"].mask(score, SCORE))
    wide = rows.pivot_table(index=["slug", "role", "control"], columns="measure", values="value").reset_index()
    base = wide[wide["role"] == "base"]
    if base.empty or SCORE not in wide:
        raise MissingEvidence(
            found="no text of the unedited model", expected=f"its score by {detector}", where=f"texts of {model}"
        )
    before = base[base["slug"] == "base"].iloc[0]
    wide = wide[wide["role"].eq("method") | wide["control"].isin(DRAWN) | wide["slug"].eq("base")]
    lost = {name: (before[name] - wide[name]) * (-1 if name in RISES else 1) for name in LOSSES if name in wide}
    numbers = wide["slug"].str.rpartition("-")[2]
    table = wide.assign(
        search=TESTED,
        draw=(wide["control"] + "-" + numbers).where(wide["control"] != "", ""),
        gained=1 - wide[SCORE],
        whole=True,
        edit=wide["slug"].where(wide["slug"] != "base", UNEDITED),
        **lost,
    )
    draws = [name for name in table["draw"].unique() if name]
    beside = table[table["edit"] == UNEDITED]
    return _long(pd.concat([table, *(beside.assign(draw=name) for name in draws)], ignore_index=True))


def _long(table: pd.DataFrame) -> pd.DataFrame:
    kept = [column for column in COLUMNS if column not in ("cost", "spent")]
    costs = [name for name in LOSSES if name in table]
    return table.melt(kept, costs, var_name="cost", value_name="spent")[COLUMNS]
