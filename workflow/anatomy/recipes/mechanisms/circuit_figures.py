"""Figures and tables of paths from heads and of exchanged subspaces."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.config.methods import Statistics
from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.theme import COLOURS, DIVERGING, INK, themed
from anatomy.interventions.instruments.recovery_over_pairs import weighed, weights_of
from anatomy.recipes.mechanisms.shares import share_of
from anatomy.statistics.intervals import mean_interval

WAYS = ("denoise", "noise")
ROLES = {"top": "chosen on fit", "random": "random"}
PATHS = {"total": "all of the head", "direct": "nothing after it notices", "without_heads": "later attention does not notice"}
THROUGH = {"edge": "one later head alone notices", "route": "one later head and MLPs before it notice"}
SUBSPACES = {
    "whole": "whole stream",
    "learned": "learned",
    "refusal": "picked direction",
    "dealt": "learned on dealt outcomes",
    "random": "random",
    "random_length": "random, as long",
}


def name_of(layer: pd.Series, head: pd.Series) -> pd.Series:
    """Block and number of heads as they are called in figures."""
    return layer.astype(int).astype(str) + "." + head.astype(int).astype(str)


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    own = rows.assign(sender=name_of(rows["sender_layer"], rows["sender_head"]), role=rows["role"].map(ROLES))
    return own.assign(receiver=name_of(own["receiver_layer"], own["receiver_head"]))


def paths(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """What heads bring back in all, past what comes after them, and through single later heads; denoising."""
    own = _named(weighed(rows[rows["way"] == "denoise"]))
    keys = ["role", "sender", "sender_layer", "sender_head", "path", "receiver", "receiver_layer", "receiver_head"]
    means = own.groupby(keys, sort=False).agg(recovery=("recovery", "mean"), n=("id", "nunique")).reset_index()
    order = means.sort_values(["role", "sender_layer", "sender_head"])["sender"].drop_duplicates().tolist()
    whole, edges = means[means["path"].isin(PATHS)], means[means["path"].isin(THROUGH)]
    receivers = edges.sort_values(["receiver_layer", "receiver_head"])["receiver"].drop_duplicates().tolist()
    hover = ["sender:N", "role:N", alt.Tooltip("recovery:Q", format=".3f"), "n:Q"]
    bars = (
        alt.Chart(whole.assign(path=whole["path"].map(PATHS)))
        .mark_bar()
        .encode(
            x=alt.X("sender:N", title="head (block.number)", sort=order, axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("path:N", sort=list(PATHS.values())),
            y=alt.Y("recovery:Q", title="recovery"),
            color=alt.Color("path:N", title=None, sort=list(PATHS.values())),
            opacity=alt.Opacity("role:N", title=None, scale=alt.Scale(domain=list(ROLES.values()), range=[1.0, 0.45])),
            tooltip=["path:N", *hover],
        )
        .properties(width=alt.Step(16), height=200)
    )
    most = float(edges["recovery"].abs().max() or 1.0) if len(edges) else 1.0
    cells = (
        alt.Chart(edges.assign(path=edges["path"].map(THROUGH)))
        .mark_rect()
        .encode(
            x=alt.X("receiver:N", title="receiving head", sort=receivers),
            y=alt.Y("sender:N", title="sending head", sort=order),
            color=alt.Color("recovery:Q", title="recovery", scale=alt.Scale(scheme=DIVERGING, domain=[-most, most])),
            tooltip=["path:N", "receiver:N", *hover],
        )
        .properties(width=alt.Step(max(4, min(22, 700 // max(1, len(receivers))))), height=alt.Step(18))
        .facet(
            row=alt.Row(
                "path:N", title=None, sort=list(THROUGH.values()), header=alt.Header(labelOrient="top", labelAnchor="start")
            )
        )
    )
    return themed(alt.vconcat(bars, cells).resolve_scale(color="independent"))


def interchange(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Recovery of every pair under each exchange, with that of all pairs' difference; both ways."""
    keys = ["way", "subspace", "id"]
    told = rows.assign(share=weighed(rows)["recovery"])
    own = told.groupby(keys, sort=False)[["recovery", "share", "length"]].mean().reset_index()
    own = own.dropna(subset=["recovery"]).assign(subspace=lambda one: one["subspace"].map(SUBSPACES))
    order = [name for name in SUBSPACES.values() if name in set(own["subspace"])]
    base = alt.Chart(own).encode(
        x=alt.X(
            "recovery:Q",
            title="recovery",
            scale=alt.Scale(domain=[-0.5, 1.5], clamp=True, nice=False),
            axis=alt.Axis(values=[-0.5, 0, 0.5, 1, 1.5]),
        ),
        y=alt.Y("subspace:N", title=None, sort=order, axis=alt.Axis(labelLimit=220)),
    )
    hover = ["subspace:N", "id:N", alt.Tooltip("recovery:Q", format=".3f"), alt.Tooltip("length:Q", format=".3f")]
    points = base.mark_point(filled=True, size=22, opacity=0.6, color=COLOURS["control"]).encode(tooltip=hover)
    means = base.mark_tick(color=INK, thickness=3, size=18).encode(x="mean(share):Q")
    panel = alt.layer(points, means).properties(width=260, height=alt.Step(26))
    return themed(panel.facet(column=alt.Column("way:N", title=None, sort=list(WAYS))))


