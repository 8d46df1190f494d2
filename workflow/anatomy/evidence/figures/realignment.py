"""What an edit brings back in models that were uncensored to different depths."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import colour_scale, name_of, percent, themed


def draw(rates: pd.DataFrame, rungs: Sequence[str], families: Sequence[str], sets: Sequence[str]) -> alt.TopLevelMixin:
    """Refusal over rungs, one line for the unedited model and one for each family, one panel a set.

    Args:
        rates: from `refusal_rates`.
        rungs: models from the least to the most uncensored.
        families: families of method variants to show.
        sets: prompt sets to show.
    """
    rows = rates[rates["model"].isin(rungs) & rates["set"].isin(sets)]
    rows = rows[(rows["role"] == "base") | ((rows["role"] == "method") & rows["family"].isin(families))]
    rows = rows.assign(thing=rows["family"].where(rows["role"] == "method", "base"))
    rows = rows.assign(kind=rows["thing"].map(name_of), requests=rows["set"].map(name_of) + " requests")
    things = [thing for thing in ("base", *families) if thing in set(rows["thing"])]
    base = alt.Chart(rows[["model", "requests", "kind", "rate", "low", "high", "n"]]).encode(
        x=alt.X(
            "model:N", sort=list(rungs), title="depth of uncensoring", axis=alt.Axis(labelAngle=-25), scale=alt.Scale(padding=0.4)
        ),
        color=alt.Color("kind:N", title=None, scale=colour_scale(things), legend=alt.Legend(orient="top", columns=2)),
    )
    hover = ["model:N", "kind:N", *(alt.Tooltip(f"{c}:Q", format=".1%") for c in ("rate", "low", "high")), "n:Q"]
    offset = alt.XOffset("kind:N", sort=[name_of(thing) for thing in things], scale=alt.Scale(padding=3))
    y = alt.Y("rate:Q", scale=alt.Scale(domain=[0, 1]), **percent("refused"))
    bars = base.mark_rule(strokeWidth=1.6).encode(y=alt.Y("low:Q", title="refused"), y2="high:Q", xOffset=offset)
    dots = base.mark_line(point=alt.OverlayMarkDef(size=70), strokeWidth=2).encode(y=y, xOffset=offset, tooltip=hover)
    panel = alt.layer(bars, dots).properties(width=max(220, 70 * len(rungs)), height=260)
    order = [f"{name_of(name)} requests" for name in sets]
    return themed(panel.facet(column=alt.Column("requests:N", title=None, sort=order)))
