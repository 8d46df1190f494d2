import pytest
import torch

from anatomy.directions.controls import covariance_matched, isotropic
from anatomy.directions.reference import resolve_direction
from anatomy.errors import EditError, NumericsError


def at(control, layer=2):
    return {"position": -1, "layer": layer, "control": control}


def test_each_reference_names_one_vector(directions):
    covariance = torch.diag(torch.arange(64.0).double())
    material = dict(covariances={2: covariance}, shuffled={5: directions})
    found = {
        "itself": resolve_direction(at(None), directions, **material),
        "isotropic": resolve_direction(at({"kind": "isotropic", "seed": 5}), directions, **material),
        "covariance": resolve_direction(at({"kind": "covariance", "seed": 5}), directions, **material),
        "shuffled": resolve_direction(at({"kind": "shuffled", "seed": 5}, layer=3), directions, **material),
    }
    assert torch.equal(found["itself"], directions.unit(-1, 2))
    assert torch.equal(found["isotropic"], isotropic(64, 5))
    assert torch.equal(found["covariance"], covariance_matched(covariance, 5))
    assert torch.equal(found["shuffled"], directions.unit(-1, 3))
    for vector in found.values():
        assert vector.norm().item() == pytest.approx(1.0, abs=1e-6)


def test_what_was_not_extracted_is_refused(directions):
    for kind in ("covariance", "shuffled", "orthogonal"):
        with pytest.raises(EditError, match=f"{kind} control, seed 1"):
            resolve_direction(at({"kind": kind, "seed": 1}), directions)
    with pytest.raises(NumericsError, match="layer 0"):
        resolve_direction(at(None, layer=0), directions)
