"""The change an edit brings, one point a seed: seeds are never pooled, so their spread is what a reader should look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import MUTED, colour_scale, name_of, themed


def changes(
    rates: pd.DataFrame, members: Mapping[str, tuple[str, int]], families: Sequence[str], sets: Sequence[str]
) -> pd.DataFrame:
    """Refusal after minus before, by member, seed, family and set.

    Args:
        rates: from ``refusal_rates``.
        members: model id to (member, seed).
        families: methods shown.
        sets: prompt sets shown.
    """
    rows = rates[rates["model"].isin(members) & rates["set"].isin(sets)]
    before = rows[rows["role"] == "base"].set_index(["model", "set"])["rate"]
    after = rows[(rows["role"] == "method") & rows["family"].isin(families)]
    change = after["rate"].to_numpy() - before.loc[list(zip(after["model"], after["set"], strict=True))].to_numpy()
    return pd.DataFrame(
        {
            "member": [members[model][0] for model in after["model"]],
            "seed": [str(members[model][1]) for model in after["model"]],
            "kind": after["family"].map(name_of),
            "requests": after["set"].map(name_of),
            "change": change,
        }
    )


def draw(table: pd.DataFrame, families: Sequence[str]) -> alt.TopLevelMixin:
    """Columns are prompt sets, rows of points are members."""
    shown = [family for family in families if name_of(family) in set(table["kind"])]
    points = (
        alt.Chart()
        .mark_point(filled=True, size=70, opacity=0.9)
        .encode(
            x=alt.X("change:Q", title="change of refusal", axis=alt.Axis(format="+.0%"), scale=alt.Scale(domain=[-1, 1])),
            y=alt.Y("member:N", title=None, sort=list(dict.fromkeys(table["member"]))),
            yOffset=alt.YOffset("kind:N", sort=[name_of(family) for family in shown]),
            color=alt.Color("kind:N", title=None, scale=colour_scale(shown), legend=alt.Legend(orient="top")),
            shape=alt.Shape("seed:N", title="seed"),
            tooltip=["member:N", "seed:N", "kind:N", alt.Tooltip("change:Q", format="+.1%")],
        )
    )
    zero = alt.Chart().mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    height = max(120, 34 * table["member"].nunique())
    return themed(
        alt.layer(zero, points, data=table)
        .properties(width=190, height=height)
        .facet(column=alt.Column("requests:N", title=None))
    )
