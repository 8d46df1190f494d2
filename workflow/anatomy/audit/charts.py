"""The charts of an audit: how large each change is, and how its singular values fall."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.audit.weights import WeightsAudit
from anatomy.evidence.figures.theme import SPARE, themed

SMALLEST = 1e-9
"""Share of a change's norm below which a singular value is not drawn."""


def sizes(audit: WeightsAudit) -> alt.TopLevelMixin:
    """Relative size of every changed tensor by block; what is in no block stands at its own place, before block 0."""
    rows = [
        {
            "tensor": one.pair.name,
            "site": _site(one.pair.name),
            "block": -1 if one.pair.block is None else one.pair.block,
            "relative": one.difference.relative,
            "kind": str(one.kind),
        }
        for one in audit.changed
    ]
    table = pd.DataFrame(rows)
    chart = (
        alt.Chart(table)
        .mark_point(filled=True, size=60, opacity=0.85)
        .encode(
            x=alt.X("block:Q", title="block (-1: outside of blocks)", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y(
                "relative:Q", title="||Delta|| / ||W||", scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e", tickCount=5)
            ),
            color=alt.Color("site:N", title="matrix", scale=_colours(table["site"])),
            shape=alt.Shape("kind:N", title="kind", legend=alt.Legend(orient="bottom", columns=2)),
            tooltip=["tensor:N", "kind:N", alt.Tooltip("relative:Q", format=".3g")],
        )
    )
    return themed(chart.properties(width=620, height=240))


def spectra(audit: WeightsAudit) -> alt.TopLevelMixin:
    """Singular values of every changed matrix, as shares of its change's norm."""
    rows = [
        {"tensor": one.pair.name, "site": _site(one.pair.name), "place": place, "share": value.item() / one.spectrum.norm}
        for one in audit.changed
        if one.spectrum is not None
        for place, value in enumerate(one.spectrum.values, start=1)
        if value.item() > SMALLEST * one.spectrum.norm
    ]
    table = pd.DataFrame(rows)
    chart = (
        alt.Chart(table)
        .mark_line(opacity=0.5, strokeWidth=1.2, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("place:Q", title="place among the singular values", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("share:Q", title="share of ||Delta||", scale=alt.Scale(type="log"), axis=alt.Axis(format=".0e", tickCount=6)),
            color=alt.Color("site:N", title="matrix", scale=_colours(table["site"])),
            detail="tensor:N",
            tooltip=["tensor:N", "place:Q", alt.Tooltip("share:Q", format=".3g")],
        )
    )
    return themed(chart.properties(width=620, height=240))


def _site(name: str) -> str:
    return name.removesuffix(".weight").rpartition(".")[2]


def _colours(sites: pd.Series) -> alt.Scale:
    names = sorted(set(sites))
    palette = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", *SPARE)
    return alt.Scale(domain=names, range=[palette[place % len(palette)] for place in range(len(names))])
