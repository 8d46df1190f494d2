"""PASTA's claims on tables whose truth is set by hand."""

import pandas as pd
import pytest
from pasta_tables import TRUTH, pasta_config, pasta_tables

from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.recipes.pasta.ledger import claims_of
from anatomy.recipes.pasta.pairs import pairs

CONFIG = pasta_config()
RESAMPLING = Resampling(0.95, 0, 300)


def ledger_of(tables):
    claims = [claim for pair in pairs(CONFIG) for claim in claims_of(CONFIG, pair, TRUTH)]
    return evaluate_ledger(claims, tables, seed=0, resampling=RESAMPLING).set_index(["claim", "subject"])


@pytest.fixture(scope="module")
def tables():
    return pasta_tables()


@pytest.fixture(scope="module")
def ledger(tables):
    return ledger_of(tables)


def test_every_sentence_is_supported_where_it_is_true(ledger):
    own = ledger.xs("aligned.s0", level="subject")
    assert set(own.index[own["verdict"] != "supported"]) == {"pasta.relevance_kept", "pasta.fluency_kept"}
    assert own.loc[["pasta.relevance_kept", "pasta.fluency_kept"], "verdict"].eq("not testable here").all()


@pytest.mark.parametrize(
    ("value", "half", "verdict"),
    [(0.5, 0.05, "supported"), (0.7, 0.05, "supported"), (0.45, 0.2, "inconclusive"), (0.2, 0.05, "not supported")],
)
def test_relevance_is_kept_where_edited_texts_do_not_lose_comparisons(tables, value, half, verdict):
    measures = tables.measures
    one = measures[
        (measures["model"] == "aligned.s0")
        & (measures["variant"].str.startswith("pasta@binoculars"))
        & (measures["domain"] == "all")
    ].head(1)
    judged = one.assign(kind="quality", measure="relevance_win", value=value, low=value - half, high=value + half, n=50)
    found = ledger_of(tables.but(measures=pd.concat([measures, judged], ignore_index=True)))
    row = found.loc[("pasta.relevance_kept", "aligned.s0")]
    assert row["verdict"] == verdict and (row["estimate"], row["n"]) == (value, 50)


def test_the_planted_style_is_not_found_where_style_follows_wording(ledger):
    for name in ("planted_style", "planted_found"):
        assert ledger.loc[(f"pasta.{name}", "placebo-1.s0"), "verdict"] == "not supported"
        assert ledger.loc[(f"pasta.{name}", "aligned.s0"), "planted"]


def test_the_style_is_not_found_by_an_edit_that_works_along_any_direction(tables):
    judged = tables.judgements.copy()
    random = judged["variant"].str.startswith("operating-orthogonal-2") & (judged["judge"] == "truth_style")
    judged.loc[random, "label"] = "plain"
    found = ledger_of(tables.but(judgements=judged)).xs("aligned.s0", level="subject")["verdict"]
    assert found["pasta.planted_found"] == "not supported" and found["pasta.planted_operating"] == "not supported"


def test_a_random_direction_that_does_as_much_is_seen(tables):
    judged = tables.judgements.copy()
    like = judged["variant"] == "orthogonal-3~0a1b2c3d"
    judged.loc[like & judged["judge"].isin(["binoculars"]), "score"] -= 0.6
    found = ledger_of(tables.but(judgements=judged))
    assert found.loc[("pasta.beyond_orthogonal", "aligned.s0"), "verdict"] == "not supported"
    assert found.loc[("pasta.beyond_equal_variance", "aligned.s0"), "verdict"] == "supported"


def test_texts_without_a_score_are_left_out_until_too_few_are_left(tables):
    ablated = tables.judgements["variant"] == "pasta@binoculars~0a1b2c3d"
    for lost, testable in ((10, True), (20, False)):
        judged = tables.judgements.copy()
        gone = ablated & judged["id"].isin([f"p{n:02d}" for n in range(lost)]) & (judged["judge"] == "binoculars")
        judged.loc[gone, ["score", "parse_failure"]] = [float("nan"), True]
        row = ledger_of(tables.but(judgements=judged)).loc[("pasta.ablation_lowers.binoculars", "aligned.s0")]
        assert (row["verdict"] == "supported") == testable and row["n"] == (60 - lost if testable else 0)


def test_a_layer_that_depends_on_the_detector_is_not_localised(tables):
    layers = tables.layers.copy()
    other = layers["detector"] == "imbd"
    layers.loc[other, "share"] = (layers["layer"] == 1).astype(float)
    layers.loc[other, "chosen"] = layers["layer"] == 1
    found = ledger_of(tables.but(layers=layers)).loc[("pasta.localised", "aligned.s0")]
    assert found["verdict"] == "not supported" and "imbd 1" in found["reason"]
    assert found["estimate"] == 0.0


def test_refusals_that_fall_under_ablation_break_safety(tables):
    judged = tables.judgements.copy()
    ablated = judged["variant"].str.startswith("pasta@") & (judged["set"] == "harmful_requests")
    judged.loc[ablated, "label"] = "none"
    assert ledger_of(tables.but(judgements=judged)).loc[("pasta.refusal_kept", "aligned.s0"), "verdict"] == "not supported"
