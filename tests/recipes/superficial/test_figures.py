"""Figures of superficial knowledge hold the numbers of their tables: every arm, rank, k and order is there once."""

import pandas as pd

from anatomy.recipes.superficial import figures


def values(chart, layer):
    """The rows behind one layer of a chart, from its own data or the chart's."""
    spec = chart.to_dict()
    parts = spec.get("layer") or spec["hconcat"]
    return pd.DataFrame(spec["datasets"][parts[layer]["data"]["name"]])


def heads(rows):
    return pd.DataFrame(
        [{"head": head, "kl": kl, "low": kl, "high": kl, "agreement": 0.5, "tokens": 9} for head, kl in rows.items()]
    )


def test_ranks_are_ordered_as_numbers_between_base_and_full_rank():
    table = heads({"a-rank16": 0.3, "a-rank4": 1.0, "base": 4.0, "a-pooled": 0.2, "a-shuffled": 3.0, "b-rank2": 9.0})
    chart = figures.ranks(table, "a")
    assert values(chart, 2)["rank"].tolist() == [4, 16]
    assert set(values(chart, 0)["line"]) == {"base", "full rank"}


def test_gains_show_base_and_aligned_once_and_every_arm():
    rows = [
        {"pair": "a", "task": "t", "arm": arm, "base": 0.1, "aligned": 0.9, "value": value, "share": value, "low": 0, "high": 1}
        | {"n": 9, "clusters": 3}
        for arm, value in (("head", 0.8), ("in-context", 0.3), ("fine-tuned", 0.5))
    ]
    shown = values(figures.gains(pd.DataFrame(rows)), 0).set_index("model")["mean"].to_dict()
    assert shown == {
        "base": 0.1,
        "aligned": 0.9,
        "with the head": 0.8,
        "base behind examples": 0.3,
        "base trained on examples": 0.5,
    }


def test_tokens_put_aside_have_a_kind_of_their_own():
    """A style word in place of a function word, twice."""
    rows = pd.DataFrame([{"head": "base", "target": " Sure", "source": " the", "kind": "style"}] * 2)
    chart = figures.shift_tokens(rows)
    placed, aside = values(chart, 0), values(chart, 1)
    assert placed[["token", "kind", "count"]].to_numpy().tolist() == [[" Sure", "style", 2]]
    assert aside[["token", "kind", "count"]].to_numpy().tolist() == [[" the", "function", 2]]
