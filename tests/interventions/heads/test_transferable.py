"""A transferable head: what it adds to a model's logits, that it is gone afterwards, and what it does not fit."""

import pytest
import torch
from tiny_model import hooks_of, load_tiny_model, make_tiny_model

from anatomy.errors import ConfigError, EditError
from anatomy.interventions.heads.head_model import FullHead
from anatomy.interventions.heads.targets import keep
from anatomy.interventions.heads.training import Schedule, train_head
from anatomy.interventions.heads.transferable import LogitsHead, attached, require_square, space_similarity, top_logits


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load_tiny_model(make_tiny_model(tmp_path_factory.mktemp("model")))


def test_all_but_the_largest_logits_are_zero():
    found = top_logits(torch.tensor([[3.0, -1.0, 2.0], [-5.0, -4.0, -6.0]]), 2)
    assert found.tolist() == [[3.0, 0.0, 2.0], [-5.0, -4.0, 0.0]]


def test_logits_change_by_the_matrix_times_the_largest_and_come_back(loaded):
    ids, rows = torch.tensor([[5, 9, 30]]), loaded.model.lm_head.weight.shape[0]
    before, hooks = loaded.model(ids).logits, hooks_of(loaded.model)
    matrix = torch.randn(rows, rows, generator=torch.Generator().manual_seed(0)) / rows
    with attached(loaded.model, LogitsHead(matrix, 7)):
        inside = loaded.model(ids).logits
    expected = before[0] + top_logits(before[0], 7) @ matrix.T
    assert torch.allclose(inside[0], expected, atol=1e-4) and not torch.allclose(inside, before, atol=1e-3)
    assert torch.equal(loaded.model(ids).logits, before) and hooks_of(loaded.model) == hooks


def test_another_vocabulary_too_many_tokens_and_too_large_a_matrix_are_refused(loaded):
    rows = loaded.model.lm_head.weight.shape[0]
    with (
        pytest.raises(EditError, match=rf"expected: +\[{rows}, {rows}\]"),
        attached(loaded.model, LogitsHead(torch.zeros(9, 9), 3)),
    ):
        pass
    with (
        pytest.raises(ConfigError, match=f"k = {rows + 1}"),
        attached(loaded.model, LogitsHead(torch.zeros(rows, rows), rows + 1)),
    ):
        pass
    with pytest.raises(ConfigError, match="23 billion entries"):
        require_square(152_000, "here")
    require_square(32_000, "here")


def test_a_map_of_logits_is_found_by_distillation_and_serves_another_model_of_the_family():
    generator = torch.Generator().manual_seed(1)
    tokens, truth = 30, torch.randn(30, 30, generator=generator) / 8
    ours, theirs = (3 * torch.randn(1500, tokens, generator=generator) for _ in range(2))
    x = top_logits(ours, 10)
    goal = keep(ours + x @ truth.T, tokens, 1.0)
    held, head = torch.arange(1500) % 10 == 0, FullHead.of(torch.zeros(tokens, tokens))
    train_head(head, x, goal, held, Schedule(0.01, 60, 200, 60, 0), lambda text: None, offset=lambda rows: ours[rows])
    said = (theirs + top_logits(theirs, 10) @ truth.T).argmax(1)
    found = (theirs + top_logits(theirs, 10) @ head.matrix.T).argmax(1)
    assert (found == said).float().mean() > 0.9 > (theirs.argmax(1) == said).float().mean()


def test_spaces_are_alike_where_they_are_one_and_not_where_they_are_orthogonal():
    basis = torch.linalg.qr(torch.randn(40, 40, generator=torch.Generator().manual_seed(2)))[0]
    mixed = torch.randn(8, 8, generator=torch.Generator().manual_seed(3))
    assert space_similarity(basis[:8], mixed @ basis[:8]) == pytest.approx(1, abs=1e-4)
    assert space_similarity(basis[:8], basis[8:16]) == pytest.approx(0, abs=1e-4)
    assert space_similarity(basis[:8], basis[4:12]) == pytest.approx(0.5**0.5, abs=1e-4)
