import pytest

from anatomy.errors import EditError
from anatomy.interventions.edits.spec import check_spec, intent

GOOD = {"method": "row_mean", "strength": 2.0, "sign": 1, "direction": {"position": -1, "layer": 3, "control": None}}


def test_intent_follows_what_the_edit_does():
    assert intent(GOOD) == "amplify"
    assert intent({"method": "add", "strength": 1.0}) == "amplify"
    assert intent(GOOD | {"sign": -1}) == "measure"
    assert {intent({"method": method}) for method in ("orthogonalize", "ablate", "clamp")} == {"measure"}


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
