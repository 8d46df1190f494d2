"""Each detector's score where each detector chose the layer."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import INK, SEQUENTIAL, themed


def draw(swap: pd.DataFrame) -> alt.TopLevelMixin:
    """Rows chose the layer, columns score; the colour is the share of the fall that the column's own best layer brings.

    Args:
        swap: columns `selector, detector, layer, mean, best, unedited`.
    """
    fall = swap["unedited"] - swap["best"]
    reached = ((swap["unedited"] - swap["mean"]) / fall).where(fall > 0)
    table = swap.assign(reached=reached, row=[f"{row.selector} (layer {row.layer})" for row in swap.itertuples()])
    cells = alt.Chart(table).encode(
        x=alt.X("detector:N", title="scored by", axis=alt.Axis(labelAngle=-25)),
        y=alt.Y("row:N", title="layer chosen by", axis=alt.Axis(labelLimit=260)),
        tooltip=[
            "selector:N",
            "detector:N",
            "layer:O",
            *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("mean", "best", "unedited")),
            alt.Tooltip("reached:Q", format=".0%"),
        ],
    )
    box = cells.mark_rect().encode(
        color=alt.Color(
            "reached:Q",
            scale=alt.Scale(domain=[0, 1], clamp=True, scheme=SEQUENTIAL),
            legend=alt.Legend(title="share of the largest fall", format=".0%"),
        )
    )
    text = cells.mark_text(fontSize=11).encode(
        text=alt.Text("mean:Q", format=".2f"), color=alt.condition("datum.reached > 0.6", alt.value("white"), alt.value(INK))
    )
    return themed(alt.layer(box, text).properties(width=alt.Step(84), height=alt.Step(40)))
