"""Heads over some tokens: the same loss as over all with the others' rows at zero, and what is left out is said."""

import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.errors import EditError, ModelError
from anatomy.interventions.edits.head import head_edit
from anatomy.interventions.edits.saved import load_edit, save_edit
from anatomy.interventions.heads import training_memory
from anatomy.interventions.heads.divergence import coarse_divergence
from anatomy.interventions.heads.head_model import FullHead
from anatomy.interventions.heads.targets import keep
from anatomy.interventions.heads.training import Schedule, held_out, token_divergence, train_head
from anatomy.interventions.heads.training_memory import require_training_memory, training_bytes
from anatomy.interventions.heads.transferable import LogitsHead, TopLogits, top_logits
from anatomy.interventions.heads.union import UnionHead, UnionInputs, UnionTopLogits, likeliest, union_logits, within
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.memory import Machine

TEXT, WIDTH, VOCABULARY, MEMBERS = 600, 10, 50, 20
ROWS = torch.arange(TEXT)
SCHEDULE = Schedule(learning_rate=0.03, epochs=30, batch_tokens=100, patience=30, seed=0)


@pytest.fixture(scope="module")
def planted():
    """A base, and an aligned model that differs from it in the rows of ten tokens."""
    generator = torch.Generator().manual_seed(2)
    x, weight = torch.randn(TEXT, WIDTH, generator=generator), torch.randn(VOCABULARY, WIDTH, generator=generator)
    delta = torch.zeros(VOCABULARY, WIDTH)
    delta[5:15] = torch.randn(10, WIDTH, generator=generator)
    targets = keep(x @ (weight + delta).T, 30, 0.999)
    return x, weight, targets, likeliest(x, weight, targets, MEMBERS, 30)


def test_the_loss_is_that_of_a_whole_head_whose_other_rows_are_zero(planted):
    x, weight, targets, union = planted
    residual = torch.randn(MEMBERS, WIDTH, generator=torch.Generator().manual_seed(4))
    whole = weight.index_add(0, union.tokens, residual)
    expected = coarse_divergence(x @ whole.T, _only(targets, union).padded(ROWS))
    head = UnionHead(FullHead(weight[union.tokens], weight[union.tokens] + residual))
    found = token_divergence(head, UnionInputs(x, union), within(targets, union), ROWS)
    assert torch.allclose(found, expected, atol=1e-4)


def _only(targets, union):
    """Targets of which only the union's tokens are kept, by their own ids."""
    placed = within(targets, union)
    return type(targets)(placed.starts, union.tokens[placed.tokens], placed.log_mass, placed.rest)


def test_what_is_left_out_goes_to_the_rest(planted):
    _, _, targets, union = planted
    before, after = targets.padded(ROWS), within(targets, union).padded(ROWS)
    assert torch.allclose(after[1].sum(1) + after[2], torch.ones(TEXT), atol=1e-5)
    assert float((after[2] - before[2]).mean()) == pytest.approx(union.lost, abs=1e-4) and union.lost > 0
    everything = likeliest(planted[0], planted[1], targets, VOCABULARY, 30)
    assert everything.lost == 0 and len(everything.tokens) == VOCABULARY


def test_training_finds_what_the_union_can_hold(planted):
    x, weight, targets, union = planted
    head, validation = FullHead.of(weight[union.tokens]), held_out(torch.full((60,), 10), 0.1, torch.Generator().manual_seed(0))
    trained = train_head(UnionHead(head), UnionInputs(x, union), within(targets, union), validation, SCHEDULE, print)
    assert trained.best < 0.5 * trained.before and float(head.residual().abs().max()) > 0.1


def test_logits_that_a_transferable_head_reads_are_those_of_the_whole_vocabulary(planted):
    x, weight, _, union = planted
    inputs, plain = UnionTopLogits.of(x, weight, union, 7), TopLogits(x, weight, 7)
    assert torch.allclose(inputs[ROWS][:, :-1], plain[ROWS][:, union.tokens])
    matrix = torch.randn(MEMBERS, MEMBERS, generator=torch.Generator().manual_seed(6)) / MEMBERS
    logits = x @ weight.T
    changed = LogitsHead(matrix, 7, union.tokens).changed(logits)
    spread = torch.zeros(VOCABULARY, VOCABULARY)
    spread[union.tokens[:, None], union.tokens] = matrix
    assert torch.allclose(changed, logits + top_logits(logits, 7) @ spread.T, atol=1e-4)
    trained = UnionHead(FullHead(torch.zeros(MEMBERS, MEMBERS), matrix)).logits(inputs[ROWS]) + inputs.logits(ROWS)
    assert torch.allclose(trained[:, :-1], changed[:, union.tokens], atol=1e-4)
    assert torch.allclose(trained.logsumexp(1), changed.logsumexp(1), atol=1e-4)
    assert torch.equal(inputs.logits(ROWS), union_logits(x, weight[union.tokens], ROWS))


@pytest.mark.parametrize("rank", [None, 3])
def test_an_edit_of_some_rows_is_the_dense_one_and_comes_back_from_a_folder(tmp_path, rank):
    checkpoint = Checkpoint(make_tiny_model(tmp_path / "tied", tied=True))
    tokens = torch.tensor([3, 77, 200, 399])
    rows = torch.randn(4, 64, generator=torch.Generator().manual_seed(1))
    residual = rows if rank is None else (torch.randn(rank, 64), torch.randn(4, rank))
    edit, weight = head_edit({}, "amplify", checkpoint, residual, tokens), checkpoint.tensor("model.embed_tokens.weight")
    dense, states = edit.delta(), torch.randn(5, 64)
    assert dense.shape == (400, 64) and (dense.abs().sum(1) > 0).nonzero()[:, 0].tolist() == tokens.tolist()
    assert torch.allclose(edit.added(states), states @ dense.T, atol=1e-5)
    assert torch.allclose(edit.edited("lm_head.weight", weight), weight + dense)
    whole = head_edit({}, "amplify", checkpoint, dense)
    assert edit.card.norms == pytest.approx(whole.card.norms)
    assert edit.card.relative_norms == pytest.approx(whole.card.relative_norms)
    save_edit(edit, tmp_path / "edit", checkpoint)
    back = load_edit(tmp_path / "edit", checkpoint)
    assert back.digest() == edit.digest() and torch.equal(back.delta(), dense) and back.card == edit.card
    for wrong in ([3, 3, 4, 5], [5, 4, 6, 7], [1, 2, 3, 400], [-1, 2, 3, 4]):
        with pytest.raises(EditError, match="repeat, descend or lie outside"):
            head_edit({}, "amplify", checkpoint, rows, torch.tensor(wrong))


def test_a_head_that_memory_does_not_hold_is_refused_before_it_is_trained(monkeypatch):
    """Of 152,000 x 896 numbers one matrix is 545 MB in float32, and training holds six."""
    assert training_bytes(152_000, 896, None, 0) == 6 * 4 * 152_000 * 896
    assert training_bytes(152_000, 896, 16, 0) < 0.2 * training_bytes(152_000, 896, None, 0)
    monkeypatch.setattr(training_memory, "this_machine", lambda: Machine(2**33, 2**31))
    with pytest.raises(ModelError, match=r"2\.0 GiB are free") as caught:
        require_training_memory((152_000, 896), None, 1000, "head pooled of qwen")
    assert "option union" in caught.value.remedy and "at rank 16" in caught.value.remedy
    require_training_memory((4096, 896), None, 1000, "head pooled of qwen")
