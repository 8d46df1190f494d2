import ast
import json
import shutil

import pytest
import torch
from quick_run import ROOT
from safetensors.torch import load_file, save_file

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model


def test_loaded_model_is_frozen_and_identified(tiny, tiny_folder):
    assert (tiny.num_layers, tiny.d_model, tiny.digest) == (4, 64, Checkpoint(tiny_folder).digest())
    assert not tiny.model.training
    assert all(not p.requires_grad and p.dtype == torch.float32 for p in tiny.model.parameters())
    assert tiny.model.config._attn_implementation == "sdpa"


def test_dtype_is_what_was_asked(tiny_folder):
    loaded = load_model(tiny_folder, torch.bfloat16, "cpu")
    assert {p.dtype for p in loaded.model.parameters()} == {torch.bfloat16}


def test_missing_weight_is_refused_not_invented(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.2.mlp.down_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"layers\.2\.mlp\.down_proj"):
        load_model(folder, torch.float32, "cpu")


def test_remote_code_is_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "unheard_of", "auto_map": {"AutoModelForCausalLM": "code.Model", "AutoConfig": "code.C"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text("raise SystemExit('remote code ran')")
    with pytest.raises(ModelError, match="without remote code"):
        load_model(folder, torch.float32, "cpu")


def test_quantised_weights_without_their_package_are_refused(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="ImportError"):
        load_model(folder, torch.float32, "cpu")


def test_a_model_is_opened_and_a_device_named_in_one_place():
    """No other module of the library opens a model or a tokenizer with transformers, or asks torch whether there is a GPU."""
    library = ROOT / "workflow"
    allowed = {
        "from_pretrained": {
            "anatomy/models/gguf/tokenizer.py",  # what a GGUF file holds, before it is a folder
            "anatomy/models/loading.py",
            "anatomy/models/scorer.py",  # an adapter, onto a model that is open
            "anatomy/models/tokenizer.py",
            "anatomy/serving/packed_likelihood.py",  # a configuration
            "anatomy/texts/judges/text_classifier.py",  # a classifier, which is no language model
        },
        "cuda.is_available": {
            "anatomy/models/machine/devices.py",
            "anatomy/models/machine/formats.py",
            "anatomy/models/machine/surroundings.py",
        },
    }
    for path in sorted(library.rglob("*.py")):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        made = {ast.unparse(call).split(".", 1)[-1] for call in calls} & set(allowed)
        assert not {call for call in made if path.relative_to(library).as_posix() not in allowed[call]}, path


@pytest.mark.parametrize("rows", [1, 3])
def test_the_head_reads_the_last_tokens_in_one_piece(tiny, rows):
    """With the strides of a slice torch multiplies each row with a copy of the head of its own, in a batch of matrix products."""
    ids = torch.arange(5).repeat(rows, 1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as run:
        tiny.model(input_ids=ids, logits_to_keep=1, use_cache=False)
    vocabulary = tiny.model.get_output_embeddings().weight.shape[0]
    products = [event.input_shapes for event in run.events() if event.name == "aten::bmm"]
    assert not [shapes for shapes in products if any(vocabulary in shape for shape in shapes)]
