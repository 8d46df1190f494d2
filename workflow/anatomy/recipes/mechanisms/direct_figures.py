"""Figure and table of what heads and MLPs write along each direction."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.theme import MUTED, themed
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval

ORDER = ("refusal", "style", "ROSI", "random")
ABSENT = {
    "refusal": "no refusal direction: the search for one ended without any",
    "style": "no style direction: this run has no signature of the model (PASTA asks for it, for aligned models of pairs)",
    "ROSI": "no ROSI direction: this run picked no edit of the paper's form for the model",
}
"""Directions that a model may lack, and what that means."""
LARGEST = 10
"""Parts of the model that the table shows for each direction."""
COLUMNS = ["model", "direction", "part", "block", "head", "contribution", "low", "high", "share", "n"]


def direct(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean contribution of each block's heads and MLP to the difference of the two prompts along each direction.

    A direction that the run does not have is named above, with the reason.
    """
    own = rows[rows["layer"] >= 0]
    sums = own.groupby(["direction", "layer", "part", "id"], sort=False)["contribution"].sum().reset_index()
    means = sums.groupby(["direction", "layer", "part"], sort=False).agg(
        contribution=("contribution", "mean"), n=("id", "nunique")
    )
    chart = (
        alt.Chart(means.reset_index())
        .mark_bar()
        .encode(
            x=alt.X("layer:O", title="block", axis=alt.Axis(labelAngle=0)),
            xOffset="part:N",
            y=alt.Y("contribution:Q", title=["contribution,", "harmful minus harmless"]),
            color=alt.Color("part:N", title=None),
            tooltip=["direction:N", "layer:O", "part:N", alt.Tooltip("contribution:Q", format=".3f"), "n:Q"],
        )
        .properties(width=220, height=200)
    )
    faceted = chart.facet(facet=alt.Facet("direction:N", title=None, sort=list(ORDER)), columns=2)
    missing = [reason for name, reason in ABSENT.items() if name not in set(rows["direction"])]
    said = alt.TitleParams(text=missing, fontSize=11, fontWeight="normal", anchor="start", color=MUTED)
    return themed(faceted.properties(title=said) if missing else faceted)


def writers(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """Parts that write most along each direction, by the size of their mean over test pairs, which are the pairs that they are
    read on; with intervals over groups.

    Returns:
        Columns ``model, direction, part, block, head, contribution, low, high, share, n``. ``share`` of what the two prompts of
        a pair have along the direction in all, the mean over pairs.
    """
    frame = tables.named.get("direct")
    if frame is None or frame[frame["model"] == model].empty:
        return pd.DataFrame(columns=COLUMNS)
    rows, wanted, found = frame[frame["model"] == model], config.statistics, []
    for direction in [name for name in ORDER if name in set(rows["direction"])]:
        along = rows[rows["direction"] == direction]
        means = along.groupby(["layer", "part", "head"])["contribution"].mean()
        whole = means.sum() if means.sum() != 0 else np.nan
        best = means[means.index.get_level_values("layer") >= 0].abs().nlargest(LARGEST).index
        for layer, part, head in best:
            own = along[(along["layer"] == layer) & (along["part"] == part) & (along["head"] == head)]
            sample = Sample(own["contribution"].to_numpy(np.float64), own["group"].to_numpy(object), amounts=True)
            got = mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
            number = head if part == "head" else None
            found.append((model, direction, part, layer, number, got.estimate, got.low, got.high, got.estimate / whole, got.n))
    return pd.DataFrame(found, columns=COLUMNS).astype({"head": "Int64"})
