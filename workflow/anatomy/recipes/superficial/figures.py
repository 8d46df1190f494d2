"""How each figure of superficial knowledge is drawn."""

from __future__ import annotations

import re

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, INK, name_of, percent, themed
from anatomy.recipes.superficial.pairs import FINE_TUNED, IN_CONTEXT, POOLED
from anatomy.recipes.superficial.stages.diagnostics import ALIGNED_ANSWERS, BASE, EARLY, OWN_SAMPLES
from anatomy.recipes.superficial.stages.orders import HEAD, TEMPLATE
from anatomy.recipes.superficial.stages.transfer import AS_IS, ATTACHED
from anatomy.recipes.superficial.stages.words import kind_of

MOST_TOKENS = 25
MOST_POSITIONS = 32
WHO = {
    "base": "base",
    IN_CONTEXT: "base behind examples",
    FINE_TUNED: "base trained on examples",
    "head": "with the head",
    "aligned": "aligned",
}
WHO_COLOURS = [COLOURS["base"], "#e69f00", "#cc79a7", COLOURS["row_mean"], COLOURS["harmful"]]
KINDS = {"style": "#0072b2", "content": "#d55e00", "function": "#009e73", "mark": "#7b8794"}


def gains(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Base, baselines, base with the head, and aligned model, task by task; above each task the head's share of the gain.

    Args:
        table: ``anatomy.recipes.superficial.gains.gains_table`` of one pair.
    """
    once = table.drop_duplicates("task")
    parts = [once.assign(who=who, mean=once[who]) for who in ("base", "aligned")] + [
        table.assign(who=table["arm"], mean=table["value"])
    ]
    long = pd.concat(parts, ignore_index=True)
    long = long.assign(model=long["who"].map(WHO), task=long["task"].str.replace("_", " "))
    head = table[table["arm"] == "head"]
    tops = long.groupby("task")["mean"].max()
    told = head.assign(
        task=head["task"].str.replace("_", " "),
        words=[
            "no clear gain" if pd.isna(row.share) else f"{row.share:.0%} [{row.low:.0%}, {row.high:.0%}]"
            for row in head.itertuples()
        ],
    )[["task", "words"]]
    told["top"] = [tops[task] for task in told["task"]]
    shown = [words for words in WHO.values() if words in set(long["model"])]
    x = alt.X("task:N", title=None, sort=list(told["task"]), axis=alt.Axis(labelAngle=0, labelLimit=0))
    scale = alt.Scale(domain=list(WHO.values()), range=WHO_COLOURS)
    bars = (
        alt.Chart(long[["task", "model", "mean", "n"]])
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=x,
            xOffset=alt.XOffset("model:N", sort=shown),
            y=alt.Y("mean:Q", title="mean outcome", scale=alt.Scale(domain=[0, 1.08])),
            color=alt.Color("model:N", title=None, scale=scale, legend=alt.Legend(orient="top")),
            tooltip=["task:N", "model:N", alt.Tooltip("mean:Q", format=".3f"), "n:Q"],
        )
    )
    words = (
        alt.Chart(told)
        .mark_text(dy=-8, fontSize=11, color=INK)
        .encode(x=x, y=alt.Y("top:Q", title="mean outcome"), text="words:N")
    )
    return themed(alt.layer(bars, words).properties(width=max(300, 150 * len(told)), height=260))


def kl_by_position(kl: pd.DataFrame, pooled: str) -> alt.TopLevelMixin:
    """Mean KL(aligned || model) at each position of an answer.

    Args:
        kl: table ``kl`` of one pair.
        pooled: name of the pooled head.
    """
    lines = {
        (BASE, ALIGNED_ANSWERS): "base",
        (EARLY, ALIGNED_ANSWERS): "head on an early layer",
        (pooled, ALIGNED_ANSWERS): "with the head",
        (pooled, OWN_SAMPLES): "with the head, on its own samples",
    }
    named = [lines.get(key) for key in zip(kl["head"], kl["texts"], strict=True)]
    rows = kl.assign(line=named).dropna(subset="line")
    rows = rows[rows["position"] < MOST_POSITIONS]
    means = rows.groupby(["line", "position"]).agg(kl=("kl", "mean"), answers=("kl", "size")).reset_index()
    scale = alt.Scale(domain=list(lines.values()), range=[COLOURS["base"], "#e69f00", COLOURS["row_mean"], "#cc79a7"])
    chart = (
        alt.Chart(means)
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X("position:Q", title="token of the answer, from 0", axis=alt.Axis(tickMinStep=1, format="d")),
            y=alt.Y("kl:Q", title="mean divergence (nats)"),
            color=alt.Color("line:N", title=None, scale=scale, legend=alt.Legend(orient="top", columns=2, labelLimit=260)),
            tooltip=["line:N", "position:Q", alt.Tooltip("kl:Q", format=".4f"), "answers:Q"],
        )
    )
    return themed(chart.properties(width=430, height=250))


def heads(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Divergence that each head leaves on the aligned model's answers: tasks, ranks and controls beside the pooled one.

    Args:
        table: ``heads_table`` of one pair.
    """
    order = list(table.sort_values("kl")["head"])
    shared = alt.Chart(table).encode(y=alt.Y("head:N", sort=order, title=None, axis=alt.Axis(labelLimit=220)))
    hover = ["head:N", *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("kl", "low", "high", "agreement")), "tokens:Q"]
    bars = shared.mark_bar(cornerRadiusEnd=2).encode(
        x=alt.X("kl:Q", title="divergence (nats a token)"),
        color=alt.condition("datum.head == 'base'", alt.value(COLOURS["base"]), alt.value(COLOURS["row_mean"])),
        tooltip=hover,
    )
    whiskers = shared.mark_rule(color=INK, strokeWidth=1.3).encode(
        x=alt.X("low:Q", title="divergence (nats a token)"), x2="high:Q"
    )
    return themed(alt.layer(bars, whiskers).properties(width=380, height=alt.Step(22)))


