"""Figures and tables of the geometry of directions."""

from __future__ import annotations

from itertools import combinations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import subjects
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.evidence.figures.theme import COLOURS, themed
from anatomy.recipes.mechanisms.samples import picked_place

REFUSAL, RANDOM = "refusal", "random"
VARIANTS = {
    "naive": "aligned with template - base without",
    "template": "aligned - base, both with template",
    "within": "aligned with template - without",
    "difference": "difference in differences",
}


def angles(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Cosine of each direction with the refusal direction by layer; grey: with a random one."""
    both = rows[(rows["one"] == REFUSAL) | (rows["two"] == REFUSAL)].dropna(subset=["cosine"])
    own = both.assign(direction=both["two"].where(both["one"] == REFUSAL, both["one"]))
    base = alt.Chart(own).encode(
        x=alt.X("layer:O", title="before block", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("cosine:Q", title="cosine with the refusal direction", scale=alt.Scale(domain=[-1, 1])),
        tooltip=["direction:N", "layer:O", alt.Tooltip("cosine:Q", format=".3f")],
    )
    control = base.transform_filter(f"datum.direction == '{RANDOM}'").mark_line(color=COLOURS["control"])
    lines = base.transform_filter(f"datum.direction != '{RANDOM}'").mark_line(point=True)
    lines = lines.encode(color=alt.Color("direction:N", title=None, legend=alt.Legend(labelLimit=320)))
    return themed(alt.layer(control, lines).properties(width=420, height=280))


def shifts(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean cosine of prompts' shifts with the refusal direction by layer, a line a variant and a panel a kind of prompt."""
    means = rows.dropna(subset=["cosine"]).groupby(["side", "variant", "layer"], sort=False)
    table = means.agg(cosine=("cosine", "mean"), length=("length", "mean"), n=("id", "nunique")).reset_index()
    table = table.assign(shift=table["variant"].map(VARIANTS))
    chart = (
        alt.Chart(table)
        .mark_line(point=True)
        .encode(
            x=alt.X("layer:O", title="before block", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("cosine:Q", title="cosine with the refusal direction"),
            color=alt.Color("shift:N", title=None, sort=list(VARIANTS.values()), legend=alt.Legend(labelLimit=320)),
            tooltip=[
                "side:N",
                "shift:N",
                "layer:O",
                *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("cosine", "length")),
                "n:Q",
            ],
        )
        .properties(width=260, height=220)
    )
    return themed(chart.facet(column=alt.Column("side:N", title=None, sort=["harmful", "harmless"])))


def angles_table(tables: Tables, model: str) -> pd.DataFrame:
    """Cosine of every two directions at the layer of the picked direction, or at the middle layer where none was picked."""
    rows = tables.rows("angles", model=model)
    try:
        layer = picked_place(tables, model)[1]
    except MissingEvidence:
        layer = int(rows["layer"].max()) // 2
    return rows[rows["layer"] == layer].reset_index(drop=True)


def kinds_table(tables: Tables, model: str) -> pd.DataFrame:
    """Of each layer how far kinds of harm have directions of their own, beside kinds dealt at random, and angles of their space.

    Returns:
        Columns ``model, layer, n, own_beyond_others, dealt_low, dealt_high, first_share, dealt_first_share`` and for the base
        and a random space the smallest principal angle in degrees; ``n`` test prompts of kinds that have a direction.
    """
    columns = ["model", "layer", "n", "own_beyond_others", "dealt_low", "dealt_high", "first_share", "dealt_first_share"]
    controls = tables.named.get("kind_controls", pd.DataFrame(columns=["model"]))
    controls = controls[controls["model"] == model]
    if controls.empty:
        return pd.DataFrame(columns=columns)
    asked, rows = tables.rows("kinds", model=model).dropna(subset=["value"]).groupby("layer")["id"].nunique(), []
    for layer, own in controls.groupby("layer", sort=True):
        true, dealt = own[own["draw"] < 0].iloc[0], own[own["draw"] >= 0]
        ends = (dealt["value"].min(), dealt["value"].max())
        rows.append((model, layer, int(asked.get(layer, 0)), true["value"], *ends, true["share"], dealt["share"].mean()))
    spaces = tables.rows("spaces", model=model, number=0)
    angle = spaces.pivot_table(index="layer", columns="other", values="degrees").add_prefix("degrees to ").reset_index()
    return pd.DataFrame(rows, columns=columns).merge(angle, on="layer", how="left")


def stability_table(tables: Tables, model: str) -> pd.DataFrame:
    """How far each difference in means turns where groups of prompts are drawn anew: cosines with the whole one."""
    return tables.rows("stability", model=model)


def seeds_table(config: Config, tables: Tables) -> pd.DataFrame:
    """Cosine of a member's directions between organism seeds; ``chance`` is what independent directions have, ``1 / sqrt(d)``.

    Families of different seeds begin at different random weights, so that nothing makes their axes match.
    """
    columns = ["member", "first", "second", "direction", "layer", "cosine", "chance"]
    known = {one.id: one for one in subjects(config) if one.is_organism}
    vectors = tables.named.get("vectors", pd.DataFrame(columns=["model", "direction", "layer", "vector"]))
    vectors = vectors[vectors["model"].isin(known)]
    own = {model: rows.set_index(["direction", "layer"])["vector"] for model, rows in vectors.groupby("model", sort=True)}
    found = []
    for one, two in combinations(own, 2):
        if known[one].member != known[two].member:
            continue
        for place in own[one].index.intersection(own[two].index):
            first, second = np.array(own[one][place]), np.array(own[two][place])
            if first.any() and second.any():
                found.append((known[one].member, known[one].seed, known[two].seed, *place, first @ second, len(first) ** -0.5))
    return pd.DataFrame(found, columns=columns)
