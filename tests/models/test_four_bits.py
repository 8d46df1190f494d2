"""Weights rounded to four bits for measuring: as a whole or not at all, with the rounded weights' numbers, never edited."""

import shutil

import pytest
import torch
from architecture_models import model_of
from bitsandbytes.functional import dequantize_4bit
from mean_inputs import mean_writer_inputs
from safetensors.torch import load_file, save_file
from small_study import make_subject
from tiny_architectures import ARCHITECTURES

from anatomy.errors import EditError, ModelError, NumericsError
from anatomy.models.blocks import decoder_blocks
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.memory import estimate_memory
from anatomy.models.packed import scales_of
from anatomy.models.size import model_size
from anatomy.models.writers import residual_writers
from anatomy.stages.card import read_card, write_model_card
from anatomy.stages.opening import opened, opened_to_measure

LEFT_WHOLE = {"GPT-2", *(one.name for one in ARCHITECTURES if one.experts)}
ROUNDED = [one for one in ARCHITECTURES if one.name not in LEFT_WHOLE]
IDS = torch.randint(5, 100, (2, 9), generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def rounded(tiny_folder):
    return load_model(tiny_folder, torch.float32, "cpu", in_4bit=True)


def packed(model):
    return [
        (f"{block.name}.{name}", weight)
        for block in decoder_blocks(model)
        for name, weight in block.module.named_parameters()
        if scales_of(weight) is not None
    ]


@pytest.mark.parametrize("architecture", ROUNDED, ids=lambda one: one.slug)
@torch.no_grad()
def test_every_class_computes_with_all_matrices_of_its_blocks_rounded(architecture):
    """Beside the same class whose weights were put through NF4 and back."""
    whole = model_of(architecture)
    found = load_model(whole.folder, torch.float32, "cpu", in_4bit=True)
    reference = load_model(whole.folder, torch.float32, "cpu")
    names = [name for name, _ in packed(found.model)]
    assert len(names) >= 4 * found.num_layers and not [name for name in names if "norm" in name]
    for name, weight in packed(found.model):
        reference.model.get_parameter(name).copy_(dequantize_4bit(weight.data, weight.quant_state))
    torch.testing.assert_close(found.model(IDS).logits, reference.model(IDS).logits, rtol=1e-3, atol=1e-4)
    assert (found.model(IDS).logits - whole.model(IDS).logits).abs().max() > 1e-3


@torch.no_grad()
def test_weights_stay_as_they_were_rounded_on_a_cpu_for_which_they_would_be_laid_out_anew(tiny_folder, monkeypatch):
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: True)
    found = load_model(tiny_folder, torch.float32, "cpu", in_4bit=True)
    before = {name: (weight.clone(), scales_of(weight).clone()) for name, weight in packed(found.model)}
    found.model(IDS)
    for name, weight in packed(found.model):
        assert torch.equal(weight, before[name][0]) and torch.equal(scales_of(weight), before[name][1])
        assert weight.quant_state.dtype == torch.float32


def test_what_writers_read_is_read_there_too(rounded, tiny):
    prompts = [[9, 8, 7], [12, 13, 14, 15]]
    found, whole = (mean_writer_inputs(one, prompts, position=-1, token_budget=80) for one in (rounded, tiny))
    assert list(found) == list(whole) and {name: len(mean) for name, mean in found.items()} == {
        n: len(m) for n, m in whole.items()
    }


def test_no_edit_of_weights_is_made_of_such_a_copy(rounded):
    with pytest.raises(EditError, match="quantised"):
        residual_writers(rounded.model)


def test_memory_is_what_was_planned(rounded, tiny, tiny_folder):
    size = model_size(Checkpoint(tiny_folder))
    for loaded, in_4bit in ((tiny, False), (rounded, True)):
        held = sum(part.nbytes for part in loaded.model.parameters())
        scales = sum(scales_of(part).nbytes for _, part in packed(loaded.model))
        assert estimate_memory(size, "transformers", "float32", in_4bit=in_4bit).weights == pytest.approx(held + scales, rel=0.01)


@pytest.mark.parametrize("name", sorted(LEFT_WHOLE))
def test_what_would_not_be_rounded_as_a_whole_is_refused(name):
    architecture = next(one for one in ARCHITECTURES if one.name == name)
    with pytest.raises(ModelError, match=r"experts|transposed") as refused:
        load_model(model_of(architecture).folder, torch.float32, "cpu", in_4bit=True)
    assert "measure_in_4bit" in refused.value.remedy


def test_a_weight_that_is_no_number_is_refused_under_its_name(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.2.mlp.down_proj.weight"][3, 5] = float("nan")
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(NumericsError, match=r"layers\.2\.mlp\.down_proj"):
        load_model(folder, torch.float32, "cpu", in_4bit=True)


def test_a_card_says_so_and_only_what_measures_is_rounded(tiny_folder, tmp_path):
    source = {"folder": str(tiny_folder), "hub": None, "revision": None, "measure_in_4bit": True}
    write_model_card(make_subject(), source, None, tmp_path / "card.json")
    card = read_card(tmp_path / "card.json")
    assert any("four bits" in note for note in card["notes"])
    assert packed(opened_to_measure(card).model) and not packed(opened(card).model)
