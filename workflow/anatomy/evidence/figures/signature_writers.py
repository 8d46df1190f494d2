"""What each head and MLP writes along a signature, aligned minus base."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import DIVERGING, themed


def draw(writers: pd.DataFrame, direction_layer: int) -> alt.TopLevelMixin:
    """A heat map: layers by heads, and the MLP; each writes to the residual stream before the signature's layer or after it.

    Args:
        writers: columns `layer, site, head, direction_layer, aligned, base, value`; of one model.
        direction_layer: layer of the signature that writes are projected on.
    """
    rows = writers[writers["direction_layer"] == direction_layer]
    table = rows.assign(writer=["MLP" if row.site == "down_proj" else f"head {row.head:02d}" for row in rows.itertuples()])
    reach = float(table["value"].abs().max()) or 1.0
    chart = (
        alt.Chart(table[["layer", "writer", "aligned", "base", "value"]])
        .mark_rect()
        .encode(
            x=alt.X("layer:O", title="block"),
            y=alt.Y("writer:N", title=None),
            color=alt.Color(
                "value:Q",
                scale=alt.Scale(domain=[-reach, reach], scheme=DIVERGING),
                legend=alt.Legend(title="aligned minus base"),
            ),
            tooltip=["layer:O", "writer:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("aligned", "base", "value"))],
        )
    )
    return themed(
        chart.properties(width=alt.Step(30), height=alt.Step(18), title=f"along the signature of layer {direction_layer}")
    )
