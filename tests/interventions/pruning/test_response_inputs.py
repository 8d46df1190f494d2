"""Inputs of matrices at response positions are those that plain hooks see; spaces are those of a whole decomposition."""

import torch
from tiny_model import make_tiny_model

from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.response_inputs import input_moments, input_squares, output_space, space_overlap, wanda_score
from anatomy.models.activations.answers import Forced
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model

TEXTS = [Forced([5, 9, 200, 31], [40, 41, 42]), Forced([7, 8], [90])]


def seen(loaded, name):
    """Inputs of one matrix at the positions that predict a token of an answer, by a hook written out here."""
    found = []
    module = loaded.model.get_submodule(name)
    hook = module.register_forward_pre_hook(lambda module, inputs: found.append(inputs[0][0]))
    parts = []
    for text in TEXTS:
        loaded.model(torch.tensor([[*text.prompt, *text.answer]]))
        start = len(text.prompt) - 1
        parts.append(found.pop()[start : start + len(text.answer)])
    hook.remove()
    return torch.cat(parts).detach()


def test_scores_and_spaces_are_those_of_inputs_at_response_positions(tmp_path):
    folder = make_tiny_model(tmp_path)
    loaded = load_model(folder, torch.float32, "cpu")
    matrices = scored_matrices(loaded, Checkpoint(folder))
    moments = input_moments(loaded, matrices, TEXTS)
    scores = wanda_score(matrices, input_squares(loaded, matrices, TEXTS))
    for name in ("model.layers.0.self_attn.q_proj", "model.layers.3.mlp.down_proj"):
        x, weight = seen(loaded, name), matrices[name].detach()
        assert len(x) == 4
        torch.testing.assert_close(scores(name), weight.abs() * x.norm(dim=0), rtol=1e-4, atol=1e-5)
        left = torch.linalg.svd(weight @ x.T, full_matrices=False).U[:, :2].double()
        basis = output_space(weight, moments[name], 2)
        torch.testing.assert_close(basis.T @ basis, torch.eye(2, dtype=torch.float64))
        assert space_overlap(basis, left) > 1 - 1e-6


def test_a_space_of_rank_0_has_no_direction():
    weight, moment = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.eye(5, dtype=torch.float64)
    assert [output_space(weight, moment, rank).shape for rank in (0, 1, 6)] == [(6, 0), (6, 1), (6, 6)]


def test_random_spaces_overlap_as_chance_has_it():
    torch.manual_seed(0)
    draws = [[torch.linalg.qr(torch.randn(60, 6, dtype=torch.float64)).Q for _ in range(2)] for _ in range(40)]
    assert abs(sum(space_overlap(*pair) for pair in draws) / 40 - 0.1) < 0.02
