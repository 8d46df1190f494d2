"""Rates and scores that charts and tables share."""

import pytest

from anatomy.evidence.figures.rates import method_of


def test_rates_are_those_set_by_hand(rates):
    found = rates.set_index(["model", "variant", "set"])["rate"]
    assert found["weak", "base", "harmful_requests"] == pytest.approx(0.4, abs=1e-9)
    assert found["weak", "row_mean~0000beef", "harmful_requests"] == pytest.approx(0.8, abs=1e-9)
    assert found["aligned", "ablate~0000cafe", "harmful_requests"] == 0.0


def test_intervals_hold_their_rates_and_name_their_size(rates, scores):
    for table in (rates, scores):
        assert (table["low"] <= table["rate"]).all() and (table["rate"] <= table["high"]).all()
    assert set(rates["n"]) == {60} and set(rates["clusters"]) == {30}


def test_variants_keep_their_description(rates):
    controls = rates[rates["role"] == "control"]
    assert len(controls) and controls["control"].notna().all()
    assert {method_of(family) for family in controls["family"]} >= {"row_mean", "ablate"}


def test_scores_use_the_metric_named_for_the_task(scores):
    found = scores.set_index(["model", "variant", "task"])["rate"]
    assert found["weak", "base", "mmlu"] == pytest.approx(0.7, abs=1e-9)
    assert found["weak", "base", "truthfulqa"] == pytest.approx(0.5 * 0.8 + 0.1, abs=1e-9)