def heads_table(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """Mean recovery of each followed head by path: columns ``model, role, place, head, way, n``, a column a path with ``low``
    and ``high`` of the whole head's over groups, the sums of ``edges`` and ``routes``, and ``largest``, the receiver of the
    route that brings most, with what it brings, ``by_largest``."""
    frame, wanted = tables.named.get("paths"), config.statistics
    through = ["edges", "routes", "largest", "by_largest"]
    columns = ["model", "role", "place", "head", "way", "n", "total", "low", "high", *list(PATHS)[1:], *through]
    if frame is None or frame[frame["model"] == model].empty:
        return pd.DataFrame(columns=columns)
    whole = _named(frame[frame["model"] == model])
    weights, own = weights_of(whole), weighed(whole)
    found = []
    for (role, place, head, way), part in own.groupby(["role", "place", "sender", "way"], sort=True):
        pairs = whole.loc[part.index[part["path"] == "total"]]
        low, high = _interval(pairs, weights, wanted) if pairs["id"].isin(weights.index).any() else (np.nan, np.nan)
        means = part[part["path"].isin(PATHS)].groupby("path")["recovery"].mean()
        edges, routes = (part[part["path"] == path].groupby("receiver")["recovery"].mean() for path in THROUGH)
        largest = routes.abs().idxmax() if routes.notna().any() else None
        found.append(
            {
                **{"model": model, "role": role, "place": place, "head": head, "way": way, "n": part["id"].nunique()},
                **{path: means.get(path, np.nan) for path in PATHS},
                **{"low": low, "high": high},
                **{"edges": edges.sum(min_count=1), "routes": routes.sum(min_count=1)},
                **{"largest": largest, "by_largest": routes.get(largest, np.nan)},
            }
        )
    return pd.DataFrame(found, columns=columns)


def _interval(pairs: pd.DataFrame, weights: pd.Series, wanted: Statistics) -> tuple[float, float]:
    """Interval of recovery over pairs, one row each."""
    sample = share_of(pairs, weights, "recovery").sample
    found = mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
    return found.low, found.high


def subspaces_table(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """Mean recovery by each exchange: columns ``model, layer, column, rank, subspace, way, recovery, low, high, n, length``."""
    frame, wanted = tables.named.get("interchange"), config.statistics
    columns = ["model", "layer", "column", "rank", "subspace", "way", "recovery", "low", "high", "n", "length"]
    if frame is None or frame[frame["model"] == model].empty:
        return pd.DataFrame(columns=columns)
    found = []
    for (layer, column, rank, subspace, way), part in frame[frame["model"] == model].groupby(
        ["layer", "column", "rank", "subspace", "way"], sort=False
    ):
        pairs = part.groupby(["id", "group"], sort=False)[["recovery", "length"]].mean().dropna().reset_index()
        weights = weights_of(part)
        if not pairs["id"].isin(weights.index).any():
            continue
        sample = share_of(pairs, weights, "recovery").sample
        got = mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
        name = SUBSPACES[str(subspace)]
        found.append(
            (model, layer, column, rank, name, way, got.estimate, got.low, got.high, got.n, float(pairs["length"].mean()))
        )
    return pd.DataFrame(found, columns=columns)