def ranks(table: pd.DataFrame, label: str) -> alt.TopLevelMixin:
    """Divergence that heads leave by their rank, between that of the base and that of the head of full rank.

    Args:
        table: ``heads_table`` of one pair.
        label: the pair's, with which names of its heads begin.
    """
    found = table["head"].str.extract(rf"^{re.escape(label)}-rank(\d+)$")[0]
    rows = table.assign(rank=found.astype(float)).dropna(subset="rank").sort_values("rank")
    ends = table[table["head"].isin([BASE, f"{label}-{POOLED}"])]
    ends = ends.assign(line=ends["head"].map({BASE: "base", f"{label}-{POOLED}": "full rank"}))
    x = alt.X("rank:Q", scale=alt.Scale(type="log", base=2), title="rank of the head")
    hover = ["rank:Q", *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("kl", "low", "high", "agreement")), "tokens:Q"]
    line = (
        alt.Chart(rows)
        .mark_line(point=alt.OverlayMarkDef(size=30), color=COLOURS["row_mean"])
        .encode(x=x, y=alt.Y("kl:Q", title="divergence (nats a token)"), tooltip=hover)
    )
    whiskers = alt.Chart(rows).mark_rule(color=INK).encode(x=x, y=alt.Y("low:Q", title="divergence (nats a token)"), y2="high:Q")
    levels = (
        alt.Chart(ends)
        .mark_rule(strokeDash=[5, 4])
        .encode(
            y="kl:Q",
            color=alt.Color("line:N", title=None, scale=alt.Scale(range=[COLOURS["base"], COLOURS["harmful"]])),
            tooltip=["line:N", alt.Tooltip("kl:Q", format=".3f")],
        )
    )
    return themed(alt.layer(levels, whiskers, line).properties(width=380, height=220))


def sweep(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Share of the aligned model's tokens that are the likeliest with the transferable head, and likeness of spaces, over k.

    Args:
        table: table ``sweep`` of one pair.
    """
    long = table.melt(["k", "target", "held_out"], ["accuracy", "similarity"], var_name="measure", value_name="share")
    named = {"accuracy": "tokens said as the aligned model says them", "similarity": "likeness of the spaces of logits"}
    chart = (
        alt.Chart(long.assign(measure=long["measure"].map(named)))
        .mark_line(point=alt.OverlayMarkDef(size=30))
        .encode(
            x=alt.X("k:Q", scale=alt.Scale(type="log"), title="logits that the head reads, k"),
            y=alt.Y("share:Q", title=None, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("target:N", title="attached to", legend=alt.Legend(orient="top")),
            tooltip=["target:N", "k:Q", alt.Tooltip("share:Q", format=".3f"), alt.Tooltip("held_out:Q", format=".3f")],
        )
        .properties(width=300, height=220)
    )
    return themed(chart.facet(facet=alt.Facet("measure:N", title=None), columns=2))


def orders(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Divergences in each order of template: of the base, of the base with the order's head, and what the template alone makes.

    Args:
        table: ``orders_table`` of one pair.
    """
    arms = {BASE: "base", HEAD: "with the head of this order", TEMPLATE: "template alone"}
    rows = table.assign(line=table["arm"].map(arms))
    shared = alt.Chart().encode(y=alt.Y("line:N", sort=list(arms.values()), title=None, axis=alt.Axis(labelLimit=220)))
    bars = shared.mark_bar(cornerRadiusEnd=2, color=COLOURS["row_mean"]).encode(
        x=alt.X("kl:Q", title="divergence (nats a token)"),
        tooltip=["order:N", "line:N", *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("kl", "low", "high")), "tokens:Q"],
    )
    whiskers = shared.mark_rule(color=INK, strokeWidth=1.3).encode(
        x=alt.X("low:Q", title="divergence (nats a token)"), x2="high:Q"
    )
    panels = alt.layer(bars, whiskers, data=rows).properties(width=380, height=alt.Step(22))
    return themed(panels.facet(row=alt.Row("order:N", title=None, header=alt.Header(labelAngle=0, labelAlign="left"))))


