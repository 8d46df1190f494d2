"""What a search reaches at each cost, beside what the same search reaches along control directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import altair as alt
import numpy as np
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, INK, RATE_SCALE, colour_scale, name_of, percent, themed
from anatomy.statistics.pareto import on_front, reached

COLUMNS = ["search", "draw", "cost", "spent", "gained", "whole", "edit"]

WIDTH, HEIGHT = 180, 110
"""Of a panel, in pixels."""

FEW = 0.03
"""Range of shares below which whole per cents would say the same at several ticks."""

UNCONTROLLED = "no control measured"
"""What stands in the place of a band where there is none."""

LINES = "split(datum.label, ', ')"
"""Long names of searches stand on several lines."""

NEAR = 1000.0
"""Below the largest cost divided by this a scale that is not of shares is straight."""


@dataclass(frozen=True)
class Cost:
    """One cost that candidates are held against.

    Attributes:
        name: as in the column ``cost`` of the candidates.
        title: of its axis.
        gain: what the other axis shows: what is gained, and how it was measured.
        limit: what the search allowed; None for no limit.
        share: whether it is a share, written in per cent; others are drawn on a scale that is logarithmic but near zero.
    """

    name: str
    title: str
    gain: str
    limit: float | None = None
    share: bool = True


def marked(candidates: pd.DataFrame) -> pd.DataFrame:
    """The candidates with ``front``: whether nothing of the same search and draw beats them at this cost.

    Args:
        candidates: ``search``, ``draw`` (empty for the search itself, else which control), ``cost``, ``spent``, ``gained``,
            ``whole`` (measured on every prompt; others are on no front) and ``edit`` (words).
    """
    front = pd.Series(False, index=candidates.index)
    for _, own in candidates[candidates["whole"]].groupby(["search", "draw", "cost"]):
        front[own.index] = on_front(own["spent"].to_numpy(float), own["gained"].to_numpy(float))
    return candidates.assign(front=front)


def steps(candidates: pd.DataFrame, ends: Mapping[str, float]) -> pd.DataFrame:
    """Fronts as steps: ``search, cost, spent, kind`` and what is reached, from ``low`` to ``high``.

    ``kind`` is ``search`` for the search itself (both are what it reaches), ``controls`` for the least and the most that one of
    the control draws reaches, and ``beyond`` where no control was tried at such a cost: there the band goes on at its level.

    Args:
        candidates: as in ``marked``.
        ends: up to what each cost is drawn.
    """
    found = []
    for (search, cost), own in candidates[candidates["whole"]].groupby(["search", "cost"], sort=False):
        end, controls = ends[str(cost)], own[own["draw"] != ""]
        found += [
            {"search": search, "cost": cost, "kind": "search", "spent": spent, "low": best, "high": best}
            for spent, best in _steps(own[own["draw"] == ""], end)
        ]
        if len(controls):
            farthest = controls["spent"].max()
            limit = np.unique([*controls["spent"].dropna(), end])
            each = np.stack([_reached(one, limit) for _, one in controls.groupby("draw")])
            for spent, low, high in zip(limit, each.min(axis=0), each.max(axis=0), strict=True):
                row = {"search": search, "cost": cost, "spent": spent, "low": low, "high": high}
                found += [{**row, "kind": "controls"}] if spent <= farthest else []
                found += [{**row, "kind": "beyond"}] if spent >= farthest else []
    steps = pd.DataFrame(found, columns=["search", "cost", "kind", "spent", "low", "high"])
    return steps.dropna(subset=["low", "high"])


def draw(candidates: pd.DataFrame, costs: list[Cost]) -> alt.TopLevelMixin:
    """A row a search, a column a cost: its front as a line, candidates as points, the controls' fronts as a grey band; a panel
    without controls says that they were not measured."""
    shown = [cost for cost in costs if (candidates["cost"] == cost.name).any()]
    ends = {cost.name: candidates.loc[candidates["cost"] == cost.name, "spent"].max() for cost in shown}
    ends = {cost.name: max(ends[cost.name], cost.limit or 0.0) for cost in shown}
    table, fronts = marked(candidates[candidates["draw"] == ""]), steps(candidates, ends)
    searches = list(dict.fromkeys(table["search"]))
    panels: list[alt.FacetChart] = []
    for cost in shown:
        points, front = (_named(one[one["cost"] == cost.name]) for one in (table, fronts))
        panels.append(_column(points, front, cost, ends[cost.name], searches, headed=not panels))
    return themed(alt.hconcat(*panels, spacing=18))


def _column(
    points: pd.DataFrame, fronts: pd.DataFrame, cost: Cost, end: float, searches: list[str], headed: bool
) -> alt.FacetChart:
    least = min(0.0, points["spent"].min())
    if cost.share:
        room = 0.04 * (end - least) or 0.01
        scale, axis = (
            alt.Scale(domain=[least - room, end + room], nice=False),
            alt.Axis(
                format="+.0%" if end - least > FEW else "+.1%", tickCount=4, labelFlush=True, labelOverlap=True, labelSeparation=6
            ),
        )
    else:
        near = (end or 1.0) / NEAR
        values = [0.0, *(10.0**power for power in range(-9, 3) if near <= 10.0**power <= end)]
        scale = alt.Scale(type="symlog", constant=near, domain=[-near / 5, (end or 1.0) * 1.3], nice=False)
        axis = alt.Axis(labelExpr="format(datum.value, '~g')", values=values)  # a format alone makes 1e+1 of 10
    x = alt.X("spent:Q", title=cost.title, scale=scale, axis=axis)
    high = alt.Y("high:Q", scale=RATE_SCALE, **percent(None))
    colour = alt.Color("kind_of:N", title=None, scale=colour_scale(searches), legend=None)

    def band(kind: str, opacity: float) -> alt.Chart:
        area = alt.Chart().transform_filter(f"datum.kind === '{kind}'")
        # The outline is what is seen of a single control, whose band has no height.
        area = area.mark_area(
            interpolate="step-after", color=COLOURS["control"], stroke=COLOURS["control"], strokeWidth=1, opacity=opacity
        )
        return area.encode(x=x, y=high, y2="low:Q")

    line = alt.Chart().transform_filter("datum.kind === 'search'").mark_line(interpolate="step-after", strokeWidth=1.8)
    dots = alt.Chart().transform_filter("datum.kind === 'candidate'")
    dots = dots.mark_point(strokeWidth=1.4, size=55).encode(
        x=x,
        y=high,
        color=colour,
        fill=alt.condition("datum.front", alt.Fill("kind_of:N", scale=colour_scale(searches), legend=None), alt.value("white")),
        opacity=alt.condition("datum.whole", alt.value(1.0), alt.value(0.25)),
        tooltip=[
            "kind_of:N",
            "edit:N",
            alt.Tooltip("spent:Q", title=cost.title, format=".2%" if cost.share else ".3g"),
            alt.Tooltip("high:Q", title=cost.gain, format=".1%"),
            "front:N",
        ],
    )
    layers = [band("controls", 0.6), band("beyond", 0.25)]
    if cost.limit is not None:
        layers.append(alt.Chart().mark_rule(strokeDash=[4, 3], color=INK, opacity=0.6).encode(x=alt.datum(cost.limit)))
    # A row of the figure stays in its place where nothing was measured at this cost.
    banded = set(fronts.loc[fronts["kind"] == "controls", "kind_of"])
    alone = set(points["kind_of"]) - banded
    kinds = ["uncontrolled" if name_of(one) in alone else "empty" for one in searches]
    every = pd.DataFrame({"kind_of": [name_of(one) for one in searches], "kind": kinds, "cost": cost.name})
    said = alt.Chart().transform_filter("datum.kind === 'uncontrolled'")
    said = said.mark_text(
        text=UNCONTROLLED, align="right", baseline="bottom", fontSize=9, fontStyle="italic", color=INK, opacity=0.7
    )
    said = said.encode(x=alt.value(WIDTH - 4), y=alt.value(HEIGHT - 4))
    rows = pd.concat([every, fronts, points.assign(kind="candidate", high=points["gained"])], ignore_index=True)
    marks = (*layers, line.encode(x=x, y=high, color=colour), dots, said)
    whole = alt.layer(*marks, data=rows).properties(width=WIDTH, height=HEIGHT)
    heads = (
        alt.Header(labelAngle=0, labelAlign="left", labelLimit=150, labelPadding=24, labelExpr=LINES)
        if headed
        else alt.Header(labels=False)
    )
    rows_of = alt.Row("kind_of:N", title=None, sort=[name_of(one) for one in searches], header=heads)
    return whole.facet(row=rows_of, title=alt.TitleParams(cost.gain, fontSize=11), spacing=12)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(kind_of=[name_of(search) for search in table["search"]])


def _reached(candidates: pd.DataFrame, limit: np.ndarray) -> np.ndarray:
    return reached(candidates["spent"].to_numpy(float), candidates["gained"].to_numpy(float), limit)


def _steps(candidates: pd.DataFrame, end: float) -> Iterator[tuple[float, float]]:
    limit = np.unique([*candidates["spent"].dropna(), end])
    return zip(limit, _reached(candidates, limit), strict=True)
