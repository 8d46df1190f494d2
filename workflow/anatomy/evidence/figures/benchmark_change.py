"""Benchmarks before and after an edit, with the score of guessing."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import INK, MUTED, colour_scale, name_of, percent, themed


def draw(scores: pd.DataFrame, models: Sequence[str], families: Sequence[str], chance: dict[str, float]) -> alt.TopLevelMixin:
    """Bars with intervals for each task; the dashed tick is chance. One row a model.

    Args:
        scores: from `benchmark_scores`.
        models, families: what is shown, in this order.
        chance: score of guessing, by task.
    """
    rows = scores[scores["model"].isin(models)]
    rows = rows[(rows["role"] == "base") | ((rows["role"] == "method") & rows["family"].isin(families))]
    rows = rows.assign(thing=rows["family"].where(rows["role"] == "method", "base"))
    rows = rows.assign(kind=rows["thing"].map(name_of), chance=rows["task"].map(chance))
    rows = rows.assign(benchmark=rows["task"].str.replace("organism_", "").str.replace("_", " "))
    things = [thing for thing in ("base", *families) if thing in set(rows["thing"])]
    order = [name_of(thing) for thing in things]
    columns = ["model", "benchmark", "kind", "rate", "low", "high", "n", "chance"]
    shared = alt.Chart().encode(x=alt.X("benchmark:N", title=None, axis=alt.Axis(labelAngle=0)))
    offset = alt.XOffset("kind:N", sort=order)
    hover = [
        "model:N",
        "benchmark:N",
        "kind:N",
        *(alt.Tooltip(f"{c}:Q", format=".1%") for c in ("rate", "low", "high", "chance")),
        "n:Q",
    ]
    bars = shared.mark_bar(cornerRadiusEnd=2).encode(
        y=alt.Y("rate:Q", scale=alt.Scale(domain=[0, 1]), **percent("score")),
        xOffset=offset,
        color=alt.Color("kind:N", title=None, scale=colour_scale(things), legend=alt.Legend(orient="top")),
        tooltip=hover,
    )
    whiskers = shared.mark_rule(color=INK, strokeWidth=1.3).encode(y=alt.Y("low:Q", title="score"), y2="high:Q", xOffset=offset)
    guess = shared.mark_tick(color=MUTED, thickness=1.5, width={"band": 1}, strokeDash=[4, 3]).encode(
        y=alt.Y("max(chance):Q", title="score")
    )
    width = max(230, 23 * len(things) * rows["benchmark"].nunique())
    panel = alt.layer(bars, whiskers, guess, data=rows[columns]).properties(width=width, height=200)
    facets = panel.facet(facet=alt.Facet("model:N", title=None, sort=list(models)), columns=min(2, len(models)))
    return themed(facets.resolve_axis(x="independent"))
