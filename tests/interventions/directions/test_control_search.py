import math

import pandas as pd
import pytest

from anatomy.interventions.directions.control_search import strongest_cells
from anatomy.interventions.directions.prompt_scores import PromptScores
from anatomy.interventions.directions.scores import score_candidates

OPTIONS = dict(common_prefix=[11], harmless_answers=None, epsilon=1e-8, token_budget=300)
GRID = pd.DataFrame(
    [(-2, 1, -3.0, 0.5), (-1, 1, -1.0, 4.0), (-1, 2, -2.0, 1.0), (-1, 3, -9.0, 9.0), (-2, 0, math.nan, math.nan)],
    columns=["position", "layer", "bypass", "induce"],
)


@pytest.mark.parametrize(
    ("layers", "ablate", "add"),
    [((0, 1, 2), (-2, 1), (-1, 1)), ((2,), (-1, 2), (-1, 2)), ((1, 2, 3), (-1, 3), (-1, 3)), ((0,), None, None)],
)
def test_a_control_takes_the_extremes_of_the_layers_that_the_rule_allows(layers, ablate, add):
    assert strongest_cells(GRID, layers) == {"ablate": ablate, "add": add}


def test_scores_without_divergence_are_the_same_scores(tiny, directions, harmful, harmless):
    whole, short = (
        score_candidates(PromptScores.of(tiny, directions, harmful, harmless, [30, 70], **OPTIONS), divergence=wanted)
        for wanted in (True, False)
    )
    pd.testing.assert_frame_equal(whole.drop(columns="kl"), short.drop(columns="kl"))
    assert short["kl"].isna().all() and whole["kl"].notna().any()
