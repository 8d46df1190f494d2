"""Where prompts lie along the direction, before and after an edit."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.evidence.figures.theme import colour_scale, name_of, themed

BINS = 40


def histograms(projections: pd.DataFrame, model: str, layer: int, before: str, after: str) -> pd.DataFrame:
    """Share of each label's prompts in each of 40 bins that both variants share."""
    rows = projections[(projections["model"] == model) & (projections["layer"] == layer)]
    rows = rows[rows["variant"].isin([before, after])]
    edges = np.histogram_bin_edges(rows["projection"], BINS)
    found = []
    for (variant, label), own in rows.groupby(["variant", "label"]):
        share = np.histogram(own["projection"], edges)[0] / len(own)
        found.append(
            pd.DataFrame(
                {"variant": variant, "label": label, "low": edges[:-1], "high": edges[1:], "share": share, "n": len(own)}
            )
        )
    return pd.concat(found, ignore_index=True)


def draw(projections: pd.DataFrame, model: str, layer: int, before: str, after: str, family: str) -> alt.TopLevelMixin:
    """Two rows on one axis: unedited above, edited below."""
    table = histograms(projections, model, layer, before, after)
    table["kind"] = table["variant"].map({before: name_of("base"), after: name_of(family)})
    labels = sorted(table["label"].unique())
    chart = (
        alt.Chart(table)
        .mark_bar(opacity=0.62, binSpacing=0)
        .encode(
            x=alt.X("low:Q", bin="binned", title=f"projection on the direction at layer {layer}"),
            x2="high:Q",
            y=alt.Y("share:Q", stack=None, axis=alt.Axis(format=".0%", tickCount=4), title="share of prompts"),
            color=alt.Color("label:N", title=None, scale=colour_scale(labels), legend=alt.Legend(orient="top")),
            tooltip=[
                "kind:N",
                "label:N",
                *(alt.Tooltip(f"{c}:Q", format=".2f") for c in ("low", "high")),
                alt.Tooltip("share:Q", format=".1%"),
                "n:Q",
            ],
        )
        .properties(width=390, height=130)
    )
    order = [name_of("base"), name_of(family)]
    return themed(
        chart.facet(
            row=alt.Row(
                "kind:N", title=None, sort=order, header=alt.Header(labelAngle=0, labelOrient="top", labelAnchor="start")
            ),
            spacing=8,
        )
    )
