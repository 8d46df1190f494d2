"""Refusal by category before and after an edit."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.evidence.figures.theme import colour_scale, name_of, percent, themed
from anatomy.statistics.intervals import wilson_interval


def category_rates(
    judgements: pd.DataFrame,
    categories: pd.DataFrame,
    *,
    model: str,
    prompts: str,
    judge: str,
    phase: str,
    before: str,
    after: str,
    confidence: float,
) -> pd.DataFrame:
    """Refusal with Wilson intervals of each category under two variants.

    Args:
        judgements: the table of judgements.
        categories: any table with `set`, `id` and `category`, such as completions or prompts.
        before, after: variant ids.
    """
    where = {"model": model, "set": prompts, "judge": judge, "phase": phase}
    rows = judgements[(judgements[list(where)] == pd.Series(where)).all(axis=1)]
    rows = rows[~rows["parse_failure"].astype(bool) & rows["variant"].isin([before, after])]
    kinds = categories.loc[categories["set"] == prompts, ["id", "category"]].drop_duplicates("id")
    rows = rows.merge(kinds, on="id").assign(value=lambda frame: frame["label"].isin(REFUSED).astype(float))
    items = rows.groupby(["category", "variant", "id"], as_index=False)["value"].mean()
    found = []
    for (category, variant), own in items.groupby(["category", "variant"]):
        got = wilson_interval(own["value"].sum(), len(own), confidence)
        found.append((category, variant, got.estimate, got.low, got.high, got.n))
    return pd.DataFrame(found, columns=["category", "variant", "rate", "low", "high", "n"])


def draw(table: pd.DataFrame, before: str, after: str, family: str) -> alt.TopLevelMixin:
    """Two points a category, joined; categories in order of refusal before the edit."""
    table = table.assign(kind=table["variant"].map({before: name_of("base"), after: name_of(family)}))
    order = table[table["variant"] == before].sort_values("rate")["category"].tolist()
    y = alt.Y(
        "category:N",
        sort=order,
        title=None,
        scale=alt.Scale(type="band", paddingInner=0.3),
        axis=alt.Axis(labelLimit=220, ticks=False, domain=False),
    )
    kinds = [name_of("base"), name_of(family)]
    offset = alt.YOffset("kind:N", sort=kinds, scale=alt.Scale(type="point", padding=0.6))
    base = alt.Chart(table)
    bars = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=alt.Scale(domain=[0, 1]), **percent("refused")),
        x2="high:Q",
        y=y,
        yOffset=offset,
        color=alt.Color("kind:N", title=None, scale=colour_scale(["base", family]), legend=alt.Legend(orient="top")),
    )
    hover = ["category:N", "kind:N", *(alt.Tooltip(f"{c}:Q", format=".1%") for c in ("rate", "low", "high")), "n:Q"]
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(x="rate:Q", y=y, yOffset=offset, color="kind:N", tooltip=hover)
    return themed(alt.layer(bars, dots).properties(width=420, height=34 * len(order)))
