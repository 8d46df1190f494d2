"""Detection of each variant against what it keeps: a detector's score says nothing where texts got worse."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.text_measures import NAMES, WRITERS
from anatomy.evidence.figures.theme import themed


def draw(points: pd.DataFrame, detector: str) -> alt.TopLevelMixin:
    """One panel a measure of quality; every variant is a mark of its own.

    Args:
        points: columns `variant, writer, measure, quality, detection`; `writer` one of ``text_measures.WRITERS``.
        detector: whose score is drawn.
    """
    present = [writer for writer in WRITERS if writer in set(points["writer"])]
    table = points.assign(kind=points["writer"].map(NAMES))
    data = table[["variant", "kind", "measure", "quality", "detection"]]
    chart = (
        alt.Chart(data)
        .mark_point(filled=True, size=60, opacity=0.85)
        .encode(
            x=alt.X("quality:Q", title=None, scale=alt.Scale(zero=False, nice=True, padding=8)),
            y=alt.Y("detection:Q", title=detector, scale=alt.Scale(zero=False, padding=8)),
            color=alt.Color(
                "kind:N", title=None, scale=alt.Scale(domain=[NAMES[w] for w in present], range=[WRITERS[w] for w in present])
            ),
            tooltip=[
                "variant:N",
                "kind:N",
                "measure:N",
                *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("quality", "detection")),
            ],
        )
    )
    faceted = chart.properties(width=200, height=170).facet(
        facet=alt.Facet("measure:N", title=None, sort=list(dict.fromkeys(table["measure"]))), columns=3
    )
    return themed(faceted.resolve_scale(x="independent"))
