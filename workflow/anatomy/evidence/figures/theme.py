"""The look that all charts share: type, spacing, and one colour for one thing.

Colours are those of Okabe & Ito (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

import altair as alt

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
INK, MUTED, RULE = "#1f2933", "#52606d", "#d9dee3"

COLOURS = {
    "base": "#7b8794",
    "row_mean": "#0072b2",
    "row_mean_signed": "#009e73",
    "projection": "#cc79a7",
    "mean_input": "#e69f00",
    "measure": "#d55e00",
    "control": "#b9c1c9",
    "harmful": "#d55e00",
    "benign": "#0072b2",
}
"""Roles, families and labels that keep their colour in every chart."""

SPARE = ("#56b4e9", "#f0b400", "#882255", "#44aa99", "#999933")
DIVERGING, SEQUENTIAL = "purpleorange", "tealblues"

NAMES = {
    "base": "unedited",
    "row_mean": "ROSI (paper's form)",
    "row_mean_signed": "ROSI, sign chosen (ours)",
    "projection": "projection form (ours)",
    "mean_input": "mean-input form (ours)",
    "control": "controls",
    "harmful_requests": "harmful",
    "benign_requests": "benign",
    "lookalike_requests": "look-alikes",
    "jailbreak_requests": "jailbreak",
}


EXTRACTED = ("plain", "system")
"""Contrasts that a model's own directions are extracted under; others are names of directions that other tools made."""


def name_of(thing: str) -> str:
    """What a family, role or set is called in a chart; unknown things keep their own name."""
    stem, at, contrast = thing.partition("@")
    named = NAMES.get(stem, stem.replace("_", " "))
    if at and contrast not in EXTRACTED:
        return f"{named}, direction {contrast}"
    return f"{named}, {contrast} extraction" if at else named


def colour_scale(things: list[str]) -> alt.Scale:
    """Named things to their fixed colours; unknown ones share a spare list, in the order given."""
    spare = iter(SPARE * (1 + len(things) // len(SPARE)))
    range_ = [COLOURS[thing] if thing in COLOURS else next(spare) for thing in things]
    return alt.Scale(domain=[name_of(thing) for thing in things], range=range_)


def dashed(lines: alt.Chart, dash: alt.StrokeDash) -> alt.LayerChart:
    """Lines that are told apart by dashes, with points on them.

    Of lines with points of their own a legend shows the points, which all look alike.
    """
    strokes = dash.legend(symbolType="stroke", symbolStrokeColor=INK, symbolStrokeWidth=2, symbolSize=220)
    return alt.layer(lines.mark_line().encode(strokeDash=strokes), lines.mark_point(filled=True, opacity=1, size=30))


def themed(chart: alt.TopLevelMixin) -> alt.TopLevelMixin:
    """Give a finished chart the shared look, as configuration of the chart itself (no global theme)."""
    return (
        chart.configure(background="white", font=FONT, padding=8)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=MUTED,
            titleColor=INK,
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight=600,
            domainColor=RULE,
            tickColor=RULE,
            gridColor=RULE,
            gridOpacity=0.6,
            titlePadding=8,
        )
        .configure_legend(
            labelColor=INK,
            titleColor=MUTED,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight=600,
            symbolSize=90,
            labelLimit=260,
            titleLimit=260,
        )
        .configure_header(labelColor=INK, titleColor=MUTED, labelFontSize=12, labelFontWeight=600, titleFontSize=11)
        .configure_title(color=INK, fontSize=13, fontWeight=600, anchor="start", subtitleColor=MUTED, subtitleFontSize=11)
    )


RATE_SCALE = alt.Scale(domain=[-0.03, 1.03], nice=False)
"""Rates where the view is clipped to allow zooming: marks at 0 and 1 keep their whole shape."""


def percent(title: str | None) -> dict:
    """Axis options of a rate."""
    return {"axis": alt.Axis(format=".0%", title=title, values=[0, 0.2, 0.4, 0.6, 0.8, 1])}


def zoom() -> alt.Parameter:
    """Drag to pan, Shift or Alt with the wheel to zoom (the bare wheel scrolls the page), double click to reset."""
    return alt.selection_interval(bind="scales", zoom="wheel![event.shiftKey || event.altKey]", translate=True, clear="dblclick")
