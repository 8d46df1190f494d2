from typing import get_args

import pytest

from anatomy.errors import EditError
from anatomy.interventions.edits.reference import AskedEdit, EditReference, along_selected, is_concrete
from anatomy.interventions.edits.spec import (
    HOOK_METHODS,
    LOW_RANK_METHODS,
    SAVED,
    Edit,
    acts_on_activations,
    check_spec,
    hook_spec,
    intent,
    low_rank_spec,
    stack_intent,
)

GOOD = {"method": "row_mean", "strength": 2.0, "sign": 1, "direction": {"position": -1, "layer": 3, "control": None}}


def test_intent_follows_what_the_edit_does():
    assert intent(GOOD) == "amplify"
    assert intent({"method": "add", "strength": 1.0}) == "amplify"
    assert intent(GOOD | {"sign": -1}) == "measure"
    assert {intent({"method": method}) for method in ("orthogonalize", "ablate", "clamp")} == {"measure"}


@pytest.mark.parametrize("worst", [GOOD | {"sign": -1}, {"method": "ablate"}, {"method": "saved", "intent": "measure"}])
def test_intent_of_a_stack_is_that_of_its_least_safe_member(worst):
    safe = [GOOD, {"method": "add", "strength": 1.0}, {"method": "saved", "intent": "amplify"}]
    assert stack_intent([]) == stack_intent(safe) == "amplify"
    control = {"method": "saved", "intent": "control"}
    for place in range(4):
        assert stack_intent([*safe[:place], worst, *safe[place:]]) == "measure"
        assert stack_intent([*safe[:place], control, *safe[place:]]) == "control"
    assert stack_intent([control, worst]) == stack_intent([worst, control]) == "measure"


def test_edits_of_activations_are_told_from_edits_of_weights():
    told = {
        method: acts_on_activations({"method": method})
        for method in ("ablate", "ablate_own", "clamp", "add", "row_mean", "saved")
    }
    assert {method for method, hooks in told.items() if hooks} == {"ablate", "ablate_own", "clamp", "add"}


@pytest.mark.parametrize(
    "change",
    [
        {"method": "rosi"},
        {"strenght": 2.0},
        {"sign": 0},
        {"sites": ["q_proj"]},
        {"strength": 0.0},
        {"strength": float("nan")},
        {"alpha": 1.0},
        {"positions": "all"},
    ],
)
def test_specs_without_meaning_are_refused(change):
    check_spec(GOOD)
    with pytest.raises(EditError):
        check_spec(GOOD | change)


def test_alpha_is_for_row_mean_only():
    check_spec({"method": "row_mean", "alpha": 1.0})
    with pytest.raises(EditError, match="row_mean alpha"):
        check_spec({"method": "projection", "alpha": 1.0})
    with pytest.raises(EditError, match="no strength"):
        check_spec({"method": "projection"})


def test_every_method_belongs_to_one_type_of_spec():
    methods = [method for spec in get_args(Edit) for method in get_args(spec.__annotations__["method"])]
    assert sorted(methods) == sorted([*LOW_RANK_METHODS, *HOOK_METHODS, SAVED]) and len(set(methods)) == len(methods)
    assert set(get_args(AskedEdit)) == {*get_args(Edit), *get_args(EditReference)}


@pytest.mark.parametrize("spec", get_args(Edit), ids=lambda spec: spec.__name__)
def test_a_spec_may_have_the_keys_of_its_type_and_no_others(spec):
    method = get_args(spec.__annotations__["method"])[0]
    values = {
        "strength": 1.0,
        "alpha": 1.0,
        "sign": 1,
        "sites": [],
        "layers": [0],
        "positions": "all",
        "folder": "f",
        "digest": "d",
    }
    values |= {"intent": "amplify", "direction": {}, "method": "ablate" if method in HOOK_METHODS else method}
    whole = {name: values[name] for name in spec.__annotations__ if name != "alpha"}
    check_spec(whole)
    with pytest.raises(EditError, match="keys"):
        check_spec(whole | {"other": 1})


def test_an_edit_along_a_direction_that_is_not_selected_yet_is_not_concrete():
    waiting = {"method": "ablate", "direction": {"contrast": "plain", "selected": True, "control": None}}
    assert along_selected(waiting) and not is_concrete(waiting)
    assert is_concrete(GOOD) and not along_selected(GOOD)
    for reference in ({"pick": "row_mean"}, {"made": "toy.pruned"}, {"shortlist": "row_mean", "place": 1}):
        assert not is_concrete(reference) and not along_selected(reference)


def test_specs_are_told_apart_by_what_can_build_them():
    hook, saved = {"method": "ablate"}, {"method": "saved", "folder": "f", "digest": "d", "intent": "amplify"}
    assert low_rank_spec(GOOD) == GOOD and hook_spec(hook) == hook
    for build, others in ((low_rank_spec, (hook, saved)), (hook_spec, (GOOD, saved))):
        for other in others:
            with pytest.raises(EditError, match="method"):
                build(other)
