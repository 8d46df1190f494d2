import pytest

from anatomy.errors import EditError
from anatomy.interventions.edits.spec import acts_on_activations, check_spec, intent, stack_intent

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
    for place in range(4):
        assert stack_intent([*safe[:place], worst, *safe[place:]]) == "measure"


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
