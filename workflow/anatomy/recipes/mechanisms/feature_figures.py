"""The figure of steering by features."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, themed

KINDS = ["direction", "nearest", "random"]


def features(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean change of the refusal metric by one dose of the direction, of its nearest feature and of features drawn at random."""
    before = rows[rows["dose"] == 0].set_index(["side", "id"])["metric"]
    moved = rows[rows["dose"] != 0]
    start = before.loc[list(zip(moved["side"], moved["id"], strict=True))].to_numpy()
    means = moved.assign(change=moved["metric"] - start).groupby(["side", "kind", "feature"], sort=False)
    table = means.agg(change=("change", "mean"), kl=("kl", "mean"), n=("id", "nunique")).reset_index()
    chart = (
        alt.Chart(table)
        .mark_point(filled=True, size=60, opacity=0.8)
        .encode(
            x=alt.X("change:Q", title="change of the refusal metric (log odds)"),
            y=alt.Y("kind:N", title=None, sort=KINDS),
            color=alt.Color(
                "kind:N",
                legend=None,
                scale=alt.Scale(domain=KINDS, range=[COLOURS["harmful"], COLOURS["benign"], COLOURS["control"]]),
            ),
            tooltip=[
                "side:N",
                "kind:N",
                "feature:N",
                *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("change", "kl")),
                "n:Q",
            ],
        )
        .properties(width=320, height=90)
    )
    return themed(chart.facet(row=alt.Row("side:N", title=None, sort=["harmless", "harmful"])))
