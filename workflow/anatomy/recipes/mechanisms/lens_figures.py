"""Figure and tables of what the lenses read of refusal, opener and answer tokens."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.figures.theme import COLOURS, dashed, themed
from anatomy.recipes.mechanisms.figures import SIDES
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval

KINDS = {
    "": "refusal tokens",
    "opener_": "openers of answers",
    "answer_": "the answer's first token",
    "random_": "random tokens",
}
"""Beginning of a kind's columns, and its name."""
RANDOM = KINDS["random_"]


def by_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a prompt, layer, lens and kind of token: columns ``id, group, lens, side, layer, tokens, probability, rank, kl``.

    Kinds that a model has no tokens of are left out.
    """
    keys = ["id", "group", "lens", "side", "layer", "kl"]
    parts = [
        rows[keys].assign(tokens=name, probability=rows[f"{kind}probability"], rank=rows[f"{kind}rank"])
        for kind, name in KINDS.items()
    ]
    return pd.concat(parts, ignore_index=True).dropna(subset=["probability"])


def lens(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Probability and rank of each kind of token that the lenses read at each layer, by kind of prompt, beside random tokens."""
    keys = ["tokens", "lens", "side", "layer"]
    found = by_kind(rows).groupby(keys, sort=False)
    means = found.agg(probability=("probability", "mean"), rank=("rank", "median"), kl=("kl", "mean"), n=("id", "nunique"))
    means = means.reset_index()
    random = means[means["tokens"] == RANDOM].set_index(["lens", "side", "layer"])[["probability", "rank"]].add_prefix("random_")
    shown = means[means["tokens"] != RANDOM].join(random, on=["lens", "side", "layer"])
    axes = {
        "probability": alt.Y("probability:Q", title="probability", scale=alt.Scale(domain=[0, 1])),
        "rank": alt.Y("rank:Q", title="rank (median)", scale=alt.Scale(type="log", reverse=True)),
    }
    return themed(alt.vconcat(*(_row(shown, column, axis) for column, axis in axes.items())))


def _row(shown: pd.DataFrame, column: str, axis: alt.Y) -> alt.FacetChart:
    base = alt.Chart(shown).encode(x=alt.X("layer:O", title="before block (last: the model)", axis=alt.Axis(labelAngle=0)))
    numbers = ("probability", "random_probability", "rank", "random_rank", "kl")
    lines = base.encode(
        y=axis,
        color=alt.Color("side:N", title=None, scale=alt.Scale(domain=list(SIDES), range=list(SIDES.values()))),
        tooltip=["tokens:N", "lens:N", "side:N", "layer:O", *(alt.Tooltip(f"{one}:Q", format=".3~g") for one in numbers), "n:Q"],
    )
    control = base.mark_line(color=COLOURS["control"], strokeWidth=1).encode(y=f"random_{column}:Q", detail=["lens:N", "side:N"])
    panel = alt.layer(control, dashed(lines, alt.StrokeDash("lens:N", title="lens"))).properties(width=220, height=180)
    return panel.facet(column=alt.Column("tokens:N", title=None, sort=list(KINDS.values())))


def lenses(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """Mean probability, median rank and mean divergence at each layer, intervals over groups of prompts.

    Returns:
        Columns ``model, lens, side, tokens, layer, probability, low, high, rank, kl, kl_low, kl_high, n``.
    """
    columns = ["model", "lens", "side", "tokens", "layer", "probability", "low", "high", "rank", "kl", "kl_low", "kl_high", "n"]
    frame = tables.named.get("lens")
    if frame is None or frame[frame["model"] == model].empty:
        return pd.DataFrame(columns=columns)
    rows, wanted = frame[frame["model"] == model], config.statistics

    def interval(own: pd.DataFrame, column: str) -> tuple[float, float, float]:
        sample = Sample(own[column].to_numpy(np.float64), own["group"].to_numpy(object), amounts=True)
        got = mean_interval(sample, confidence=wanted.confidence, seed=wanted.seed, resamples=wanted.bootstrap)
        return got.estimate, got.low, got.high

    keys = ["lens", "side", "layer"]
    divergence = {key: interval(own, "kl") for key, own in rows.groupby(keys, sort=False)}
    found = [
        (
            model,
            lens,
            side,
            tokens,
            layer,
            *interval(own, "probability"),
            own["rank"].median(),
            *divergence[lens, side, layer],
            len(own),
        )
        for (lens, side, tokens, layer), own in by_kind(rows).groupby(["lens", "side", "tokens", "layer"], sort=False)
    ]
    return pd.DataFrame(found, columns=columns)


def tokens_read(config: Config, tables: Tables, model: str) -> pd.DataFrame:
    """The tokens behind it: columns ``model, kind, token, text, share``."""
    columns = ["model", "kind", "token", "text", "share"]
    frame = tables.named.get("lens_tokens", pd.DataFrame(columns=columns))
    return frame[frame["model"] == model].reindex(columns=columns)
