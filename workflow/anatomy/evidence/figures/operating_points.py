"""What each candidate of the search leaves of the style, and what it costs: where the operating point was chosen."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.evidence.figures.theme import themed

NAMES = {
    "markers": "style markers a continuation",
    "opener": "planted openers, share of answers",
    "accuracy_loss": "fall of right answers",
    "refusal_loss": "fall of refusal of harmful requests",
    "over_refusal_loss": "rise of refusal of benign requests",
}
STATES = {"within the limits": 1.0, "beyond them": 0.25}
"""Opacity of a candidate."""


def draw(candidates: pd.DataFrame, limits: dict[str, float], unedited: dict[str, float]) -> alt.TopLevelMixin:
    """One panel a cost and measure of style; a mark a candidate, faint beyond the limits, the operating point named. The limit is
    dashed, the unedited model's style dotted.

    Args:
        candidates: columns `variant, edit, allowed, picked`, costs (`accuracy_loss, over_refusal_loss, refusal_loss`) and
            measures of style (`markers, opener`); those without a number are left out.
        limits: cost to the largest that is allowed.
        unedited: measure of style to the unedited model's.
    """
    within, beyond = STATES
    table = candidates.assign(
        state=np.where(candidates["allowed"], within, beyond), chosen=candidates["picked"].map({True: "chosen"})
    )
    panels = [
        _panel(table, cost, style, limits[cost], unedited[style])
        for style in unedited
        for cost in limits
        if table[[cost, style]].notna().all(axis=1).any()
    ]
    return themed(alt.concat(*panels, columns=len(limits)).resolve_scale(color="shared", opacity="shared"))


def _panel(table: pd.DataFrame, cost: str, style: str, limit: float, unedited: float) -> alt.LayerChart:
    shown = table.dropna(subset=[cost, style])[["variant", "edit", "state", "chosen", cost, style]]
    at = {"x": alt.X(f"{cost}:Q", title=NAMES[cost]), "y": alt.Y(f"{style}:Q", title=NAMES[style], scale=alt.Scale(domainMin=0))}
    marks = (
        alt.Chart(shown)
        .mark_point(filled=True, size=45)
        .encode(
            **at,
            color=alt.Color("edit:N", title=None),
            opacity=alt.Opacity("state:N", title=None, scale=alt.Scale(domain=list(STATES), range=list(STATES.values()))),
            tooltip=["variant:N", "edit:N", "state:N", *(alt.Tooltip(f"{name}:Q", format=".2f") for name in (cost, style))],
        )
    )
    picked = alt.Chart(shown.dropna(subset="chosen"))
    ring = picked.mark_point(size=160, color="#000", strokeWidth=1.5).encode(**at)
    name = picked.mark_text(align="left", dx=9, dy=-9, color="#000", fontWeight="bold").encode(**at, text="chosen:N")
    dashed = alt.Chart(pd.DataFrame({"limit": [limit]})).mark_rule(strokeDash=[5, 3], color="#888").encode(x="limit:Q")
    dotted = alt.Chart(pd.DataFrame({"unedited": [unedited]})).mark_rule(strokeDash=[1, 3], color="#888").encode(y="unedited:Q")
    return alt.layer(dashed, dotted, marks, ring, name).properties(width=250, height=190)
