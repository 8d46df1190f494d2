"""Pairs in both orders, put together."""

import numpy as np
import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.texts.judges.pairwise import FAILED, LEFT, RIGHT, SPLIT, pair_questions, pair_summary, pair_verdicts


def texts(variant, n=4, model="m", **changes):
    rows = [
        {
            "model": model,
            "variant": variant,
            "phase": "test",
            "set": "prefixes",
            "id": f"i{k}",
            "sample": 0,
            "group": f"g{k}",
            "category": "news",
            "response": f"{variant} {k}",
        }
        for k in range(n)
    ]
    return pd.DataFrame(rows).assign(**changes)


PREFIXES = pd.DataFrame({"id": [f"i{k}" for k in range(4)], "prompt": [f"prefix {k}" for k in range(4)]})
OPTIONS = {"confidence": 0.95, "seed": 0, "resamples": 100}


def questions(table=None):
    table = pd.concat([texts("base"), texts("aligned")]) if table is None else table
    return pair_questions(table, PREFIXES, [("aligned", "base")], ["relevance", "fluency"])


def test_every_pair_is_asked_in_both_orders_under_each_rubric():
    asked = questions()
    assert len(asked) == 4 * 2 * 2
    row = asked[(asked["id"] == "i2") & (asked["order"] == 2)].iloc[0]
    assert (row["prefix"], row["first"], row["second"]) == ("prefix 2", "base 2", "aligned 2")


def test_degenerate_and_empty_texts_are_not_asked_and_human_texts_pair_with_any_model():
    table = pd.concat([texts("aligned", degenerate=["", "short", "", ""]), texts("base", degenerate="")], ignore_index=True)
    table.loc[4, "response"] = ""
    assert set(questions(table)["id"]) == {"i2", "i3"}
    human = pd.concat([texts("aligned"), texts("human", model="human")], ignore_index=True)
    asked = pair_questions(human, PREFIXES, [("aligned", "human")], ["fluency"])
    assert len(asked) == 8 and set(asked["model"]) == {"m"}
    with pytest.raises(DataError, match="no text of 'base'"):
        questions(texts("aligned"))


def answered(labels, scores=None):
    """Relevance alone; for each pair the label of each order."""
    asked = questions()
    asked = asked[asked["rubric"] == "relevance"].sort_values(["id", "order"]).reset_index(drop=True)
    flat = [label for both in labels for label in both]
    numbers = scores or [{"first": 0.9, "second": 0.1, "tie": 0.5}.get(label, np.nan) for label in flat]
    return asked.assign(label=flat, score=numbers, parse_failure=[label is None for label in flat])


def test_verdicts_follow_the_text_and_not_its_place():
    found = pair_verdicts(answered([("first", "second"), ("second", "first"), ("first", "first"), ("tie", None)]))
    assert list(found["verdict"]) == [LEFT, RIGHT, SPLIT, FAILED]
    assert found["score"].tolist()[:3] == pytest.approx([0.9, 0.1, 0.5]) and np.isnan(found["score"][3])


def test_a_judge_that_follows_the_order_alone_says_nothing():
    summary = pair_summary(pair_verdicts(answered([("first", "first")] * 4)), **OPTIONS)
    value = summary[summary["category"] == "all"].set_index("measure")["estimate"]
    assert value["left wins"] == 0.5 and value[SPLIT] == 1.0 and value["score"] == pytest.approx(0.5) and value[FAILED] == 0.0


def test_swapping_the_sides_mirrors_every_share():
    answers = answered([("first", "second"), ("first", "tie"), ("second", "first"), (None, "first")])
    swapped = answers.assign(left=answers["right"], right=answers["left"], order=3 - answers["order"])
    one, two = (pair_summary(pair_verdicts(each), **OPTIONS).set_index(["category", "measure"]) for each in (answers, swapped))
    for measure in ("left wins", "score"):
        assert one.loc[("all", measure), "estimate"] == pytest.approx(1 - two.loc[("all", measure), "estimate"])
    assert one.loc[("all", FAILED), "estimate"] == 0.25 == two.loc[("all", FAILED), "estimate"]
    assert one.loc[("all", "left wins"), "n"] == 3


def test_an_order_that_is_missing_is_an_error():
    with pytest.raises(DataError, match="orders"):
        pair_verdicts(answered([("first", "second")] * 4).iloc[1:])
