"""What each candidate of the search leaves of the style, and what it costs: where the operating point was chosen."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.figures.theme import themed

NAMES = {"markers": "style markers a continuation", "opener": "planted openers, share of answers",
         "accuracy_loss": "fall of right answers", "refusal_loss": "fall of refusal of harmful requests"}
SHAPES = {"tried": "circle", "beyond the limits": "cross", "operating point": "diamond"}


def draw(candidates: pd.DataFrame, limits: dict[str, float], unedited: dict[str, float]) -> alt.TopLevelMixin:
    """One panel a cost and measure of style; a mark a candidate, the limit dashed, the unedited model's style dotted.

    Args:
        candidates: columns `variant, form, direction, allowed, picked`, costs (`accuracy_loss, refusal_loss`) and measures of
            style (`markers, opener`); those without a number are left out.
        limits: cost to the largest that is allowed.
        unedited: measure of style to the unedited model's.
    """
    state = candidates["allowed"].map({True: "tried", False: "beyond the limits"}).where(~candidates["picked"], "operating point")
    table = candidates.assign(edit=candidates["form"] + " " + candidates["direction"], state=state)
    panels = [_panel(table, cost, style, limits[cost], unedited[style]) for style in unedited for cost in limits
              if table[[cost, style]].notna().all(axis=1).any()]
    return themed(alt.concat(*panels, columns=2).resolve_scale(color="shared", shape="shared"))


def _panel(table: pd.DataFrame, cost: str, style: str, limit: float, unedited: float) -> alt.LayerChart:
    shown = table.dropna(subset=[cost, style])[["variant", "edit", "state", cost, style]]
    order = [state for state in SHAPES if state in set(table["state"])]
    marks = alt.Chart(shown).mark_point(filled=True, opacity=0.75).encode(
        x=alt.X(f"{cost}:Q", title=NAMES[cost]), y=alt.Y(f"{style}:Q", title=NAMES[style], scale=alt.Scale(domainMin=0)),
        color=alt.Color("edit:N", title=None), size=alt.Size("state:N", legend=None, scale=alt.Scale(
            domain=order, range=[160 if state == "operating point" else 45 for state in order])),
        shape=alt.Shape("state:N", title=None, scale=alt.Scale(domain=order, range=[SHAPES[state] for state in order])),
        tooltip=["variant:N", "edit:N", "state:N", *(alt.Tooltip(f"{name}:Q", format=".2f") for name in (cost, style))])
    at = alt.Chart(pd.DataFrame({"limit": [limit]})).mark_rule(strokeDash=[5, 3], color="#888").encode(x="limit:Q")
    level = alt.Chart(pd.DataFrame({"unedited": [unedited]})).mark_rule(strokeDash=[1, 3], color="#888").encode(y="unedited:Q")
    return alt.layer(at, level, marks).properties(width=250, height=190)
