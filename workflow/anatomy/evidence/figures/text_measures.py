"""Detection, affinity or diversity of human, base, aligned and ablated texts: one panel a measure, or a measure by domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import MUTED, themed

WRITERS = {"human": "#1f2933", "base": "#7b8794", "aligned": "#d55e00", "ablated": "#0072b2", "control": "#b9c1c9"}
"""Who wrote a text, in the order of the rows, and the colour it keeps."""
NAMES = {"human": "human", "base": "base", "aligned": "aligned", "ablated": "aligned, signature ablated", "control": "controls"}


def draw(
    summary: pd.DataFrame,
    writers: Mapping[str, str],
    measures: Sequence[str],
    names: Mapping[str, str] | None = None,
    by_domain: bool = False,
) -> alt.TopLevelMixin:
    """Dots with intervals; each control is a dot of its own, never pooled, in the row of its family.

    Args:
        summary: columns `variant, category, estimate, low, high, n` and `measure` (for detections: the detector's name there);
            with `control`, a family of controls has a row of its own.
        writers: variant to one of ``WRITERS``; other variants are not drawn.
        measures: panels, in this order.
        names: what the panels are called; None: the measures' own names.
        by_domain: one row of panels a domain instead of all domains together.
    """
    rows = summary[summary["measure"].isin(measures) & summary["variant"].isin(writers)]
    rows = rows[(rows["category"] != "all") == by_domain].dropna(subset="estimate").copy()
    titles = {measure: (names or {}).get(measure, measure.replace("_", " ")) for measure in measures}
    present = [writer for writer in WRITERS if writer in {writers[variant] for variant in rows["variant"]}]
    rows["writer"] = [NAMES[writers[variant]] for variant in rows["variant"]]
    family = rows["control"] if "control" in rows else pd.Series("", index=rows.index)
    rows["row"] = [
        f"control: {name.replace('_', ' ')}" if name and writers[variant] == "control" else NAMES[writers[variant]]
        for name, variant in zip(family.fillna(""), rows["variant"], strict=True)
    ]
    order = [NAMES[w] for w in present if w != "control"]
    rows["panel"] = [titles[measure] for measure in rows["measure"]]
    rows["domain"] = rows["category"]
    colour = alt.Color(
        "writer:N", legend=None, scale=alt.Scale(domain=[NAMES[w] for w in present], range=[WRITERS[w] for w in present])
    )
    order += sorted(set(rows["row"]) - set(order))
    y = alt.Y("row:N", sort=order, title=None, axis=alt.Axis(labelLimit=220, grid=True))
    x = alt.X("estimate:Q", title=None, scale=alt.Scale(zero=False, nice=True), axis=alt.Axis(tickCount=4))
    shared = alt.Chart().encode(y=y, color=colour, detail="variant:N")
    numbers = (alt.Tooltip(f"{name}:Q", format=".3f") for name in ("estimate", "low", "high"))
    hover = ["variant:N", "panel:N", "domain:N", *numbers, "n:Q"]
    spans = shared.mark_rule(strokeWidth=1.8).encode(x=alt.X("low:Q", title=None), x2="high:Q")
    dots = shared.mark_point(filled=True, size=46, opacity=1).encode(x=x, tooltip=hover)
    columns = ["variant", "writer", "row", "panel", "domain", "estimate", "low", "high", "n"]
    layer = alt.layer(spans, dots, data=rows[columns]).properties(width=150, height=alt.Step(17))
    header = alt.Header(labelColor=MUTED, title=None)
    panel = [titles[measure] for measure in measures]
    if by_domain:
        found = layer.facet(
            column=alt.Column("panel:N", sort=panel, header=header),
            row=alt.Row("domain:N", header=alt.Header(title=None, labelAngle=0, labelAlign="left")),
        )
    else:
        found = layer.facet(facet=alt.Facet("panel:N", sort=panel, header=header), columns=3)
    # Scores, shares and ratios have scales of their own.
    return themed(found.resolve_scale(x="independent"))
