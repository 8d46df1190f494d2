"""ROSI's search: spaces, shortlist, pick."""

import numpy as np
import pandas as pd
import pytest

from anatomy.config.study import subjects
from anatomy.errors import EditError
from anatomy.interventions.variant import resolve
from anatomy.recipes.configuration import Config
from anatomy.recipes.rosi.families import candidates, families, layers
from anatomy.recipes.rosi.rules import pick, rank_candidates
from anatomy.recipes.rosi.variants import variants_in_memory, variants_on_select, variants_on_test

CONFIG = Config()
BY_MEMBER = {subject.member: subject for subject in subjects(CONFIG)}


@pytest.mark.parametrize(("num_layers", "expected"), [(6, [1, 2, 3]), (32, list(range(1, 25))), (2, [1])])
def test_layers_follow_the_cut_of_the_selection_rule(num_layers, expected):
    assert layers(CONFIG.rosi, num_layers, 0.8) == expected


def test_controls_search_exactly_as_their_method():
    weak = BY_MEMBER["weak"]
    methods = {family.method: family for family in families(CONFIG, weak) if not family.control}
    for family in families(CONFIG, weak):
        if family.control:
            own, other = (candidates(one, CONFIG.rosi, [1, 2]) for one in (methods[family.method], family))
            strip = [{**edit, "direction": {**edit["direction"], "control": None}} for edit in other]
            assert strip == own


def test_the_headline_model_has_at_least_nineteen_controls_and_other_curves_five():
    def controls(member, method):
        return sum(bool(family.control) and family.method == method for family in families(CONFIG, BY_MEMBER[member]))

    for method in ("row_mean", "row_mean_signed", "projection"):
        assert controls("weak", method) >= 19
        assert controls("aligned", method) >= 5
        assert controls("placebo-1", method) == 0  # no curve is drawn for it, and no claim ranks its edits


def test_the_published_form_has_one_sign_and_ours_has_two():
    found = {family.name: family.signs for family in families(CONFIG, BY_MEMBER["weak"]) if not family.control}
    assert found["row_mean"] == (1,)
    assert found["row_mean_signed"] == (1, -1)


def test_uncensored_models_are_read_under_the_safety_prompt_first():
    names = {family.name: family.contrast for family in families(CONFIG, BY_MEMBER["uncensored-1"]) if not family.control}
    assert names["row_mean"] == "system"
    assert names["row_mean@plain"] == "plain"


def test_ids_are_unique_in_every_phase():
    for member in ("base", "weak", "uncensored-1"):
        for phase in (variants_on_select, variants_on_test, variants_in_memory):
            ids = [variant.id for variant in phase(CONFIG, BY_MEMBER[member])]
            assert len(ids) == len(set(ids))


def test_a_bucket_never_depends_on_the_other_variants():
    variants = variants_on_test(CONFIG, BY_MEMBER["weak"])
    smaller = Config.model_validate({"extraction": {"controls": {"isotropic": 1, "covariance": 0, "shuffled": 0}}})
    fewer = {variant.id: variant.bucket(4) for variant in variants_on_test(smaller, BY_MEMBER["weak"])}
    assert {variant.id: variant.bucket(4) for variant in variants if variant.id in fewer} == fewer
    assert len({variant.bucket(4) for variant in variants}) == 4


def screen(**columns):
    return pd.DataFrame(
        {
            "harmful_metric": [1.0, 5.0, 3.0],
            "benign_refused": [0.0, 0.5, 0.02],
            "strength": [1, 10, 5],
            "layer": [1, 2, 3],
            **columns,
        }
    )


def test_the_shortlist_prefers_strong_candidates_that_spare_benign_prompts():
    ranked = rank_candidates(screen(), 0.0, 0.05, 2)
    assert ranked["place"].tolist() == [2, 0, 1]
    assert "rise" in ranked["reason"][1]


def test_if_none_is_eligible_the_least_harm_leads():
    ranked = rank_candidates(screen(benign_refused=[0.9, 0.5, 0.7]), 0.0, 0.05, 1)
    assert ranked["place"].tolist() == [0, 1, 0]


def shortlist(**columns):
    return pd.DataFrame(
        {
            "place": [1, 2],
            "harmful_refused": [0.9, 0.9],
            "benign_rise": [0.0, 0.0],
            "benchmark_loss": [0.0, 0.0],
            "strength": [10.0, 2.0],
            "layer": [1, 2],
            **columns,
        }
    )


def test_ties_go_to_the_gentler_edit():
    assert pick(shortlist(), 0.05, 0.05)[0] == 2


def test_a_pick_must_keep_benign_requests_and_benchmarks():
    assert pick(shortlist(benign_rise=[0.0, 0.2]), 0.05, 0.05)[0] == 1
    assert pick(shortlist(benchmark_loss=[0.0, 0.2]), 0.05, 0.05)[0] == 1
    place, reason = pick(shortlist(benign_rise=[0.2, 0.2]), 0.05, 0.05)
    assert place is None and "no candidate" in reason


def test_controls_are_not_held_to_benchmarks():
    assert pick(shortlist(benchmark_loss=[np.nan, np.nan]), 0.05, 0.05)[0] == 2


def test_places_in_a_search_resolve_to_what_was_found():
    found = {"row_mean": [{"strength": 1}, {"strength": 2}]}
    assert resolve({"shortlist": "row_mean", "place": 2}, found) == {"strength": 2}
    assert resolve({"shortlist": "row_mean", "place": 3}, found) is None
    assert resolve({"pick": "row_mean"}, {"row_mean": None}) is None
    assert resolve({"method": "ablate"}, {}) == {"method": "ablate"}


@pytest.mark.parametrize(
    ("edit", "found", "told"),
    [
        ({"shortlist": "row_mean", "place": 1}, {}, "no shortlist called 'row_mean'"),
        ({"shortlist": "row_mean", "place": 1}, {"row_mean": {"method": "ablate"}}, "asked for as shortlist"),
        ({"pick": "row_mean"}, {"row_mean": [{"method": "ablate"}]}, "asked for as pick"),
        ({"made": "toy"}, {"toy": [{"method": "ablate"}]}, "asked for as made"),
        ({"method": "ablate", "direction": {"contrast": "plain", "selected": True, "control": None}}, {}, "will choose"),
    ],
)
def test_what_no_search_left_is_refused(edit, found, told):
    with pytest.raises(EditError, match=told):
        resolve(edit, found)
