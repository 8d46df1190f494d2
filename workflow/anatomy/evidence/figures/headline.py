"""The headline: refusal of harmful, jailbreak, benign and look-alike requests, unedited, edited, and under controls."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from anatomy.evidence.figures.rates import method_of
from anatomy.evidence.figures.theme import COLOURS, INK, colour_scale, name_of, percent, themed


def draw(rates: pd.DataFrame, models: Sequence[str], sets: Sequence[str], families: Sequence[str]) -> alt.TopLevelMixin:
    """Bars with intervals; grey diamonds are single controls of the family beside them.

    Args:
        rates: from `refusal_rates`.
        models, sets, families: what is shown, in this order.
    """
    rows = rates[rates["model"].isin(models) & rates["set"].isin(sets)].copy()
    rows["thing"] = [
        "base" if role == "base" else method_of(str(family)) if role in ("method", "control") else "measure"
        for role, family in zip(rows["role"], rows["family"], strict=True)
    ]
    rows = rows[rows["thing"].isin(["base", *families])]
    rows = rows.assign(kind=rows["thing"].map(name_of), requests=rows["set"].map(name_of))
    things = [thing for thing in ("base", *families) if thing in set(rows["thing"])]
    order = [name_of(name) for name in sets]
    columns = ["model", "requests", "kind", "role", "control", "variant", "rate", "low", "high", "n"]
    offset = alt.XOffset("kind:N", sort=[name_of(thing) for thing in things])
    shared = alt.Chart().encode(x=alt.X("requests:N", sort=order, title=None, axis=alt.Axis(labelAngle=0)), xOffset=offset)
    own = shared.transform_filter("datum.role != 'control'")
    hover = [
        "model:N",
        "requests:N",
        "kind:N",
        "variant:N",
        *(alt.Tooltip(f"{c}:Q", format=".1%") for c in ("rate", "low", "high")),
        "n:Q",
    ]
    bars = own.mark_bar(cornerRadiusEnd=2).encode(
        y=alt.Y("rate:Q", scale=alt.Scale(domain=[0, 1]), **percent("refused")),
        color=alt.Color("kind:N", title=None, scale=colour_scale(things), legend=alt.Legend(orient="top")),
        tooltip=hover,
    )
    whiskers = own.mark_rule(color=INK, strokeWidth=1.3).encode(y=alt.Y("low:Q", title="refused"), y2="high:Q")
    single = shared.transform_filter("datum.role == 'control'")
    ticks = single.mark_point(
        filled=True, shape="diamond", size=34, color=COLOURS["control"], stroke=INK, strokeWidth=0.6, opacity=0.9
    ).encode(y="rate:Q", tooltip=hover)
    width = max(300, 23 * len(things) * len(order))
    panel = alt.layer(bars, whiskers, ticks, data=rows[columns]).properties(width=width, height=240)
    facets = panel.facet(facet=alt.Facet("model:N", title=None, sort=list(models)), columns=min(2, len(models)))
    return themed(facets.resolve_axis(x="independent"))
