"""Verdicts about the geometry of directions on tables in which the answer was planted."""

import numpy as np
import pandas as pd
import pytest

from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms import geometry_figures as drawn
from anatomy.recipes.mechanisms.geometry_claims import geometry_claims
from anatomy.recipes.mechanisms.neighbours import base_of, files_of_others

MODEL = "aligned.s0"
NO_ROWS = {"shifts": ["id", "group", "variant", "layer", "side", "cosine", "length"], "kinds": ["id", "group", "layer", "value"]}


def subject_of(config, name=MODEL):
    from anatomy.config.study import subjects

    return next(one for one in subjects(config) if one.id == name)


def tables_of(nearer=0.3, apart=0.4, dealt=0.02, without=()):
    generator = np.random.default_rng(0)
    shifts = pd.DataFrame(
        [
            (f"p{n}", f"g{n // 2}", variant, 2, "harmful", 0.2 + nearer * (variant == "difference") + noise, 1.0)
            for n, noise in enumerate(generator.normal(scale=0.05, size=40))
            for variant in drawn.VARIANTS
        ],
        columns=NO_ROWS["shifts"],
    )
    kinds = pd.DataFrame(
        [(f"p{n}", f"g{n // 2}", 2, apart + noise) for n, noise in enumerate(generator.normal(scale=0.05, size=40))],
        columns=NO_ROWS["kinds"],
    )
    controls = pd.DataFrame(
        [(2, draw, apart if draw < 0 else dealt * generator.normal(), 0.5) for draw in range(-1, 20)],
        columns=["layer", "draw", "value", "share"],
    )
    named = {"shifts": shifts, "kinds": kinds, "kind_controls": controls}
    named["picked"] = pd.DataFrame([{"outcome": "picked", "position": -1, "layer": 2}])
    named |= {name: pd.DataFrame(columns=NO_ROWS[name]) for name in without}
    return Tables(**{name: table.assign(model=MODEL) for name, table in named.items()})


def verdicts(**planted):
    subject = subject_of(check_config({}, "a test"))
    ledger = evaluate_ledger(geometry_claims(subject), tables_of(**planted), seed=0, resampling=Resampling(0.95, 0, 200))
    return {name.removeprefix("mechanisms."): verdict for name, verdict in zip(ledger["claim"], ledger["verdict"], strict=True)}


@pytest.mark.parametrize(
    ("planted", "wanted"),
    [
        ({}, (Verdict.SUPPORTED, Verdict.SUPPORTED)),
        ({"nearer": -0.3}, (Verdict.NOT_SUPPORTED, Verdict.SUPPORTED)),
        ({"dealt": 1.0}, (Verdict.SUPPORTED, Verdict.NOT_SUPPORTED)),
        ({"without": ("shifts", "kinds")}, (Verdict.NOT_TESTABLE, Verdict.NOT_TESTABLE)),
    ],
)
def test_each_sentence_stands_by_its_own_numbers(planted, wanted):
    found = verdicts(**planted)
    assert (found["template_share"], found["kinds_apart"]) == wanted


def test_seeds_are_compared_member_by_member_beside_chance():
    config = check_config({"seeds": [0, 1]}, "a test")
    unit = [1.0, 0.0, 0.0, 0.0]
    vectors = pd.DataFrame(
        [(model, "refusal", 2, unit) for model in ("aligned.s0", "aligned.s1", "base.s0")]
        + [("base.s1", "refusal", 2, [0.0, 1.0, 0.0, 0.0])],
        columns=["model", "direction", "layer", "vector"],
    )
    table = drawn.seeds_table(config, Tables(vectors=vectors)).set_index("member")
    assert table["cosine"].to_dict() == {"aligned": 1.0, "base": 0.0} and set(table["chance"]) == {0.5}


def test_the_base_and_what_other_papers_leave_are_found_only_where_the_run_has_them():
    alone = check_config({"recipes": ["mechanisms"]}, "a test")
    assert base_of(alone, subject_of(alone)).id == "base.s0" and base_of(alone, subject_of(alone, "base.s0")) is None
    assert files_of_others(alone, subject_of(alone)) == {}
    all_papers = check_config({"recipes": ["rosi", "pasta", "pruning", "superficial"]}, "a test")
    found = files_of_others(all_papers, subject_of(all_papers))
    assert found == {
        "rosi": "results/edit/aligned.s0/selected.json",
        "signature": "results/extract/aligned.s0/signature.json",
        "mask": "results/edit/aligned.s0/pruning.mask.json",
        "head": "results/edit/base.s0/superficial.aligned-pooled.json",
    }
    assert files_of_others(all_papers, subject_of(all_papers, "placebo-1.s0")).keys() <= {"rosi", "signature", "mask"}


def test_the_table_of_kinds_says_of_how_many_prompts():
    spaces = pd.DataFrame([(2, "random", 0, 80.0, MODEL)], columns=["layer", "other", "number", "degrees", "model"])
    (row,) = drawn.kinds_table(tables_of().but(spaces=spaces), MODEL).itertuples()
    assert (row.layer, row.n) == (2, 40) and row.own_beyond_others == pytest.approx(0.4)


def test_figures_are_drawn():
    angles = pd.DataFrame(
        [("refusal", "probe", 0, 0.5), ("refusal", "random", 0, 0.1)], columns=["one", "two", "layer", "cosine"]
    )
    assert drawn.angles(angles).to_dict()["config"] and drawn.shifts(tables_of().rows("shifts")).to_dict()["config"]
