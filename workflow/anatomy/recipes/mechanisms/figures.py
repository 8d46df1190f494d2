"""Figures of the mechanism battery."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, DIVERGING, INK, SEQUENTIAL, dashed, themed
from anatomy.interventions.instruments.recovery_over_pairs import weighed
from anatomy.recipes.mechanisms.profiles import INSTRUMENTS

SIDES = {"harmful": COLOURS["harmful"], "harmless": COLOURS["benign"]}
FIGURE_OF = {
    "probe": "probes",
    "lens": "lens",
    "tuned lens": "lens",
    "patch attention": "patching",
    "patch mlp": "patching",
    "patch stream": "patching",
    "predict attention": "predicted",
    "predict mlp": "predicted",
    "direct": "direct",
    "steering": "layers",
    "truth": "exchanged",
}
"""The figure of each instrument: where a click in the atlas leads."""


def anchor_of(kind: str, model: str) -> str:
    """Where links lead to a figure of a model."""
    return f"mechanisms-{kind}.{model}"


def atlas(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Layers across, instruments down: each instrument's value as a share of its largest; its largest is marked.

    A click on an instrument's cell leads to its own figure on the page.
    """
    links = [
        "#" + anchor_of(FIGURE_OF[instrument], model)
        for instrument, model in zip(table["instrument"], table["model"], strict=True)
    ]
    rows = table.assign(instrument=table["instrument"].map(INSTRUMENTS), link=links)
    base = alt.Chart(rows).encode(
        href="link:N",
        x=alt.X("layer:O", title="layer (block)", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("instrument:N", title=None, sort=list(INSTRUMENTS.values()), axis=alt.Axis(labelLimit=320)),
    )
    hover = ["instrument:N", "layer:O", *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("value", "low", "high")), "n:Q"]
    cells = base.mark_rect().encode(
        color=alt.Color("share:Q", title="share of its largest", scale=alt.Scale(scheme=SEQUENTIAL, domain=[0, 1])), tooltip=hover
    )
    marks = base.transform_filter("datum.top").mark_point(filled=True, color="white", size=40).encode(tooltip=hover)
    return themed(alt.layer(cells, marks).properties(width=alt.Step(34), height=alt.Step(24)))


