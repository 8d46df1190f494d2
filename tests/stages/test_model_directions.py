"""Directions by reference: controls stand beside the direction they are compared with."""

import pytest
import torch

from anatomy.errors import DataError, NumericsError
from anatomy.stages.model_directions import ModelDirections, vector_digest

CONTROLS = [("isotropic", 0), ("isotropic", 1), ("covariance", 0), ("shuffled", 0), ("shuffled", 1)]


@pytest.fixture
def directions(extraction):
    return ModelDirections(extraction)


def reference(layer, position=-1, control=None, contrast="plain"):
    return {"contrast": contrast, "position": position, "layer": layer, "control": control}


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_has_the_norm_of_the_direction_it_stands_beside(directions, control):
    own, beside = directions.candidates("plain"), directions.directions("plain", list(control))
    torch.testing.assert_close(beside.norms(), own.norms(), rtol=1e-5, atol=0)
    assert (beside.positions, beside.layers) == (own.positions, own.layers)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_is_another_direction(directions, control):
    own = directions.unit(reference(2))
    cosine = (own @ directions.unit(reference(2, control=list(control)))).item()
    assert abs(cosine) < 0.95, "8 prompts leave chance overlap, but never the direction itself"


def test_units_are_units(directions):
    for control in (None, ["isotropic", 1], ["shuffled", 0]):
        assert directions.unit(reference(1, control=control)).norm().item() == pytest.approx(1, abs=1e-6)


def test_where_the_sets_do_not_differ_there_is_no_direction(directions):
    # At layer 0 a template position holds the embedding of one and the same token.
    with pytest.raises(NumericsError, match="position -1, layer 0"):
        directions.unit(reference(0))
    with pytest.raises(NumericsError, match="position -1, layer 0"):
        directions.unit(reference(0, control=["isotropic", 0]))


def test_a_control_that_was_not_drawn_is_refused_with_the_remedy(directions):
    with pytest.raises(DataError, match="extract again"):
        directions.directions("plain", ["isotropic", 2])


def test_contrasts_are_kept_apart(directions):
    plain, system = (directions.unit(reference(2, contrast=name)) for name in ("plain", "system"))
    assert not torch.equal(plain, system)


def test_harmless_means_and_mean_inputs_cover_the_model(directions, tiny):
    harmless = directions.harmless("plain")
    assert harmless.mean.shape == (len(harmless.positions), tiny.num_layers, tiny.d_model)
    harmful_inputs, harmless_inputs = directions.mean_inputs("plain")
    sites = ("self_attn.o_proj", "mlp.down_proj")
    writers = {f"model.layers.{layer}.{site}" for layer in range(tiny.num_layers) for site in sites}
    assert set(harmful_inputs) == set(harmless_inputs) == writers


def test_a_digest_follows_the_bits():
    vector = torch.arange(8.0)
    strided = torch.stack([vector, -vector], 1)[:, 0]
    assert vector_digest(strided) == vector_digest(vector) == vector_digest(vector.clone())
    assert len({vector_digest(v) for v in (vector, -vector, 2 * vector, vector.flip(0))}) == 4
