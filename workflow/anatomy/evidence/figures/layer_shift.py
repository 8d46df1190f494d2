"""How far an edit moves the residual stream along the direction, layer by layer."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.evidence.figures.theme import MUTED, colour_scale, themed, zoom
from anatomy.statistics.clusters import Sample
from anatomy.statistics.paired import difference_interval


def shifts(
    projections: pd.DataFrame, model: str, before: str, after: str, *, confidence: float, seed: int, resamples: int
) -> pd.DataFrame:
    """Mean paired change of the projection for each label and layer, with intervals clustered by group."""
    rows = projections[projections["model"] == model]
    keys = ["label", "layer", "set", "id"]
    one = rows[rows["variant"] == before].set_index(keys)
    two = rows[rows["variant"] == after].set_index(keys)
    change = (two["projection"] - one["projection"]).rename("change").dropna()
    joined = one.join(change, how="inner").reset_index()
    found = []
    for (label, layer), own in joined.groupby(["label", "layer"]):
        sample = Sample(own["change"].to_numpy(np.float64), own["group"].to_numpy(object), signed=True)
        draws = difference_interval(sample, None, confidence=confidence, seed=seed, resamples=resamples).draws
        low, high = np.quantile(draws, [0.5 - confidence / 2, 0.5 + confidence / 2])
        found.append((label, int(layer), sample.mean, float(low), float(high), sample.n))
    return pd.DataFrame(found, columns=["label", "layer", "shift", "low", "high", "n"])


def draw(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Lines over layers with bands; zero is no shift."""
    labels = sorted(table["label"].unique())
    base = alt.Chart(table).encode(
        x=alt.X(
            "layer:Q", scale=alt.Scale(padding=8), axis=alt.Axis(tickMinStep=1, format="d"), title="layer (input of the block)"
        ),
        color=alt.Color("label:N", title=None, scale=colour_scale(labels), legend=alt.Legend(orient="top", symbolOpacity=1)),
    )
    hover = ["label:N", "layer:Q", *(alt.Tooltip(f"{c}:Q", format="+.3f") for c in ("shift", "low", "high")), "n:Q"]
    band = base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", title="net shift along the direction"), y2="high:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=55), strokeWidth=2.2).encode(y="shift:Q", tooltip=hover)
    zero = alt.Chart().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(y=alt.datum(0))
    return themed(alt.layer(zero, band, line.add_params(zoom()), data=table).properties(width=400, height=240))
