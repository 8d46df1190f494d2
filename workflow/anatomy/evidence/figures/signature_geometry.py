"""A signature over layers: how long it is, and to what else it points."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, SPARE, themed

ALL, FIRST = 0, -1
"""Positions: the mean over all of the answer, and where its first token is predicted."""
NORMS, COSINES = "norm, as a share of the base's mean", "cosine with the signature"


def lines(geometry: pd.DataFrame) -> pd.DataFrame:
    """Curves over layers: columns `panel, thing, line, layer, value`; controls keep a line each."""
    every = geometry[geometry["position"] == ALL]
    norms = every[(every["quantity"] == "relative_norm") & (every["value"] > 0)].assign(panel=NORMS)  # zero: not known there
    norms["thing"] = norms["contrast"]
    found = [norms]
    for quantity in ("cosine_contrast", "cosine_halves", "cosine_positions", "cosine_control"):
        rows = every[every["quantity"] == quantity].assign(panel=COSINES)
        names = {"cosine_halves": "two halves of the prefixes", "cosine_positions": "first token alone"}
        rows["thing"] = names.get(quantity, "controls" if quantity == "cosine_control" else rows["other"])
        found.append(rows)
    refusal = geometry[geometry["quantity"] == "cosine_refusal"].assign(panel=COSINES)
    refusal["thing"] = refusal["position"].map({ALL: "refusal direction", FIRST: "first token with refusal direction"})
    table = pd.concat([*found, refusal])
    table["line"] = table["thing"] + "/" + table["other"].astype(str) + "/" + table["number"].astype(str)
    table["thing"] = table["thing"].str.replace("_", " ")
    return table[["panel", "thing", "line", "other", "layer", "value"]].dropna(subset="value")


def draw(geometry: pd.DataFrame) -> alt.TopLevelMixin:
    """Two panels over layers; other contrasts keep their colour in both.

    Args:
        geometry: columns `quantity, contrast, other, number, position, layer, value`; of one model.
    """
    table = lines(geometry)
    rest = [thing for thing in dict.fromkeys(table["thing"]) if thing not in ("signature", "controls")]
    palette = ("#d55e00", *SPARE, "#e69f00", "#009e73", "#cc79a7", "#000000", "#8c6d46")
    scale = alt.Scale(
        domain=["signature", *rest, "controls"],
        range=[COLOURS["row_mean"], *(palette[n % len(palette)] for n in range(len(rest))), COLOURS["control"]],
    )
    chart = (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=22))
        .encode(
            x=alt.X("layer:Q", title="layer (input of the block)", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("value:Q", title=None),
            color=alt.Color("thing:N", title=None, scale=scale),
            detail="line:N",
            tooltip=["panel:N", "thing:N", "other:N", "layer:O", alt.Tooltip("value:Q", format=".3f")],
        )
    )
    faceted = chart.properties(width=300, height=220).facet(column=alt.Column("panel:N", title=None, sort=[NORMS, COSINES]))
    return themed(faceted.resolve_scale(y="independent"))
