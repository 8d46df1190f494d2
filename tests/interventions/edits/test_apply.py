import pytest
import torch
from tiny_model import load_tiny_model

from anatomy.errors import EditError
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.loading import load_model


def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(model, before):
    return all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_edit_acts_and_is_taken_back_bit_for_bit(tiny, edit, logits):
    before, plain = snapshot(tiny.model), logits(tiny.model)
    with applied(tiny, edit) as edited:
        assert (logits(edited.model) - plain).abs().max() > 0.01
        assert not same(tiny.model, before)
    assert same(tiny.model, before)
    assert torch.equal(logits(tiny.model), plain)


def test_bf16_model_is_restored_too(tiny_folder, edit):
    loaded = load_model(tiny_folder, torch.bfloat16, "cpu")
    before = snapshot(loaded.model)
    with applied(loaded, edit):
        assert not same(loaded.model, before)
    assert same(loaded.model, before)


def test_restored_after_an_error_and_when_nested(tiny, checkpoint, direction):
    before = snapshot(tiny.model)
    first, second = (
        build_edit({"method": "projection", "strength": strength, "sign": 1}, checkpoint, direction) for strength in (0.5, 1.0)
    )
    with pytest.raises(RuntimeError, match="stop"), applied(tiny, first):
        between = snapshot(tiny.model)
        with applied(tiny, second):
            pass
        assert same(tiny.model, between)
        raise RuntimeError("stop")
    assert same(tiny.model, before)


def test_orthogonalised_writers_equal_ablation_hooks(tiny, checkpoint, direction, logits):
    """Arditi et al. 2024, appendix E: editing all writers and the embedding is ablating everywhere (pre-norm)."""
    spec = {"method": "orthogonalize", "sites": ["embed_tokens", "o_proj", "down_proj"]}
    with applied(tiny, build_edit(spec, checkpoint, direction)):
        by_weights = logits(tiny.model)
    hooks = Intervention("ablate", (0, 1, 2, 3), direction.expand(4, 1, -1), None, 1.0, SITES, "all")
    with intervening(tiny.model, [hooks]):
        by_hooks = logits(tiny.model)
    effect = (by_weights - logits(tiny.model)).abs().max()
    assert (by_weights - by_hooks).abs().max() < 1e-4 * effect


def test_edit_for_another_model_is_refused(other_folder, edit):
    other = load_tiny_model(other_folder)
    with pytest.raises(EditError, match="an edit for model"), applied(other, edit):
        pass
