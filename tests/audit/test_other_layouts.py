"""Checkpoints that keep their tensors otherwise: other names of blocks, experts in one tensor, vocabularies of other lengths."""

import pytest
import torch
from architecture_models import architecture_folder, model_of
from audited_checkpoints import configured, rank_one, rewritten, unit, with_fused_experts
from safetensors.torch import save_file
from tiny_architectures import ARCHITECTURES
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.audit.behaviour import edited_change
from anatomy.audit.charts import sizes
from anatomy.audit.controls import control_changes
from anatomy.audit.in_memory import as_in_memory
from anatomy.audit.kinds import Kind
from anatomy.audit.verdict import verdicts
from anatomy.audit.weights import audit_weights
from anatomy.errors import ModelError
from anatomy.interventions.edits.apply import changed_tensors
from anatomy.models.checkpoint import Checkpoint

NAMED = {one.name: one for one in ARCHITECTURES}


def made(name):
    return Checkpoint(architecture_folder(NAMED[name]))


def noisy(name, tensor):
    generator = torch.Generator().manual_seed(len(name))
    return tensor + 0.01 * torch.randn(tensor.shape, generator=generator) if tensor.ndim > 1 else tensor


@pytest.mark.parametrize("name", ["GPT-2", "GPT-NeoX", "Phi-2"])
def test_blocks_are_counted_whatever_they_are_called(name, tmp_path):
    found = audit_weights(made(name), rank_one(made(name), "projection", -1, tmp_path / "edited", strength=1.0))
    assert set(found.counts) == {Kind.REMOVAL} and {one.pair.block for one in found.changed} == {0, 1, 2}
    said = {line.question: line.evidence for line in verdicts(found, [])}
    assert said["where"] == "blocks 0 to 2"
    assert {row["block"] for row in sizes(found).to_dict()["datasets"].popitem()[1]} == {0, 1, 2}


def test_experts_in_one_tensor_are_told_one_by_one(tmp_path):
    """One write edit of every expert: seen as one matrix its rank would be the number of experts."""
    original = made("Qwen3-MoE")
    edited = rank_one(original, "projection", -1, tmp_path / "edited", strength=1.0)
    found = audit_weights(with_fused_experts(original, tmp_path / "a"), with_fused_experts(edited, tmp_path / "b"))
    experts = [one for one in found.changed if ".experts." in one.pair.name]
    assert set(found.counts) == {Kind.REMOVAL} and len(experts) == 3 * 8
    assert abs(torch.dot(found.axis, unit(original.d_model).double())) > 0.999
    assert {one.pair.name for one in found.changed} == {one.pair.name for one in audit_weights(original, edited).changed}


def test_experts_that_multiply_the_other_way_round_are_told_too(tmp_path):
    """As Llama 4's, [expert, d_in, d_out]."""

    def turned(checkpoint, name):
        def change(name, tensor):
            return tensor.transpose(1, 2) if name.endswith(("experts.down_proj", "experts.gate_up_proj")) else tensor

        written = rewritten(with_fused_experts(checkpoint, tmp_path / f"{name}-fused"), tmp_path / name, change)
        return configured(written, model_type="llama4_text")

    original = made("Qwen3-MoE")
    edited = rank_one(original, "projection", -1, tmp_path / "edited", strength=1.0)
    found = audit_weights(turned(original, "a"), turned(edited, "b"))
    assert set(found.counts) == {Kind.REMOVAL} and abs(torch.dot(found.axis, unit(original.d_model).double())) > 0.999


@pytest.mark.parametrize("name", ["Mixtral", "Qwen3-MoE"])
def test_what_experts_read_is_changed_in_memory_as_in_the_file(name, tmp_path):
    original = made(name)
    edited = rewritten(original, tmp_path / "edited", noisy, original.stored_name)
    loaded, other = model_of(NAMED[name]), load_tiny_model(edited.folder)
    changes = {one.pair.name: edited_change(one.pair) for one in audit_weights(original, edited).changed}
    with changed_tensors(loaded, as_in_memory(loaded.model, changes)):
        found = dict(loaded.model.named_parameters())
        assert all(torch.equal(found[key], weight) for key, weight in other.model.named_parameters())


