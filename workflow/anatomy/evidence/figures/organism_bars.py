"""How the grown models behave, against the criteria they were tuned for."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import percent, themed

STATES = {True: ("holds its bar", "#009e73"), False: ("misses its bar", "#d55e00"), None: ("no bar", "#7b8794")}


def draw(bars: pd.DataFrame, members: Sequence[str]) -> alt.TopLevelMixin:
    """One column a member, one row a behaviour; seeds are single points and never pooled.

    Args:
        bars: columns `seed, member, bar, value, n, low, high, target, held` (`held` empty where no bar was set).
        members: members shown, in this order.
    """
    rows = bars[bars["member"].isin(members)].copy()
    rows["state"] = [STATES[None if pd.isna(held) else bool(held)][0] for held in rows["held"]]
    order = list(dict.fromkeys(rows["bar"]))
    colour = alt.Color(
        "state:N",
        title=None,
        scale=alt.Scale(domain=[name for name, _ in STATES.values()], range=[c for _, c in STATES.values()]),
        legend=alt.Legend(orient="top"),
    )
    y = alt.Y("bar:N", sort=order, title=None, axis=alt.Axis(labelLimit=240, grid=True))
    columns = ["seed", "member", "bar", "value", "low", "high", "n", "target", "state"]
    shared = alt.Chart().encode(y=y, yOffset=alt.YOffset("seed:N"), color=colour)
    hover = [
        "member:N",
        "seed:N",
        "bar:N",
        *(alt.Tooltip(f"{c}:Q", format=".1%") for c in ("value", "low", "high")),
        "n:Q",
        "target:N",
    ]
    spans = shared.mark_rule(strokeWidth=1.6).encode(
        x=alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), **percent(None)), x2="high:Q"
    )
    dots = shared.mark_point(filled=True, size=38, opacity=1).encode(x="value:Q", tooltip=hover)
    panel = alt.layer(spans, dots, data=rows[columns]).properties(width=130, height=alt.Step(15))
    return themed(panel.facet(facet=alt.Facet("member:N", title=None, sort=list(members)), columns=5))
