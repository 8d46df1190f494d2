"""Figures and tables of probes: by layer at the last token, and by layer and token."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.theme import DIVERGING, INK, dashed, themed
from anatomy.interventions.instruments.probe_tables import auroc_table

CONTROLS = {
    "": "as it is",
    "shuffled": "shuffled labels",
    "equal_length": "prompts of equal length",
    "unseen_kind": "unseen sources and categories",
}
SHOWN = alt.Scale(domain=[0.2, 1], clamp=True, nice=False)
HOVER = [*(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("auroc", "low", "high")), "n:Q", "groups:Q"]


def aurocs(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """AUROC of each probe at the last token: columns ``model, probe, layer, control, auroc, low, high, n, groups``."""
    return _with_intervals(config, tables.rows("probes", model=model), ["model", "probe", "layer", "control"])


def places(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """AUROC of the difference of means at each token and layer.

    Returns:
        Columns ``model, position, request, layer, control, auroc, low, high, n, groups``.
    """
    rows = tables.rows("probe_places", model=model)
    return _with_intervals(config, rows, ["model", "position", "request", "layer", "control"])


def _with_intervals(config: Config, rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    wanted = config.statistics
    return auroc_table(rows, keys, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)


def by_layer(table: pd.DataFrame) -> alt.TopLevelMixin:
    """AUROC of each probe by layer, with shuffled labels and prompts of equal length beside it; the words' as a line."""
    rows = table[table["layer"] >= 0].assign(control=lambda one: one["control"].map(CONTROLS))
    base = alt.Chart(rows).encode(
        x=alt.X("layer:O", title="before block", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("probe:N", title=None, legend=alt.Legend(symbolOpacity=1)),
    )
    band = base.transform_filter(f"datum.control == '{CONTROLS['']}'").mark_area(opacity=0.15)
    lines = base.encode(
        y=alt.Y("auroc:Q", title="AUROC", scale=SHOWN),
        tooltip=["probe:N", "control:N", "layer:O", *HOVER],
    )
    dash = alt.StrokeDash("control:N", title=None, sort=list(CONTROLS.values()))
    words = (
        alt.Chart(table[table["layer"] < 0])
        .mark_rule(color=INK, strokeDash=[2, 4])
        .encode(y="auroc:Q", tooltip=["probe:N", *HOVER])
    )
    return themed(
        alt.layer(words, band.encode(y=alt.Y("low:Q", title="AUROC", scale=SHOWN), y2="high:Q"), dashed(lines, dash)).properties(
            width=400, height=240
        )
    )


def by_place(table: pd.DataFrame) -> alt.TopLevelMixin:
    """AUROC at each layer and token, true labels beside shuffled ones; chance is white."""
    token = (
        table["position"]
        .astype(int)
        .astype(str)
        .where(~table["request"].astype(bool), "request, " + table["position"].astype(str))
    )
    rows = table.assign(token=token, control=table["control"].map(CONTROLS))
    order = rows.sort_values("position")["token"].drop_duplicates().tolist()
    chart = (
        alt.Chart(rows)
        .mark_rect()
        .encode(
            x=alt.X("token:N", title="token, from the end", sort=order, axis=alt.Axis(labelAngle=-90)),
            y=alt.Y("layer:O", title="before block", sort="descending"),
            color=alt.Color("auroc:Q", title="AUROC", scale=alt.Scale(scheme=DIVERGING, domain=[0, 1])),
            tooltip=["control:N", "token:N", "layer:O", *HOVER],
        )
        .properties(width=alt.Step(30), height=alt.Step(18))
    )
    return themed(chart.facet(column=alt.Column("control:N", title=None, sort=list(CONTROLS.values())), spacing=60))