def longer(checkpoint, folder, rows):
    """A copy whose vocabulary has some more rows at its end."""

    def padded(name, tensor):
        if name not in ("model.embed_tokens.weight", "lm_head.weight"):
            return tensor
        return torch.cat([tensor, torch.randn(rows, tensor.shape[1], generator=torch.Generator().manual_seed(0))])

    copy = rewritten(checkpoint, folder, padded)
    return configured(copy, vocab_size=copy.config["vocab_size"] + rows)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return Checkpoint(make_tiny_model(tmp_path_factory.mktemp("models") / "original", layers=2))


def test_rows_that_one_vocabulary_has_alone_are_left_out_and_told(original, tmp_path):
    edited = rank_one(original, "projection", 1, tmp_path / "edited", strength=0.5)
    whole, padded = audit_weights(original, edited), longer(edited, tmp_path / "padded", 2)
    for found in (audit_weights(original, padded), audit_weights(longer(original, tmp_path / "longer", 3), padded)):
        assert found.likely == whole.likely and found.counts == whole.counts
        assert any("are compared" in note for note in found.notes) and any("vocab_size" in note for note in found.notes)
    assert audit_weights(padded, edited).likely == Kind.NOTHING


def test_a_change_of_a_shorter_vocabulary_leaves_the_other_rows_alone(original, tmp_path):
    """In memory, the audited change and a control of it: the embedding of low rank, the head dense."""

    def trained(name, tensor):
        if name == "model.embed_tokens.weight":
            return tensor + torch.outer(torch.linspace(-1, 1, len(tensor)), unit(tensor.shape[1]))
        return noisy(name, tensor) if name == "lm_head.weight" else tensor

    padded = longer(original, tmp_path / "padded", 5)
    edited = rewritten(original, tmp_path / "edited", trained)
    audit, loaded = audit_weights(padded, edited, factors=True), load_tiny_model(padded.folder)
    before = {name: weight.clone() for name, weight in loaded.model.named_parameters()}
    embedding, head = "model.embed_tokens.weight", "lm_head.weight"
    with changed_tensors(loaded, {one.pair.name: edited_change(one.pair) for one in audit.changed}):
        now = dict(loaded.model.named_parameters())
        assert all(torch.equal(now[name][:-5], edited.tensor(name)) for name in (embedding, head))
        assert all(torch.equal(now[name][-5:], before[name][-5:]) for name in (embedding, head))
    with changed_tensors(loaded, control_changes(audit.changed, audit.shared, seed=1)):
        now = dict(loaded.model.named_parameters())
        assert torch.equal(now[embedding][-5:], before[embedding][-5:]) and not torch.equal(now[embedding], before[embedding])


def test_another_vocabulary_is_another_model(original, tmp_path):
    with pytest.raises(ModelError, match=r"shape \[500"):
        audit_weights(original, longer(original, tmp_path / "long", 100))


BUFFERS = {
    "model.layers.0.attention.bias": torch.ones(1, 1, 4, 4, dtype=torch.bool),
    "model.layers.0.attention.masked_bias": torch.tensor(-1e9),
    "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(8),
    "model.embeddings.position_ids": torch.arange(5),
    "model.layers.0.nothing.weight": torch.zeros(0, 4),
}
"""What old files keep beside weights."""


def with_more(checkpoint, folder, more):
    written = rewritten(checkpoint, folder, lambda _, tensor: tensor)
    tensors = {name: written.tensor(name) for name in written.names()}
    save_file(tensors | more, folder / "model.safetensors", {"format": "pt"})
    return Checkpoint(folder)


def test_masks_positions_and_frequencies_of_old_files_are_no_weights(original, tmp_path):
    """On one side alone, as where a model of then was saved again, or on both."""
    old = with_more(original, tmp_path / "old", BUFFERS)
    edited = rank_one(original, "projection", 1, tmp_path / "edited", strength=0.5)
    assert audit_weights(old, original).likely == audit_weights(original, old).likely == Kind.NOTHING
    found = audit_weights(old, with_more(edited, tmp_path / "old edited", BUFFERS))
    assert found.counts == audit_weights(original, edited).counts and len(found.found) == len(original.names())


def test_a_single_number_is_a_tensor_too(original, tmp_path):
    one, two = (with_more(original, tmp_path / str(scale), {"model.scale": torch.tensor(scale)}) for scale in (1.0, 2.0))
    assert audit_weights(one, one).likely == Kind.NOTHING
    (changed,) = audit_weights(one, two).changed
    assert changed.pair.name == "model.scale" and changed.difference.relative == 1.0
