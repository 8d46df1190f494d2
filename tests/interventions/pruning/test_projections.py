"""Removal of output directions: what one set alone has goes, what another has stays, and the card says it is a measurement."""

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.errors import StoreError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.pruning.matrices import scored_names
from anatomy.interventions.pruning.projections import (
    projection_edit,
    random_space,
    read_projections,
    removal,
    write_projections,
)
from anatomy.interventions.pruning.response_inputs import output_space
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model

ROWS, COLUMNS, RANK = 24, 40, 3


@pytest.fixture
def world():
    """A matrix, and inputs of two sets, each in a few directions of its own."""
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(ROWS, COLUMNS, generator=draw)
    bases = torch.linalg.qr(torch.randn(COLUMNS, 2 * RANK, generator=draw, dtype=torch.float64)).Q
    sets = [(bases[:, part] @ torch.randn(RANK, 50, generator=draw, dtype=torch.float64)) for part in (slice(0, 3), slice(3, 6))]
    return weight, sets


def test_the_projection_is_the_published_one(world):
    weight, (one, two) = world
    removed, preserved = (output_space(weight, x @ x.T, RANK) for x in (one, two))
    a, b = removal(weight, removed, preserved, RANK)
    pi_s, pi_u = removed @ removed.T, preserved @ preserved.T
    delta = (torch.eye(ROWS, dtype=torch.float64) - pi_u) @ pi_s @ weight.double()
    torch.testing.assert_close((b @ a).double(), -delta, rtol=1e-4, atol=1e-5)
    assert torch.linalg.matrix_rank(b @ a) <= RANK, "rank(Delta) <= min(r_u, R - r_s)"


def test_outputs_of_the_removed_set_go_as_far_as_they_are_not_preserved(world):
    weight, (one, two) = world
    removed, preserved = (output_space(weight, x @ x.T, RANK) for x in (one, two))
    nothing = torch.zeros(ROWS, 0, dtype=torch.float64)
    for kept, left in ((nothing, 0.0), (preserved, None), (removed, 1.0)):
        a, b = removal(weight, removed, kept, RANK)
        edited = weight.double() + (b @ a).double()
        share = float((edited @ one).norm() / (weight.double() @ one).norm())
        if left is not None:
            assert share == pytest.approx(left, abs=1e-5)
        else:
            inside = preserved.T @ ((edited - weight.double()) @ two)
            assert share < 1 and float(inside.norm()) < 1e-4 * float((weight.double() @ two).norm()), "what is kept is untouched"


def test_random_directions_are_orthonormal():
    space = random_space(ROWS, RANK, torch.Generator().manual_seed(1))
    torch.testing.assert_close(space.T @ space, torch.eye(RANK, dtype=torch.float64))


def test_the_edit_is_one_to_measure_and_goes_without_a_trace(tmp_path):
    folder = make_tiny_model(tmp_path / "model")
    checkpoint, loaded = Checkpoint(folder), load_model(folder, torch.float32, "cpu")
    draw, factors = torch.Generator().manual_seed(0), {}
    for name in scored_names(checkpoint):
        weight = loaded.model.get_submodule(name).weight
        factors[name] = removal(weight, random_space(len(weight), 2, draw), random_space(len(weight), 4, draw), 3)
    write_projections(tmp_path / "x.safetensors", {"ActSVD": factors})
    (read,) = read_projections(tmp_path / "x.safetensors").values()
    assert all(torch.equal(one, two) for name in factors for one, two in zip(read[name], factors[name], strict=True))
    edit = projection_edit({"method": "ActSVD"}, checkpoint, read)
    assert edit.card.intent == "measure" and edit.card.rank == 3 and set(edit.card.edited) == set(factors)
    before = {name: one.clone() for name, one in loaded.model.state_dict().items()}
    with applied(loaded, edit):
        changed = {name for name, one in loaded.model.state_dict().items() if not torch.equal(one, before[name])}
        assert changed == {f"{name}.weight" for name in factors}
    assert all(torch.equal(one, before[name]) for name, one in loaded.model.state_dict().items())
    (tmp_path / "x.safetensors").write_bytes(b"cut")
    with pytest.raises(StoreError, match="delete the file"):
        read_projections(tmp_path / "x.safetensors")
