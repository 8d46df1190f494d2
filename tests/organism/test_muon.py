"""Muon in fp32 against torch's own, which computes the same in bfloat16, and against the singular value decomposition."""

import pytest
import torch

from anatomy.organism.muon import Muon, orthogonalised

SHAPES = [(24, 24), (48, 16), (16, 48)]


def drawn(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_move_to_one_and_singular_vectors_stay(shape):
    updates = torch.stack([drawn(shape, seed) for seed in range(3)])
    moved = orthogonalised(updates, 8)
    left, _, right = torch.linalg.svd(updates.double(), full_matrices=False)
    inside = left.mT @ moved.double() @ right.mT
    values = inside.diagonal(dim1=1, dim2=2)
    assert (inside - torch.diag_embed(values)).abs().max() < 1e-4
    assert values.min() > 0.6 and values.max() < 1.3


@pytest.mark.parametrize("shape", SHAPES)
def test_steps_equal_torchs_up_to_its_bfloat16(shape):
    ours, theirs = (torch.nn.Parameter(drawn(shape, 1)) for _ in range(2))
    start = ours.detach().clone()
    mine = Muon([ours], lr=0.02, weight_decay=0.1, ns_steps=4)
    torchs = torch.optim.Muon([theirs], lr=0.02, weight_decay=0.1, ns_steps=4, momentum=0.95)
    for seed in range(4):
        ours.grad, theirs.grad = drawn(shape, 10 + seed), drawn(shape, 10 + seed)
        mine.step()
        torchs.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.02 * moved


def test_nothing_is_cast():
    double = torch.nn.Parameter(drawn((8, 8), 2).double())
    double.grad = drawn((8, 8), 3).double()
    Muon([double], lr=0.1).step()
    assert double.dtype == torch.float64
    exact = orthogonalised(drawn((1, 8, 8), 4).double(), 4)
    assert (exact - orthogonalised(drawn((1, 8, 8), 4), 4).double()).abs().max() < 1e-5


def test_a_parameter_without_a_gradient_stays():
    still, other = torch.nn.Parameter(drawn((8, 8), 5)), torch.nn.Parameter(drawn((8, 8), 6))
    before = still.detach().clone()
    other.grad = drawn((8, 8), 7)
    Muon([still, other], lr=0.1).step()
    assert torch.equal(still, before)
