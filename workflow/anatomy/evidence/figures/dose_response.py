"""Refusal and over-refusal over the strength of an edit, with the band of its controls."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.rates import method_of
from anatomy.evidence.figures.theme import COLOURS, RATE_SCALE, colour_scale, name_of, percent, themed, zoom

MEASURES = {"harmful_refused": "harmful requests refused", "benign_refused": "benign requests refused"}


def curves(screen: pd.DataFrame, model: str) -> pd.DataFrame:
    """One curve a family: at the layer and sign of its best candidate, over all strengths.

    A control family is treated as the method: its own best layer and sign, not the method's.
    """
    rows = screen[(screen["model"] == model) & screen["harmful_refused"].notna()]
    found = []
    for family, own in rows.groupby("family"):
        first = own[own["place"] == 1]
        best = (first if len(first) else own.nlargest(1, "harmful_metric")).iloc[0]
        chosen = own[(own["layer"] == best["layer"]) & (own["sign"] == best["sign"])]
        found.append(chosen.assign(method=method_of(str(family)), is_control=own["control_seed"].iloc[0] >= 0))
    columns = ["family", "method", "is_control", "layer", "sign", "strength", *MEASURES]
    return pd.concat(found)[columns] if found else pd.DataFrame(columns=columns)


def draw(screen: pd.DataFrame, model: str) -> alt.TopLevelMixin:
    """Rows are methods, columns harmful and benign refusal; the grey band spans all controls, its line their median."""
    long = curves(screen, model).melt(
        ["family", "method", "is_control", "layer", "sign", "strength"], list(MEASURES), "measure", "rate"
    )
    long["measure"] = long["measure"].map(MEASURES)
    long["kind"] = [name_of(m) for m in long["method"]]
    methods = list(dict.fromkeys(long["method"]))
    scale = alt.Scale(type="symlog", constant=0.5, padding=12, zero=False, nice=False)
    x = alt.X("strength:Q", title="strength", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("rate:Q", scale=RATE_SCALE, **percent("refused"))
    controls = alt.Chart().transform_filter("datum.is_control")
    band = controls.mark_area(opacity=0.45, color=COLOURS["control"]).encode(
        x=x, y=alt.Y("min(rate):Q", title="refused"), y2="max(rate):Q"
    )
    median = controls.mark_line(strokeDash=[4, 3], color=COLOURS["base"]).encode(x=x, y="median(rate):Q")
    line = (
        alt.Chart()
        .transform_filter("!datum.is_control")
        .mark_line(point=alt.OverlayMarkDef(size=55), strokeWidth=2.2)
        .encode(
            x=x,
            y=y,
            color=alt.Color("kind:N", title=None, scale=colour_scale(methods), legend=alt.Legend(orient="top", columns=3)),
            tooltip=["kind:N", alt.Tooltip("strength:Q"), alt.Tooltip("rate:Q", format=".1%"), "layer:O", "sign:O"],
        )
        .add_params(zoom())
    )
    grid = alt.layer(band, median, line, data=long).properties(width=230, height=150)
    return themed(
        grid.facet(
            row=alt.Row("kind:N", title=None, header=alt.Header(labels=False), sort=[name_of(m) for m in methods]),
            column=alt.Column("measure:N", title=None, sort=list(MEASURES.values())),
        ).resolve_scale(x="independent")
    )
