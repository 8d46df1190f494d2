"""Options that a model of a size cannot meet are refused before anything is asked of it."""

import pytest

from anatomy.errors import ConfigError
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.fitting_options import require_fitting

SHAPES = {"a": (40, 30), "b": (20, 60)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"prune": [1e-6, 8e-4]}, "largest matrix"),
        ({"prune": [0.01], "ranking": "row"}, "longest row"),
        ({"prune": [4e-4], "ranking": "global"}, "of all matrices"),
        ({"preserved_ranks": 40}, "at most 40"),
    ],
)
def test_what_leaves_nothing_to_take_away_is_refused(given, message):
    with pytest.raises(ConfigError, match=message) as caught:
        require_fitting(Pruning(**given), SHAPES, "mine")
    assert "pruning." in str(caught.value) and "mine" in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"prune": [1e-6, 9e-4]},
        {"prune": [0.02], "ranking": "row"},
        {"prune": [5e-4], "ranking": "global"},
        {"preserved_ranks": 39},
        {"preserved_ranks": 4096, "removed_ranks": None},
    ],
)
def test_what_leaves_something_is_not(given):
    require_fitting(Pruning(**given), SHAPES, "mine")
