"""Figures of what says one number of each layer: steering by its own direction, and blocks exchanged for the base's."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, themed


def own_directions(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean rise of the refusal metric of harmless prompts by each layer's own direction, and by a random one as long."""
    means = rows.groupby(["layer", "direction"], sort=False).agg(rise=("rise", "mean"), n=("id", "nunique")).reset_index()
    colours = {"refusal": COLOURS["harmful"], "random": COLOURS["control"]}
    chart = (
        alt.Chart(means)
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:O", title="before block", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("rise:Q", title="rise of the refusal metric"),
            color=alt.Color("direction:N", title=None, scale=alt.Scale(domain=list(colours), range=list(colours.values()))),
            tooltip=["direction:N", "layer:O", alt.Tooltip("rise:Q", format=".3f"), "n:Q"],
        )
    )
    return themed(chart.properties(width=400, height=220))


def exchanged_blocks(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """What each block takes away of the metric where it has its base's weights: the share of what model and base differ by."""
    prompts = rows.drop_duplicates("id")
    whole = (prompts["own"] - prompts["base"]).mean()
    means = rows.groupby("layer", sort=True).agg(taken=("taken", "mean"), n=("id", "nunique")).reset_index()
    chart = (
        alt.Chart(means.assign(share=means["taken"] / (whole if whole != 0 else float("nan"))))
        .mark_bar()
        .encode(
            x=alt.X("layer:O", title="block", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("taken:Q", title="refusal metric that it takes away"),
            tooltip=["layer:O", *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("taken", "share")), "n:Q"],
        )
    )
    return themed(chart.properties(width=400, height=220))
