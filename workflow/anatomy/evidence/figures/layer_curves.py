"""Mean detector score under ablation of each layer's signature, with controls that searched the same layers."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, MUTED, themed


def draw(curves: pd.DataFrame, unedited: Mapping[str, float], chosen: Mapping[str, int]) -> alt.TopLevelMixin:
    """One panel a detector: the signature with its interval, controls in grey, the unedited model as a dashed line.

    Args:
        curves: columns `detector, control, control_seed, layer, mean, low, high, n, failed`; of one model, over all domains.
        unedited: mean score without ablation, by detector.
        chosen: layer that each detector chose.
    """
    table = curves.assign(
        line=[f"{row.control}-{row.control_seed}" if row.control else "signature" for row in curves.itertuples()],
        kind=["controls" if control else "signature" for control in curves["control"]],
        unedited=curves["detector"].map(dict(unedited)),
        chosen=[not row.control and chosen.get(row.detector) == row.layer for row in curves.itertuples()],
    )
    columns = ["detector", "line", "kind", "layer", "mean", "low", "high", "n", "failed", "unedited", "chosen"]
    x = alt.X("layer:Q", title="layer (input of the block)", axis=alt.Axis(tickMinStep=1, format="d"))
    y = alt.Y("mean:Q", title="mean score", scale=alt.Scale(zero=False))
    own = alt.Chart().transform_filter("datum.kind == 'signature'")
    colour = alt.Color(
        "kind:N", title=None, scale=alt.Scale(domain=["signature", "controls"], range=[COLOURS["row_mean"], COLOURS["control"]])
    )
    hover = [
        "detector:N",
        "line:N",
        "layer:O",
        *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("mean", "low", "high")),
        "n:Q",
        "failed:Q",
    ]
    layers = alt.layer(
        alt.Chart().mark_line(strokeDash=[4, 3], color=MUTED).encode(x=x, y=alt.Y("unedited:Q", title="mean score")),
        own.mark_area(opacity=0.18, color=COLOURS["row_mean"]).encode(x=x, y=alt.Y("low:Q", title="mean score"), y2="high:Q"),
        alt.Chart().mark_line(point=True).encode(x=x, y=y, color=colour, detail="line:N", tooltip=hover),
        own.transform_filter("datum.chosen").mark_point(size=190, strokeWidth=2, color=COLOURS["harmful"]).encode(x=x, y=y),
        data=table[columns],
    )
    faceted = layers.properties(width=205, height=150).facet(facet=alt.Facet("detector:N", title=None), columns=3)
    return themed(faceted.resolve_scale(y="independent"))
