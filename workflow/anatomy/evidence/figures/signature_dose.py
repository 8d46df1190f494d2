"""Everything measured of texts over the share of a signature that is taken out."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, themed


def draw(doses: pd.DataFrame) -> alt.TopLevelMixin:
    """One panel a measure, each with its own axis; 1 takes out all of it, 2 turns its sign.

    Args:
        doses: columns `measure, scale, value, low, high, n`.
    """
    base = alt.Chart().encode(x=alt.X("scale:Q", title="share taken out"))
    colour = COLOURS["row_mean"]
    scale = alt.Scale(zero=False)
    band = base.mark_area(opacity=0.18, color=colour).encode(y=alt.Y("low:Q", title=None, scale=scale), y2="high:Q")
    line = base.mark_line(point=True, color=colour).encode(
        y=alt.Y("value:Q", title=None, scale=scale),
        tooltip=["measure:N", "scale:Q", *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("value", "low", "high")), "n:Q"],
    )
    table = doses[["measure", "scale", "value", "low", "high", "n"]]
    layers = alt.layer(band, line, data=table).properties(width=190, height=120)
    faceted = layers.facet(facet=alt.Facet("measure:N", title=None, sort=list(dict.fromkeys(table["measure"]))), columns=3)
    return themed(faceted.resolve_scale(y="independent"))
