"""Refusal of harmful requests against what it costs: benchmark loss and refusal of benign requests."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.rates import method_of
from anatomy.evidence.figures.theme import RATE_SCALE, colour_scale, name_of, percent, themed, zoom


def points(rates: pd.DataFrame, scores: pd.DataFrame, model: str, harmful: str, benign: str) -> pd.DataFrame:
    """One point a variant that has both refusal rates and benchmark scores.

    Args:
        rates: from `refusal_rates`.
        scores: from `benchmark_scores`; `loss` is the mean over tasks of the unedited model's score minus the variant's.
    """
    own = rates[rates["model"] == model]
    refused = own[own["set"].isin([harmful, benign])].pivot(index="variant", columns="set", values="rate")
    table = scores[scores["model"] == model].pivot(index="variant", columns="task", values="rate")
    if table.empty or "base" not in table.index or not {harmful, benign} <= set(refused.columns):
        return pd.DataFrame(columns=["variant", "loss", "harmful", "benign", "kind", "thing"])
    loss = (table.loc["base"] - table).mean(axis=1).rename("loss")
    joined = refused.rename(columns={harmful: "harmful", benign: "benign"}).join(loss, how="inner").reset_index()
    about = own.drop_duplicates("variant").set_index("variant").loc[joined["variant"]]
    joined["thing"] = [
        role if role in ("base", "control", "measure") else method_of(str(family))
        for role, family in zip(about["role"], about["family"], strict=True)
    ]
    joined["kind"] = joined["thing"].map(name_of)
    return joined


def draw(rates: pd.DataFrame, scores: pd.DataFrame, model: str, harmful: str, benign: str) -> alt.TopLevelMixin:
    """Up and to the left is better; large marks refuse benign requests too."""
    table = points(rates, scores, model, harmful, benign)
    things = list(dict.fromkeys(table["thing"]))
    chart = (
        alt.Chart(table)
        .mark_point(filled=True, opacity=0.9, stroke="white", strokeWidth=0.8)
        .encode(
            x=alt.X(
                "loss:Q",
                scale=alt.Scale(nice=True, zero=False, padding=20),
                axis=alt.Axis(format="+.1%"),
                title="mean benchmark loss against unedited",
            ),
            y=alt.Y("harmful:Q", scale=RATE_SCALE, **percent("harmful requests refused")),
            size=alt.Size(
                "benign:Q",
                scale=alt.Scale(domain=[0, 1], range=[70, 900]),
                title="benign refused",
                legend=alt.Legend(format=".0%", values=[0, 0.25, 0.5, 1]),
            ),
            color=alt.Color("kind:N", title=None, scale=colour_scale(things)),
            tooltip=["variant:N", "kind:N", *(alt.Tooltip(f"{c}:Q", format=".1%") for c in ("harmful", "benign", "loss"))],
        )
        .properties(width=480, height=320)
    )
    return themed(chart.add_params(zoom()))
