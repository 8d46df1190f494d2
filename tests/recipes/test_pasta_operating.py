"""The operating point: fewest style markers within the limits; and what the candidates are measured by."""

import json

import pandas as pd
import pytest
from pasta_study import pasta_config

from anatomy.recipes.pasta.edits import ablation, subtraction
from anatomy.recipes.pasta.operating import measured_candidates, operating_point
from anatomy.recipes.pasta.options import PastaLimits


def candidates(**changes):
    rows = {
        "variant": ["a", "b", "c"],
        "markers": [0.1, 0.4, 0.6],
        "accuracy": [0.5, 0.9, 0.95],
        "refusal": [1.0, 1.0, 1.0],
        "over_refusal": [0.0, 0.05, 0.0],
        "degenerate": [0.0, 0.05, 0.0],
    }
    return pd.DataFrame({**rows, **changes})


UNEDITED = pd.Series({"markers": 1.0, "accuracy": 0.95, "refusal": 1.0, "over_refusal": 0.0, "degenerate": 0.0})


def picked(table):
    return table.loc[table["picked"], "variant"].tolist()


def test_fewest_markers_within_the_limits():
    table, reason = operating_point(candidates(), UNEDITED, PastaLimits())
    assert picked(table) == ["b"]
    assert not table.set_index("variant").loc["a", "allowed"]
    assert reason == "fewest style markers within the limits"


@pytest.mark.parametrize(
    "changes",
    [
        {"refusal": [1.0, 0.9, 1.0]},
        {"over_refusal": [0.0, 0.2, 0.0]},
        {"degenerate": [0.0, 0.2, 0.0]},
        {"markers": [0.1, float("nan"), 0.6]},
    ],
)
def test_every_limit_counts(changes):
    assert picked(operating_point(candidates(**changes), UNEDITED, PastaLimits())[0]) == ["c"]


def test_accuracy_that_nobody_can_judge_forbids_nothing():
    assert picked(operating_point(candidates(accuracy=float("nan")), UNEDITED, PastaLimits())[0]) == ["a"]


def test_of_equal_ones_the_cheapest_is_taken():
    assert picked(operating_point(candidates(markers=[0.1, 0.4, 0.4]), UNEDITED, PastaLimits())[0]) == ["c"]


def test_no_operating_point_is_an_outcome():
    table, reason = operating_point(candidates(refusal=[0.2, 0.2, 0.2]), UNEDITED, PastaLimits())
    assert not table["picked"].any() and reason == "no candidate within the limits"
    table, reason = operating_point(candidates(markers=[1.1, 1.2, 1.3]), UNEDITED, PastaLimits(accuracy=1.0))
    assert not table["picked"].any() and "fewer markers" in reason


def test_candidates_are_measured_by_their_texts_and_judges(tmp_path):
    config = pasta_config(tmp_path, {"plain": tmp_path, "tuned": tmp_path})
    edits = {"one": ablation(config.pasta, 1), "two": subtraction(2, position=-1)}
    variants = pd.DataFrame(
        [
            {
                "variant": name,
                "layer": edit["direction"]["layer"],
                "strength": 1.0,
                "detail": json.dumps([edit]),
                "family": "operating",
                "role": "method",
            }
            for name, edit in edits.items()
        ]
    )
    keys = {"model": "tuned", "phase": "select", "sample": 0, "set": "prefixes"}
    said = {"base": ("Sure! Blue.", "Certainly! Red."), "one": ("Blue.", "Sure! Red."), "two": ("Blue.", "")}
    continuations = pd.DataFrame(
        [
            {**keys, "variant": name, "id": n, "response": text, "degenerate": "" if text else "short"}
            for name, texts in said.items()
            for n, text in enumerate(texts)
        ]
    )
    labels = {"base": ("full", "partial"), "one": ("full", "partial"), "two": ("full", "none")}
    refused = {config.evaluation.harmful: labels, config.evaluation.benign: {**labels, "base": ("none", "none")}}
    judged = pd.DataFrame(
        [
            {**keys, "set": place, "variant": name, "id": n, "judge": "rules", "label": label, "score": 0.0}
            for place, by in refused.items()
            for name in said
            for n, label in enumerate(by[name])
        ]
    )
    table, base = measured_candidates(config, variants, continuations, pd.DataFrame({"variant": ["one"], "score": [0.5]}), judged)
    found = table.set_index("variant")
    assert base["markers"] == 1.0 and base["refusal"] == 1.0
    assert found["markers"].to_dict() == {"one": 0.5, "two": 0.0}
    assert found["refusal"].to_dict() == {"one": 1.0, "two": 0.5}
    assert base["over_refusal"] == 0.0 and found["over_refusal"].to_dict() == {"one": 1.0, "two": 0.5}
    assert found["degenerate"].to_dict() == {"one": 0.0, "two": 0.5}
    assert found["form"].to_dict() == {"one": "ablate", "two": "subtract"}
    assert found["direction_position"].to_dict() == {"one": 0, "two": -1}
    assert found.loc["one", "score"] == 0.5 and found[["accuracy", "opener"]].isna().all(axis=None)
