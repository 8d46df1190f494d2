"""Cosines between the signatures of every two layers."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import DIVERGING, themed


def draw(geometry: pd.DataFrame) -> alt.TopLevelMixin:
    """A heat map over layers; the diagonal is 1."""
    table = geometry[geometry["quantity"] == "cosine_layers"][["layer", "other_layer", "value"]]
    size = max(9, min(30, 360 // max(1, table["layer"].nunique())))
    chart = (
        alt.Chart(table)
        .mark_rect()
        .encode(
            x=alt.X("layer:O", title="layer"),
            y=alt.Y("other_layer:O", title="layer", sort="descending"),
            color=alt.Color("value:Q", scale=alt.Scale(domain=[-1, 1], scheme=DIVERGING), legend=alt.Legend(title="cosine")),
            tooltip=["layer:O", "other_layer:O", alt.Tooltip("value:Q", format=".3f")],
        )
    )
    return themed(chart.properties(width=alt.Step(size), height=alt.Step(size)))
