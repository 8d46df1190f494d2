"""An edit of the output head on classes that share it with the embedding: the head changes alone, and all goes back."""

import pytest
import torch
from architecture_models import checkpoint_of, model_of, random_prompts
from edit_kinds import head
from tiny_architectures import ARCHITECTURES

from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.saved import load_edit, save_edit
from anatomy.interventions.edits.weight_edit import edited_tensors
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import HEAD
from anatomy.models.loading import load_model
from anatomy.serving.packed_likelihood import PackedScorer

TIED = [one for one in ARCHITECTURES if one.tied]


@torch.no_grad()
def logits(model):
    return torch.stack([model(torch.tensor([ids])).logits[0, -1] for ids in random_prompts()])


@torch.no_grad()
def states(model):
    return torch.stack([model.base_model(torch.tensor([ids])).last_hidden_state[0, -1] for ids in random_prompts()])


def capped(model, raw):
    cap = getattr(model.config, "final_logit_softcapping", None)
    return raw if cap is None else cap * torch.tanh(raw / cap)


@pytest.mark.parametrize("architecture", TIED, ids=lambda one: one.slug)
@pytest.mark.parametrize("rank", [None, 3])
def test_logits_are_those_of_the_sum_and_the_embedding_stays(architecture, rank):
    """(W + D) f(x), before the cap of a class that has one; bit for bit as before when the edit is gone, and one matrix again."""
    loaded, checkpoint = model_of(architecture), checkpoint_of(architecture)
    model, edit = loaded.model, head(checkpoint, rank=rank)
    plain, final, embedding = logits(model), states(model), model.get_input_embeddings().weight
    before = embedding.clone()
    with applied(loaded, edit):
        assert model.get_output_embeddings().weight is not embedding and torch.equal(embedding, before)
        expected = capped(model, final @ (before + edit.delta()).T)
        assert (logits(model) - expected).abs().max() <= 1e-5 * expected.abs().max()
        with applied(loaded, edit):
            twice = capped(model, final @ (before + 2 * edit.delta()).T)
            assert (logits(model) - twice).abs().max() <= 1e-5 * twice.abs().max()
        assert (logits(model) - expected).abs().max() <= 1e-5 * expected.abs().max()
        assert (expected - plain).abs().max() > 0.05, "an edit that shows"
    assert model.get_output_embeddings().weight is embedding and torch.equal(embedding, before)
    assert torch.equal(logits(model), plain)


def test_a_body_that_fails_leaves_one_matrix(architecture):
    loaded = model_of(architecture)
    own = loaded.model.get_output_embeddings().weight
    with pytest.raises(RuntimeError, match="inside"), applied(loaded, head(checkpoint_of(architecture))):
        raise RuntimeError("inside")
    assert loaded.model.get_output_embeddings().weight is own
    assert (own is loaded.model.get_input_embeddings().weight) is architecture.tied


@pytest.mark.parametrize("architecture", TIED, ids=lambda one: one.slug)
def test_exports_and_folders_hold_the_same_head(architecture, tmp_path):
    loaded, checkpoint = model_of(architecture), checkpoint_of(architecture)
    edit = head(checkpoint, rank=3)
    save_edit(edit, tmp_path / "edit", checkpoint)
    back = load_edit(tmp_path / "edit", checkpoint)
    (tmp_path / "model").mkdir()
    written = stream_checkpoint(checkpoint, stack_rewrites([back]), tmp_path / "model")
    exported = load_model(tmp_path / "model", torch.float32, "cpu").model
    with applied(loaded, edit):
        expected = logits(loaded.model)
    assert written.untied and (logits(exported) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert torch.equal(exported.get_input_embeddings().weight, checkpoint.tensor(checkpoint.embedding))
    served = dict(edited_tensors([edit], checkpoint, torch.float32))
    assert set(served) == {HEAD} and torch.allclose(served[HEAD], exported.get_output_embeddings().weight)


@pytest.mark.parametrize("architecture", [one for one in TIED if one.name.startswith("Qwen")], ids=lambda one: one.slug)
def test_benchmarks_score_with_the_edited_head(architecture):
    """Packed rows, the way of lm-eval's longer choices on a CPU, against whole passes of the edited model."""
    loaded = model_of(architecture)
    scorer, (context, rest) = PackedScorer(loaded), (random_prompts()[1], [[7, 9, 300], [44]])
    plain = scorer.score([(context, rest)])[0]
    with applied(loaded, head(checkpoint_of(architecture))), torch.no_grad():
        found = scorer.score([(context, rest)])[0]
        for choice, one, before in zip(rest, found, plain, strict=True):
            table = loaded.model(torch.tensor([[*context, *choice]])).logits[0, len(context) - 1 : -1].double().log_softmax(-1)
            expected = table.gather(1, torch.tensor(choice)[:, None]).sum().item()
            assert abs(one.logprob - expected) <= 1e-4 * abs(expected) and abs(one.logprob - before.logprob) > 0.01
