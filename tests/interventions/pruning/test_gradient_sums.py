"""Gradient scores equal those of plain autograd, and leave no gradient behind."""

import pytest
import torch

from anatomy.errors import NumericsError
from anatomy.interventions.pruning.gradient_scores import gradient_scores


def layer_and_losses():
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 3, bias=False)
    return layer, [lambda rows=rows: layer(rows).tanh().mean() for rows in torch.randn(3, 4, 5)]


@pytest.mark.parametrize("absolute", [False, True])
def test_scores_are_those_of_plain_autograd(absolute):
    layer, losses = layer_and_losses()
    each = torch.stack([torch.autograd.grad(loss(), layer.weight)[0] for loss in losses])
    naive = layer.weight.abs() * each.abs().sum(0) if absolute else layer.weight * each.sum(0)
    torch.testing.assert_close(gradient_scores({"w": layer.weight}, losses, absolute=absolute)["w"], naive.detach())
    assert layer.weight.grad is None


def test_a_gradient_that_is_not_finite_names_matrix_and_example():
    layer, losses = layer_and_losses()
    losses[1] = lambda: layer(torch.full((1, 5), float("nan"))).sum()
    with pytest.raises(NumericsError, match=r"(?s)of w .*example 1"):
        gradient_scores({"w": layer.weight}, losses, absolute=False)
