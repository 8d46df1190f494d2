import math

import pytest
import torch
from counted_tokens import counting

from anatomy.errors import DataError
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.separation import cohens_d, projections, separation
from anatomy.models.activations.projections import project_cells

LOW, HIGH = torch.arange(4.0).double(), torch.arange(10.0, 14.0).double()


def test_cohens_d_by_hand():
    # Both groups have sample variance 5/3; the means differ by 10.
    assert cohens_d(HIGH, LOW) == pytest.approx(10 / math.sqrt(5 / 3), rel=1e-12)
    assert math.isnan(cohens_d(torch.ones(3).double(), torch.ones(3).double()))


def test_one_row_a_cell():
    directions = Directions(torch.full((2, 2, 4), 0.5), (-2, -1), (1, 2))
    harmful = torch.stack([LOW, HIGH, LOW, LOW], 1).view(4, 2, 2)
    harmless = torch.stack([LOW, LOW, HIGH, LOW], 1).view(4, 2, 2)
    table = separation(directions, harmful, harmless)
    assert table[["position", "layer"]].values.tolist() == [[-2, 1], [-2, 2], [-1, 1], [-1, 2]]
    assert table["auroc"].tolist() == [0.5, 1.0, 0.0, 0.5]
    assert table["norm"].tolist() == pytest.approx([1.0] * 4)


def test_projections_are_those_of_whole_prompts_with_fewer_tokens_run(tiny, directions, harmless):
    begun = [[1, *range(40, 60), *prompt[1:]] for prompt in harmless]
    with counting() as whole:
        expected = project_cells(tiny, begun, directions.vectors, directions.positions, directions.layers, token_budget=150)
    with counting() as shared:
        found = projections(tiny, begun, directions, 150)
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()
    assert shared.tokens < 0.7 * whole.tokens


def test_a_prompt_shorter_than_a_position_is_refused(tiny, directions):
    with pytest.raises(DataError, match="prompt 0"):
        projections(tiny, [[5]], directions, 100)