def cover(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Share of shift positions whose target is among the k likeliest tokens of the base.

    Args:
        table: ``cover_table`` of one pair.
    """
    chart = alt.Chart(table.assign(prompts=table["set"].map(name_of)))
    chart = chart.mark_line(point=alt.OverlayMarkDef(size=24)).encode(
        x=alt.X("k:Q", scale=alt.Scale(type="log"), title="likeliest tokens of the base, k"),
        y=alt.Y("covered:Q", scale=alt.Scale(domain=[0, 1]), **percent("shifts covered")),
        color=alt.Color("prompts:N", title=None, legend=alt.Legend(orient="top")),
        tooltip=["prompts:N", "k:Q", alt.Tooltip("covered:Q", format=".1%"), "shifts:Q"],
    )
    return themed(chart.properties(width=380, height=220))


def transfer(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Refusal of each model as it is and with the transferable head, a panel for each prompt set.

    Args:
        table: ``transfer_table`` of one pair.
    """
    arms = [AS_IS, ATTACHED]
    shown = table.assign(prompts=table["set"].map(name_of))
    targets = list(dict.fromkeys(shown["target"]))
    shared = alt.Chart().encode(
        x=alt.X("target:N", sort=targets, title=None, axis=alt.Axis(labelAngle=0)), xOffset=alt.XOffset("arm:N", sort=arms)
    )
    bars = shared.mark_bar(cornerRadiusEnd=2).encode(
        y=alt.Y("refused:Q", scale=alt.Scale(domain=[0, 1]), **percent("refused")),
        color=alt.Color(
            "arm:N",
            title=None,
            scale=alt.Scale(domain=arms, range=[COLOURS["base"], COLOURS["row_mean"]]),
            legend=alt.Legend(orient="top"),
        ),
        tooltip=[
            "target:N",
            "arm:N",
            "prompts:N",
            *(alt.Tooltip(f"{one}:Q", format=".1%") for one in ("refused", "low", "high")),
            "n:Q",
        ],
    )
    whiskers = shared.mark_rule(color=INK, strokeWidth=1.3).encode(y=alt.Y("low:Q", title="refused"), y2="high:Q")
    panels = alt.layer(bars, whiskers, data=shown).properties(width=75 * len(targets), height=200)
    return themed(panels.facet(facet=alt.Facet("prompts:N", title=None), columns=2))


def shift_tokens(shifts: pd.DataFrame) -> alt.TopLevelMixin:
    """The commonest tokens where base and aligned model differ, by kind of word: those put there, and those put aside.

    Args:
        shifts: table ``shifts`` of one pair.
    """
    rows = shifts[shifts["head"] == BASE]
    scale = alt.Scale(domain=list(KINDS), range=list(KINDS.values()))
    panels = []
    for column, title in (("target", "token of the aligned model"), ("source", "token of the base in its place")):
        kinds = rows["kind"] if column == "target" else rows["source"].map(kind_of)
        counts = rows.assign(kind=kinds).groupby([column, "kind"]).size().rename("count").reset_index()
        counts = counts.sort_values(["count", column], ascending=[False, True]).head(MOST_TOKENS)
        counts["token"] = [repr(token)[1:-1] for token in counts[column]]
        panels.append(
            alt.Chart(counts[["token", "kind", "count"]])
            .mark_bar(cornerRadiusEnd=2)
            .encode(
                y=alt.Y("token:N", title=title, sort=list(counts["token"])),
                x=alt.X("count:Q", title="shift positions"),
                color=alt.Color("kind:N", title="kind of word", scale=scale, legend=alt.Legend(orient="top")),
                tooltip=["token:N", "kind:N", "count:Q"],
            )
            .properties(width=260, height=max(120, 15 * len(counts)))
        )
    return themed(alt.hconcat(*panels))
