"""Figures of ways of steering, and of what training moved."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, dashed, themed
from anatomy.recipes.mechanisms.stages.suppression import UNEDITED

MODES = {"add": "added", "clamp": "clamped to", "cap": "capped at"}
WHERE = {"picked": "before the picked block", "every": "before every block"}
DIRECTIONS = ("refusal", "random", "flipped")
KEYS = ["mode", "layers", "direction", "dose"]


def modes(prompts: pd.DataFrame, answers: pd.DataFrame) -> alt.TopLevelMixin:
    """Refusal metric by kind of prompt, KL there, and perplexity of harmless answers: a column a mode, a row a quantity.

    The refusal direction is drawn beside a random one and, where it caps, its opposite.
    """
    table = modes_table(prompts, answers)
    titles = {"metric": "refusal metric", "kl": "KL, nats", "perplexity": "perplexity"}
    colours = {"harmful": COLOURS["harmful"], "harmless": COLOURS["benign"], "harmless answers": COLOURS["control"]}
    rows = []
    for where in (one for one in WHERE if one in set(table["layers"])):
        for column, title in titles.items():
            own = table[(table["layers"] == where) & (table["quantity"] == column)]
            if own.empty:
                continue
            base = alt.Chart(own.assign(mode=own["mode"].map(MODES)))
            lines = base.encode(
                x=alt.X("dose:Q", title="dose (0: harmless, 1: harmful)"),
                y=alt.Y("value:Q", title=title, scale=alt.Scale(type="log" if column == "perplexity" else "linear")),
                color=alt.Color("side:N", title=None, scale=alt.Scale(domain=list(colours), range=list(colours.values()))),
                tooltip=["mode:N", "side:N", "direction:N", "dose:Q", alt.Tooltip("value:Q", format=".3f"), "n:Q"],
            )
            chart = dashed(lines, alt.StrokeDash("direction:N", title=None, sort=list(DIRECTIONS)))
            facet = chart.properties(width=200, height=120).facet(
                column=alt.Column("mode:N", title=None, sort=list(MODES.values())), title=WHERE[where]
            )
            rows.append(facet)
    return themed(alt.vconcat(*rows))


def modes_table(prompts: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Means of every way of steering.

    Returns:
        Columns ``mode, layers, direction, dose, side, quantity, value, n``: ``quantity`` is ``metric``, ``kl`` or ``perplexity``
        (``exp`` of the mean loss over all tokens of harmless answers).
    """
    steered = prompts[prompts["mode"] != UNEDITED]
    means = steered.groupby([*KEYS, "side"], sort=False).agg(metric=("metric", "mean"), kl=("kl", "mean"), n=("id", "nunique"))
    parts = [means.reset_index().melt([*KEYS, "side", "n"], ["metric", "kl"], "quantity", "value")]
    said = answers[answers["mode"] != UNEDITED]
    if not said.empty:
        summed = said.assign(lost=said["nll"] * said["tokens"]).groupby(KEYS, sort=False)
        whole = summed.agg(lost=("lost", "sum"), tokens=("tokens", "sum"), n=("id", "nunique")).reset_index()
        value = np.exp((whole["lost"] / whole["tokens"]).astype(float))
        parts.append(whole.assign(value=value, quantity="perplexity", side="harmless answers").drop(columns=["lost", "tokens"]))
    return pd.concat(parts, ignore_index=True)[[*KEYS, "side", "quantity", "value", "n"]]


def moved(rows: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean KL from the model to its base at each place of its own answers, by kind of word: a row a wording."""
    means = (
        rows.groupby(["side", "wording", "kind", "position"], sort=False)
        .agg(kl=("kl", "mean"), n=("id", "nunique"))
        .reset_index()
    )
    chart = (
        alt.Chart(means)
        .mark_line(point=True)
        .encode(
            x=alt.X("position:Q", title="token of the answer"),
            y=alt.Y("kl:Q", title="KL from model to base, nats"),
            color=alt.Color("kind:N", title=None, sort=["style", "content", "function", "mark"]),
            tooltip=["side:N", "wording:N", "kind:N", "position:Q", alt.Tooltip("kl:Q", format=".3f"), "n:Q"],
        )
        .properties(width=280, height=150)
    )
    column = alt.Column("side:N", title=None, sort=["harmful", "harmless"])
    return themed(chart.facet(row=alt.Row("wording:N", title=None, sort=["template", "plain"]), column=column))
