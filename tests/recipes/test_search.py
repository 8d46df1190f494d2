"""ROSI's search: spaces, shortlist, pick."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize(("wanted", "organism", "own"), [("none", False, False), ("organism", True, False), ("all", True, True)])
def test_controls_take_benchmarks_on_the_select_split_alone_where_the_option_says_so(wanted, organism, own):
    config = Config.model_validate({"rosi": {"benchmarked_controls": wanted}})
    grown = BY_MEMBER["weak"]
    for subject, expected in ((grown, organism), (replace(grown, id="weak", seed=None, member=None), own)):
        select, test = (phase(config, subject) for phase in (variants_on_select, variants_on_test))
        controls = [one for one in select if one.role == "control"]
        assert len(controls) == 3 * 19 * config.rosi.shortlist and {one.benchmarked for one in controls} == {expected}
        assert all(one.benchmarked for one in select if one.role != "control")
        assert not any(one.benchmarked for one in test if one.role == "control")


def screen(**columns):
    """Three candidates: a gentle one, one that refuses everything, and one between."""
    table = pd.DataFrame(
        {
            "harmful_metric": [1.0, 5.0, 3.0],
            "harmful_rise": [0.2, 0.6, 0.5],
            "benign_rise": [0.0, 0.5, 0.02],
            "strength": [1, 10, 5],
            "layer": [1, 2, 3],
            **columns,
        }
    )
    half = columns.get("half", 0.03)
    return table.assign(benign_rise_low=table["benign_rise"] - half, benign_rise_high=table["benign_rise"] + half)


def test_the_shortlist_prefers_the_largest_net_gain_within_the_limit():
    ranked = rank_candidates(screen(), 0.05, 2)
    assert ranked["place"].tolist() == [2, 0, 1]
    assert "limit" in ranked["reason"][1]


def test_no_place_is_given_to_a_candidate_outside_the_limits():
    ranked = rank_candidates(screen(benign_rise=[0.9, 0.5, 0.7]), 0.05, 2)
    assert ranked["place"].tolist() == [0, 0, 0]


def test_a_limit_that_the_prompts_cannot_decide_throws_nobody_out():
    ranked = rank_candidates(screen(benign_rise=[0.06, 0.12, 0.06], half=0.12), 0.05, 3)
    assert ranked["place"].tolist() == [3, 1, 2] and ranked["reason"].str.contains("not decided").all()


def test_an_edit_that_lowers_the_refusal_of_harmful_requests_is_never_listed():
    ranked = rank_candidates(screen(harmful_rise=[-0.02, -0.3, 0.0], benign_rise=[0.0, -0.4, 0.0]), 0.05, 3)
    assert ranked["place"].tolist() == [0, 0, 1]
    assert ranked["reason"][1].startswith("refuses fewer harmful requests")


def shortlist(**columns):
    table = pd.DataFrame(
        {
            "place": [1, 2],
            "harmful_rise": [0.5, 0.5],
            "benign_rise": [0.0, 0.0],
            "benchmark_loss": [0.0, 0.0],
            "strength": [10.0, 2.0],
            "layer": [1, 2],
            **columns,
        }
    )
    for name in ("benign_rise", "benchmark_loss"):
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - 0.1, table[name] + 0.1
    return table


def test_ties_go_to_the_gentler_edit():
    assert pick(shortlist(), 0.05, 0.05)[0] == 2


def test_a_pick_must_keep_benign_requests_and_benchmarks():
    assert pick(shortlist(benign_rise=[0.0, 0.2]), 0.05, 0.05)[0] == 1
    assert pick(shortlist(benchmark_loss=[0.0, 0.2]), 0.05, 0.05)[0] == 1
    place, reasons = pick(shortlist(benign_rise=[0.2, 0.2]), 0.05, 0.05)
    assert place is None and all("limit 0.05" in reason for reason in reasons)


def test_one_refusal_more_among_few_prompts_does_not_throw_out_the_better_edit():
    assert pick(shortlist(harmful_rise=[0.8, 0.3], benign_rise=[0.06, 0.0]), 0.05, 0.05)[0] == 1


@pytest.mark.parametrize("other", [0.0, -0.1])
def test_a_pick_never_lowers_the_refusal_of_harmful_requests(other):
    """Every candidate that raises refusals breaks a limit, and one that lowers them is left: then there is no pick."""
    table = shortlist(harmful_rise=[0.9, -0.25], benign_rise=[0.4, other])
    place, reasons = pick(table, 0.05, 0.05)
    assert place is None
    assert "benign" in reasons[0] and "fewer harmful requests" in reasons[1]


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.floats(-1, 1)] * 3, st.floats(0, 0.5)), min_size=1, max_size=6))
def test_whatever_the_limits_exclude_no_pick_lowers_refusals(rows):
    table = pd.DataFrame(rows, columns=["harmful_rise", "benign_rise", "benchmark_loss", "half"])
    table = table.assign(place=range(1, len(table) + 1), strength=1.0, layer=1)
    for name in ("benign_rise", "benchmark_loss"):
        table[f"{name}_low"], table[f"{name}_high"] = table[name] - table["half"], table[name] + table["half"]
    place, _ = pick(table, 0.05, 0.05)
    assert place is None or table.set_index("place").loc[place, "harmful_rise"] >= 0
    ranked = rank_candidates(table.assign(harmful_metric=table["harmful_rise"]), 0.05, 3)
    assert (ranked.loc[ranked["place"] > 0, "harmful_rise"] >= 0).all()
    assert (ranked.loc[ranked["place"] > 0, "benign_rise_low"] <= 0.05).all()


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
