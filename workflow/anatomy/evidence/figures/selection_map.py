"""The selection grid as maps over layer and position: what candidates do, which survive, which was picked."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import DIVERGING, SEQUENTIAL, themed

PANELS = (
    ("bypass", "Bypass: harmful requests, direction ablated (lower is better)", DIVERGING),
    ("induce", "Induce: harmless requests, direction added (higher is better)", DIVERGING),
    ("kl", "KL: harmless requests, direction ablated (lower is better)", SEQUENTIAL),
    ("auroc", "Separation: AUROC of harmful against harmless", SEQUENTIAL),
)
CELL = 26
MARK = "#101418"
"""Marks on cells stay dark on a dark page, where the cells keep their shades."""


def picked_cell(grid: pd.DataFrame) -> tuple[int, int] | None:
    """(position, layer) of the kept cell with the lowest bypass, the published rule; None where nothing was kept."""
    kept = grid[grid["kept"].astype(bool)]
    if kept.empty:
        return None
    best = kept.loc[kept["bypass"].idxmin()]
    return int(best["position"]), int(best["layer"])


def draw(grid: pd.DataFrame, model: str, contrast: str, pick: tuple[int, int] | None = None) -> alt.TopLevelMixin:
    """Four maps of one model and contrast. Dots are cells that the rule keeps, the ring is the pick."""
    rows = grid[(grid["model"] == model) & (grid["contrast"] == contrast)].copy()
    pick = pick or picked_cell(rows)
    rows["picked"] = [(p, layer) == pick for p, layer in zip(rows["position"], rows["layer"], strict=True)]
    rows["kept"] = rows["kept"].astype(bool)
    columns = ["position", "layer", *(name for name, _, _ in PANELS), "norm", "kept", "reason", "picked"]
    panels = [_panel(name, title, scheme) for name, title, scheme in PANELS]
    maps = alt.vconcat(*panels, data=rows[columns], spacing=18).resolve_scale(color="independent")
    return themed(maps)


def _panel(measure: str, title: str, scheme: str) -> alt.LayerChart:
    hover = [
        *(alt.Tooltip(f"{name}:{kind}") for name, kind in (("layer", "O"), ("position", "O"))),
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("bypass", "induce", "kl", "auroc", "norm")),
        alt.Tooltip("kept:N"),
        alt.Tooltip("reason:N"),
    ]
    middle = {"domainMid": 0} if scheme == DIVERGING else {}
    place = alt.Chart().encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
        y=alt.Y("position:O", title="position", sort="descending"),
    )
    cells = place.mark_rect(stroke="white", strokeWidth=1).encode(
        color=alt.Color(
            f"{measure}:Q",
            title=None,
            scale=alt.Scale(scheme=scheme, **middle),
            legend=alt.Legend(gradientLength=80, format=".2~f"),
        ),
        tooltip=hover,
    )
    kept = place.mark_point(filled=True, size=22, color="white", stroke=MARK, strokeWidth=1).encode(tooltip=hover)
    # a dark ring on a white one shows on every shade
    rings = [
        place.mark_point(filled=False, size=200, color=shade, strokeWidth=width).transform_filter("datum.picked")
        for shade, width in (("white", 5), (MARK, 2))
    ]
    layers = (cells, kept.transform_filter("datum.kept"), *rings)
    return alt.layer(*layers).properties(title=title, width=alt.Step(CELL), height=alt.Step(CELL))
