"""Figures of harm pruning."""

from __future__ import annotations

import altair as alt
import pandas as pd

from anatomy.evidence.figures.theme import COLOURS, INK, SEQUENTIAL, percent, themed
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, NEAREST, RANDOM, UNEDITED
from anatomy.recipes.pruning.tables import COHERENT, HARM, UNSEEN

WHAT = {
    HARM: COLOURS["harmful"],
    UNSEEN: "#e69f00",
    "benign": COLOURS["benign"],
    "recognition": "#009e73",
    COHERENT: COLOURS["base"],
}
RATE = ("rate", "low", "high")


def tradeoff(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Harmful against benign generation under every mask of the grid, and under random ones as large.

    Args:
        table: ``tables.tradeoff_table`` of one model.
    """
    names = {HARM: "harm", "benign": "benign", COHERENT: "coherent"}
    rows = table[table["what"].isin(names)].assign(what=table["what"].map(names))
    wide = rows.pivot_table(index=["mask"], columns="what", values="rate").reset_index()
    said = table.drop_duplicates("mask")[["mask", "control", "q", "p", "protected", "share"]]
    wide = wide.merge(said, on="mask", how="left")
    wide["q"] = wide["q"].fillna(0.0)
    wide["kept"] = [
        "unedited" if mask == UNEDITED else "random masks (control)" if control else f"p {p:g}, {protected.replace(' ', ', ')}"
        for mask, control, p, protected in zip(
            wide["mask"], wide["control"].fillna(""), wide["p"], wide["protected"].fillna(""), strict=True
        )
    ]
    hover = ["mask:N", alt.Tooltip("share:Q", format=".3%"), *(alt.Tooltip(f"{one}:Q", format=".1%") for one in names.values())]
    base = alt.Chart(wide).encode(
        x=alt.X("benign:Q", scale=alt.Scale(domain=[0, 1]), **percent("benign generation")),
        y=alt.Y("harm:Q", scale=alt.Scale(domain=[0, 1]), **percent("harmful generation, scored kinds")),
        color=alt.Color("kept:N", title="preserved", legend=alt.Legend(orient="bottom", columns=1, labelLimit=320)),
    )
    lines = base.transform_filter("datum.q > 0").mark_line(strokeWidth=1.2).encode(order="q:Q")
    points = base.mark_point(filled=True, size=55).encode(
        opacity=alt.Opacity("coherent:Q", scale=alt.Scale(domain=[0, 1], range=[0.15, 1]), legend=None), tooltip=hover
    )
    return themed(alt.layer(lines, points).properties(width=360, height=300))


def beside(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Harmful and benign generation and coherence under the chosen mask, its controls and other masks, one row a mask.

    Args:
        table: ``tables.controls_table`` of one model.
    """
    shown = [HARM, UNSEEN, "benign", COHERENT]
    first = [mask for mask in (UNEDITED, CHOSEN, NEAREST) if mask in set(table["mask"])]
    order = [*first, *(name for name in dict.fromkeys(table["mask"]) if name not in first)]
    shared = alt.Chart().encode(y=alt.Y("mask:N", sort=order, title=None, axis=alt.Axis(labelLimit=200)))
    points = shared.mark_point(filled=True, size=60).encode(
        x=alt.X("rate:Q", scale=alt.Scale(domain=[0, 1]), **percent(None)),
        color=alt.Color("what:N", title=None, legend=None, scale=alt.Scale(domain=shown, range=[WHAT[one] for one in shown])),
        tooltip=["mask:N", "what:N", *(alt.Tooltip(f"{one}:Q", format=".1%") for one in RATE), "n:Q", "weights:Q"],
    )
    whiskers = shared.mark_rule(color=INK).encode(x=alt.X("low:Q", **percent(None)), x2="high:Q")
    panels = alt.layer(whiskers, points, data=table).properties(width=150, height=alt.Step(20))
    return themed(panels.facet(facet=alt.Facet("what:N", title=None, sort=shown), columns=4))


def heat(
    table: pd.DataFrame, x: tuple[str, str], y: tuple[str, str], value: tuple[str, str], level: float = 0.0
) -> alt.TopLevelMixin:
    """A matrix of numbers from 0 to 1: column and title of x, y and value; the order is that of the table.

    Args:
        level: cells whose adjusted p lies below it are marked with a star.
    """
    base = alt.Chart(table.assign(said=[f"{one:.2f}" for one in table[value[0]]]))
    if "p_adjusted" in table:
        stars = ["*" if p < level else "" for p in table["p_adjusted"]]
        base = alt.Chart(table.assign(said=[f"{one:.2f}{star}" for one, star in zip(table[value[0]], stars, strict=True)]))
    base = base.encode(
        x=alt.X(f"{x[0]}:N", title=x[1], sort=list(dict.fromkeys(table[x[0]])), axis=alt.Axis(labelAngle=-40, labelLimit=160)),
        y=alt.Y(f"{y[0]}:N", title=y[1], sort=list(dict.fromkeys(table[y[0]])), axis=alt.Axis(labelLimit=200)),
    )
    more = [f"{column}:Q" for column in HOVER if column in table]
    cells = base.mark_rect().encode(
        color=alt.Color(f"{value[0]}:Q", title=value[1], scale=alt.Scale(scheme=SEQUENTIAL, domain=[0, 1])),
        tooltip=[f"{x[0]}:N", f"{y[0]}:N", alt.Tooltip(f"{value[0]}:Q", format=".3f"), *more],
    )
    words = base.mark_text(fontSize=10).encode(
        text="said:N",
        color=alt.condition(f"datum['{value[0]}'] > 0.55", alt.value("white"), alt.value(INK)),
    )
    return themed(alt.layer(cells, words).properties(width=alt.Step(46), height=alt.Step(24)))


HOVER = (
    *("low", "high", "n", "clusters", "random", "change", "change_low", "change_high"),
    *("expected", "random_low", "random_high", "p_value", "p_adjusted"),
)
"""What a cell says besides where it is hovered over."""


def both_ways(overlaps: pd.DataFrame) -> pd.DataFrame:
    """Overlaps as a whole matrix, both halves and the diagonal."""
    turned = overlaps.rename(columns={"one": "two", "two": "one", "weights_one": "weights_two", "weights_two": "weights_one"})
    names = list(dict.fromkeys([*overlaps["one"], *overlaps["two"]]))
    same = pd.DataFrame({"one": names, "two": names, "jaccard": 1.0})
    return pd.concat([same, overlaps, turned], ignore_index=True)


def anatomy(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Share of each matrix that the chosen mask takes, by layer and module, beside its share of all matrices.

    Args:
        table: ``tables.anatomy_table`` of one model.
    """
    whole = table["weights"].sum() / table["size"].sum()
    rows = table.assign(excess=table["share"] / whole if whole else 0.0)
    chart = (
        alt.Chart(rows)
        .mark_rect()
        .encode(
            x=alt.X("layer:O", title="block"),
            y=alt.Y("module:N", title=None, sort=list(dict.fromkeys(rows["module"]))),
            color=alt.Color("excess:Q", title="times the mean share", scale=alt.Scale(scheme=SEQUENTIAL)),
            tooltip=["matrix:N", "weights:Q", alt.Tooltip("share:Q", format=".4%"), alt.Tooltip("excess:Q", format=".2f")],
        )
    )
    return themed(chart.properties(width=alt.Step(40), height=alt.Step(26)))


def heads(table: pd.DataFrame, level: float) -> alt.TopLevelMixin:
    """How many times what chance gives each attention head's slices hold of the chosen mask, block by block.

    Args:
        table: ``tables.heads_table`` of one model.
        level: heads whose adjusted p lies below it are marked with a star.
    """
    rows = table.assign(said=["*" if p < level else "" for p in table["p_adjusted"]])
    hover = ["matrix:N", "head:O", "weights:Q", alt.Tooltip("expected:Q", format=".1f"), alt.Tooltip("times:Q", format=".2f")]
    base = alt.Chart(rows).encode(x=alt.X("head:O", title="head"), y=alt.Y("layer:O", title="block"))
    cells = base.mark_rect().encode(
        color=alt.Color("times:Q", title="times what chance gives", scale=alt.Scale(scheme=SEQUENTIAL)),
        tooltip=[*hover, "p_value:Q", "p_adjusted:Q"],
    )
    words = base.mark_text(fontSize=14, fontWeight="bold").encode(
        text="said:N", color=alt.condition("datum.times > 1.5", alt.value("white"), alt.value(INK))
    )
    panels = alt.layer(cells, words).properties(width=alt.Step(26), height=alt.Step(22))
    order = list(dict.fromkeys(rows["module"]))
    return themed(panels.facet(facet=alt.Facet("module:N", title=None, sort=order), columns=2).resolve_scale(x="independent"))


def spaces(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Overlap of the spaces of outputs on harmful and on benign answers, by block and module.

    Args:
        table: table ``spaces`` of one model.
    """
    chart = (
        alt.Chart(table)
        .mark_line(point=alt.OverlayMarkDef(size=30))
        .encode(
            x=alt.X("layer:O", title="block"),
            y=alt.Y("overlap:Q", title="overlap of spaces", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("module:N", title=None, sort=list(dict.fromkeys(table["module"]))),
            tooltip=["matrix:N", "rank:Q", *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("overlap", "expected"))],
        )
    )
    return themed(chart.properties(width=380, height=240))


def losses(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Mean change of the loss under masks of the highest, lowest and random scores, against what scores predict.

    Args:
        table: table ``losses`` of one model.
    """
    rows = table.groupby(["kind", "q", "split"]).agg(predicted=("predicted", "first"), change=("change", "mean")).reset_index()
    names = {"fit": "scored answers", "select": "other answers"}
    rows["answers"] = rows["split"].map(names)
    ends = [float(rows[["predicted", "change"]].min().min()), float(rows[["predicted", "change"]].max().max())]
    same = alt.Chart(pd.DataFrame({"predicted": ends, "change": ends})).mark_line(color=COLOURS["control"], strokeDash=[4, 3])
    points = (
        alt.Chart(rows)
        .mark_point(filled=True, size=60)
        .encode(
            x=alt.X("predicted:Q", title="predicted change of the loss (nats a token)"),
            y=alt.Y("change:Q", title="change of the loss (nats a token)"),
            color=alt.Color("kind:N", title="zeroed weights", legend=alt.Legend(orient="top")),
            shape=alt.Shape("answers:N", title=None, legend=alt.Legend(orient="top")),
            tooltip=["kind:N", "q:Q", "answers:N", *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("predicted", "change"))],
        )
    )
    line = same.encode(x=alt.X("predicted:Q", title="predicted change of the loss (nats a token)"), y="change:Q")
    return themed(alt.layer(line, points).properties(width=360, height=260))


def over_steps(table: pd.DataFrame, title: str) -> alt.TopLevelMixin:
    """How often answers give harm after each step of a fine-tune, with weights pruned and without.

    Args:
        table: ``tables.steps_table`` of one model.
        title: of the axis.
    """
    colours = {UNEDITED: COLOURS["base"], CHOSEN: COLOURS["harmful"], NEAREST: COLOURS["harmful"], RANDOM: COLOURS["benign"]}
    order = [mask for mask in colours if mask in set(table["mask"])]
    colour = alt.Color("mask:N", title="mask", sort=order, scale=alt.Scale(domain=order, range=[colours[one] for one in order]))
    shared = alt.Chart(table).encode(x=alt.X("step:Q", title="steps of the fine-tune"), color=colour)
    band = shared.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    line = shared.mark_line(point=alt.OverlayMarkDef(size=30)).encode(
        y=alt.Y("rate:Q", scale=alt.Scale(domain=[0, 1]), **percent(title)),
        tooltip=["mask:N", "step:Q", *(alt.Tooltip(f"{one}:Q", format=".1%") for one in (*RATE, "coherent")), "n:Q"],
    )
    return themed(alt.layer(band, line).properties(width=400, height=240))


def compression(table: pd.DataFrame) -> alt.TopLevelMixin:
    """Area between the curves of benign and harmful generation over log q, model by model.

    Args:
        table: ``tables.compression_table``.
    """
    order = list(table["model"])
    hover = ["model:N", *(alt.Tooltip(f"{one}:Q", format=".3f") for one in ("area", "low", "high")), "n:Q"]
    shared = alt.Chart(table).encode(y=alt.Y("model:N", sort=order, title=None))
    points = shared.mark_point(filled=True, size=70, color=COLOURS["harmful"]).encode(
        x=alt.X("area:Q", title="area between benign and harmful generation"), tooltip=hover
    )
    whiskers = shared.mark_rule(color=INK).encode(
        x=alt.X("low:Q", title="area between benign and harmful generation"), x2="high:Q"
    )
    return themed(alt.layer(whiskers, points).properties(width=380, height=alt.Step(26)))