def patching(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean recovery at each layer and token of the denoising way, a panel a part."""
    own = weighed(rows[(rows["part"] != "head") & (rows["way"] == "denoise")])
    means = (
        own.groupby(["part", "layer", "column"], sort=False).agg(recovery=("recovery", "mean"), n=("id", "nunique")).reset_index()
    )
    means["column"] = means["column"].astype(int)
    most = max(1.0, float(means["recovery"].abs().max() or 1.0))
    chart = (
        alt.Chart(means)
        .mark_rect()
        .encode(
            x=alt.X("column:O", title="token, from the end", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            y=alt.Y("layer:O", title="layer", sort="descending"),
            color=alt.Color("recovery:Q", title="recovery", scale=alt.Scale(scheme=DIVERGING, domain=[-most, most])),
            tooltip=["part:N", "layer:O", "column:O", alt.Tooltip("recovery:Q", format=".3f"), "n:Q"],
        )
        .properties(width=alt.Step(16), height=alt.Step(18))
    )
    return themed(chart.facet(row=alt.Row("part:N", title=None, sort=["stream", "attention", "mlp"])))


def heads(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean recovery by each head over all tokens, both ways."""
    own = weighed(rows[rows["part"] == "head"])
    means = (
        own.groupby(["way", "layer", "head"], sort=False).agg(recovery=("recovery", "mean"), n=("id", "nunique")).reset_index()
    )
    means["head"] = means["head"].astype(int)
    most = float(means["recovery"].abs().max() or 1.0)
    chart = (
        alt.Chart(means)
        .mark_rect()
        .encode(
            x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:O", title="layer", sort="descending"),
            color=alt.Color("recovery:Q", title="recovery", scale=alt.Scale(scheme=DIVERGING, domain=[-most, most])),
            tooltip=["way:N", "layer:O", "head:O", alt.Tooltip("recovery:Q", format=".3f"), "n:Q"],
        )
        .properties(width=alt.Step(26), height=alt.Step(20))
    )
    return themed(chart.facet(column=alt.Column("way:N", title=None, sort=["denoise", "noise"])))


def predicted(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Recovery that attribution predicts against the patch's own, mean over pairs at each place."""
    own = weighed(rows[rows["way"] == "denoise"], ("recovery", "predicted"))
    places = own.groupby(["part", "layer", "column", "head"], dropna=False, sort=False)
    means = places.agg(recovery=("recovery", "mean"), predicted=("predicted", "mean"), n=("id", "nunique")).reset_index()
    means = means.astype({"column": "float", "head": "float"})
    points = (
        alt.Chart(means)
        .mark_point(filled=True, size=28, opacity=0.7)
        .encode(
            x=alt.X("recovery:Q", title="recovery by the patch"),
            y=alt.Y("predicted:Q", title="recovery predicted to first order"),
            color=alt.Color("part:N", title=None, sort=["stream", "attention", "mlp", "head"]),
            tooltip=[
                "part:N",
                "layer:O",
                "column:Q",
                "head:Q",
                *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("recovery", "predicted")),
                "n:Q",
            ],
        )
    )
    ends = pd.DataFrame({"recovery": [0.0, 1.0], "predicted": [0.0, 1.0]})
    line = alt.Chart(ends).mark_line(color=INK, strokeDash=[3, 3]).encode(x="recovery:Q", y="predicted:Q")
    return themed(alt.layer(line, points).properties(width=360, height=280))


def attention(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Share of each head's attention from the last token to the instruction, by kind of prompt."""
    read = ("instruction", "template_before", "template_after", "entropy")
    means = rows.groupby(["side", "layer", "head"], sort=False).agg(
        **{name: (name, "mean") for name in read}, n=("id", "nunique")
    )
    chart = (
        alt.Chart(means.reset_index())
        .mark_rect()
        .encode(
            x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("layer:O", title="layer", sort="descending"),
            color=alt.Color("instruction:Q", title="on the instruction", scale=alt.Scale(scheme=SEQUENTIAL, domain=[0, 1])),
            tooltip=[
                "side:N",
                "layer:O",
                "head:O",
                *(alt.Tooltip(f"{one}:Q", format=".3f") for one in read),
                "n:Q",
            ],
        )
        .properties(width=alt.Step(26), height=alt.Step(20))
    )
    return themed(chart.facet(column=alt.Column("side:N", title=None, sort=list(SIDES))))


def steering(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean refusal metric and divergence at each dose of the refusal and of a random direction, by kind of prompt."""
    means = rows.groupby(["side", "direction", "dose"], sort=False).agg(
        metric=("metric", "mean"), kl=("kl", "mean"), n=("id", "nunique")
    )
    titles = {"metric": "refusal metric (log odds)", "kl": "KL from the unedited model, nats"}
    colour = alt.Color("side:N", title=None, scale=alt.Scale(domain=list(SIDES), range=list(SIDES.values())))
    dash = alt.StrokeDash("direction:N", title=None, sort=["refusal", "random"])
    panels = [
        alt.Chart(means.reset_index())
        .encode(
            x=alt.X("dose:Q", title="dose (1: from harmless to harmful)"),
            y=alt.Y(f"{column}:Q", title=title),
            color=colour,
            tooltip=["side:N", "direction:N", "dose:Q", alt.Tooltip(f"{column}:Q", format=".3f"), "n:Q"],
        )
        .properties(width=260, height=220)
        for column, title in titles.items()
    ]
    return themed(alt.hconcat(*(dashed(panel, dash) for panel in panels)))
