import json

import pytest
import torch

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.directions.candidates import (
    card_path,
    difference_in_means,
    load_directions,
    save_directions,
    unit_vector,
)
from anatomy.models.activations.means import Moments, mean_activations


def moments(mean, positions=(-1,), layers=(0, 1)):
    return Moments(positions, layers, 2, mean, torch.zeros_like(mean))


def test_difference_is_harmful_minus_harmless_in_fp32():
    mean = torch.randn(1, 2, 8, dtype=torch.float64)
    found = difference_in_means(moments(mean + 0.5), moments(mean))
    assert found.vectors.dtype == torch.float32
    torch.testing.assert_close(found.vectors, torch.full((1, 2, 8), 0.5))
    torch.testing.assert_close(found.unit(-1, 1).norm(), torch.tensor(1.0))


def test_template_tokens_do_not_differ_at_the_embedding(directions):
    assert directions.positions == (-2, -1)
    assert (directions.norms()[:, 0] == 0).all()
    assert (directions.norms()[:, 1:] > 0).all()
    with pytest.raises(NumericsError, match="position -1, layer 0"):
        directions.unit(-1, 0)


def test_equal_sets_are_refused(tiny, harmful):
    same = mean_activations(tiny, harmful, [-1], token_budget=100)
    with pytest.raises(NumericsError, match="zero norm"):
        difference_in_means(same, mean_activations(tiny, harmful[::-1], [-1], token_budget=1))


def test_different_places_and_nan_are_refused():
    mean = torch.ones(1, 2, 8, dtype=torch.float64)
    with pytest.raises(DataError, match="same positions"):
        difference_in_means(moments(mean), moments(mean, layers=(1, 2)))
    with pytest.raises(NumericsError):
        difference_in_means(moments(mean * torch.nan), moments(mean))
    with pytest.raises(NumericsError, match="here"):
        unit_vector(torch.zeros(4), "here")


def test_unknown_cell_is_refused(directions):
    with pytest.raises(DataError, match="layer 9"):
        directions.vector(-1, 9)


def test_saved_directions_come_back(directions, tmp_path):
    path = tmp_path / "harm.safetensors"
    save_directions(directions, path, {"contrast": "harm"})
    back = load_directions(path)
    assert torch.equal(back.vectors, directions.vectors)
    assert (back.positions, back.layers) == (directions.positions, directions.layers)
    assert json.loads(card_path(path).read_text())["contrast"] == "harm"
