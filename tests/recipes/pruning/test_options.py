"""Options that cannot be meant are refused before anything is scored."""

import pytest

from anatomy.errors import ConfigError
from anatomy.recipes.configuration import check_config


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prune": [0.01, 1.5]}, "1.5 is no fraction"),
        ({"prune": [-0.1]}, "no fraction"),
        ({"prune": [float("nan")]}, "no fraction"),
        ({"preserve": [5.0]}, "5 is no fraction"),
        ({"prune": [0.5, 1.0]}, "1 prunes every weight of a matrix"),
        ({"prune": [0.0]}, "asks for no weights"),
        ({"prune": []}, "at least 1 item"),
        ({"refusals": 1.0}, "less than 1"),
        ({"models": ["nobody"]}, "nobody"),
        ({"rank": "matrix"}, "rank"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, message):
    with pytest.raises(ConfigError) as caught:
        check_config({"recipes": ["pruning"], "pruning": options}, "mine.yaml")
    assert message in str(caught.value) and "pruning" in str(caught.value) and "mine.yaml" in str(caught.value)


def test_fractions_are_put_in_order_and_a_whole_preserved_matrix_may_be_asked_for():
    found = check_config({"recipes": ["pruning"], "pruning": {"prune": [0.1, 0.01, 0.1], "preserve": [1.0, 0.0]}}, "-").pruning
    assert found.prune == [0.01, 0.1] and found.preserve == [0.0, 1.0]
