import json

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.errors import EditError
from anatomy.interventions.edits.adapter import CARD, CONFIG, WEIGHTS, read_adapter, write_adapter
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.checkpoint import Checkpoint


@pytest.fixture
def folder(edit, checkpoint, tmp_path):
    write_adapter(edit, tmp_path / "adapter", checkpoint)
    return tmp_path / "adapter"


def test_peft_and_in_memory_edit_agree(tiny, tiny_folder, edit, folder, logits):
    plain = logits(tiny.model)
    with applied(tiny, edit):
        in_memory = logits(tiny.model)
    through_peft = logits(PeftModel.from_pretrained(load_tiny_model(tiny_folder).model, folder))
    difference = (through_peft - in_memory).abs().max()
    bound = 1e-5 * in_memory.abs().max()
    assert difference <= bound
    assert (in_memory - plain).abs().max() >= 100 * bound


def test_format_that_peft_and_vllm_load(edit, folder):
    config = json.loads((folder / CONFIG).read_text())
    assert (config["peft_type"], config["r"], config["lora_alpha"], config["bias"]) == ("LORA", 1, 1, "none")
    assert config["target_modules"] == sorted({name.rpartition(".")[2] for name in edit.factors})
    tensors = load_file(folder / WEIGHTS)
    name = "base_model.model.model.layers.1.mlp.down_proj.lora"
    assert (tensors[f"{name}_A.weight"].shape, tensors[f"{name}_B.weight"].shape) == ((1, 96), (64, 1))
    # Every layer of an edited site is there, whatever layers the edit touches.
    assert len(tensors) == 2 * 4 * len({"o_proj", "down_proj"} & set(config["target_modules"])) + 2 * (
        "embed_tokens" in config["target_modules"]
    )
    if "embed_tokens" in config["target_modules"]:
        assert tensors["base_model.model.model.embed_tokens.lora_embedding_A"].shape == (1, 400)
        assert tensors["base_model.model.model.embed_tokens.lora_embedding_B"].shape == (64, 1)


def test_read_gives_back_the_edit(edit, folder, checkpoint):
    back = read_adapter(folder, checkpoint)
    assert back.digest() == edit.digest()
    assert back.card == edit.card
    assert all(torch.equal(back.delta(name), edit.delta(name)) for name in edit.factors)


def test_adapter_for_another_model_is_refused(checkpoint, direction, other_folder, tmp_path):
    edit = build_edit({"method": "projection", "strength": 0.5, "sign": 1}, checkpoint, direction)
    write_adapter(edit, tmp_path / "adapter", checkpoint)
    deeper = make_tiny_model(tmp_path / "deeper", layers=5)
    for folder in (other_folder, deeper):
        with pytest.raises(EditError, match="an edit for model"):
            read_adapter(tmp_path / "adapter", Checkpoint(folder))
        with pytest.raises(EditError, match="an edit for model"):
            write_adapter(edit, tmp_path / "second", Checkpoint(folder))


def test_factors_of_another_shape_are_refused(checkpoint, direction):
    edit = build_edit({"method": "projection", "strength": 0.5, "sign": 1}, checkpoint, direction)
    name = "model.layers.0.mlp.down_proj"
    a, b = edit.factors[name]
    edit.factors[name] = a[:, :-1], b
    with pytest.raises(EditError, match=r"model\.layers\.0\.mlp\.down_proj with factors"):
        write_adapter(edit, checkpoint.folder, checkpoint)


def test_tampered_or_incomplete_adapters_are_refused(checkpoint, direction, tmp_path):
    edit = build_edit({"method": "projection", "strength": 0.5, "sign": 1}, checkpoint, direction)
    folder = tmp_path / "adapter"
    write_adapter(edit, folder, checkpoint)
    tensors = load_file(folder / WEIGHTS)
    key = "base_model.model.model.layers.0.mlp.down_proj.lora_B.weight"
    save_file(tensors | {key: 2 * tensors[key]}, folder / WEIGHTS)
    with pytest.raises(EditError, match="differ from their card"):
        read_adapter(folder, checkpoint)
    del tensors[key]
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(EditError, match=r"no factors of model\.layers\.0\.mlp"):
        read_adapter(folder, checkpoint)
    (folder / CARD).unlink()
    with pytest.raises(EditError, match=r"no edit\.card\.json"):
        read_adapter(folder, checkpoint)
