"""Files of a folder that disagree, or cannot be read: each is named at the first check."""

import shutil

import pytest
import torch
from examined_models import LARGE, NEEDS, state
from made_architecture import make_tiny_architecture
from safetensors.torch import load_file, save_file
from tiny_architectures import ARCHITECTURES

from anatomy.errors import ModelError, NumericsError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.preflight.folder import folder_problems
from anatomy.models.preflight.report import examine_model
from anatomy.models.tokenizer import load_tokenizer

MARK = b"\xef\xbb\xbf"


def marked(name):
    return lambda folder: (folder / name).write_bytes(MARK + (folder / name).read_bytes())


def written(name, text):
    return lambda folder: (folder / name).write_text(text)


def stored(change):
    def harm(folder):
        tensors = load_file(folder / "model.safetensors")
        save_file(
            {name: change(name, tensor) for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"}
        )

    return harm


def without_head(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def only_sentencepiece(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"no model of sentencepiece")


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4976698672\n"


def a_link_to_nothing(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("../../blobs/gone")


def in_a_cache(folder):
    """The folder that the hub's cache calls ``models--org--name``."""
    snapshot = folder / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (folder / "config.json").rename(snapshot / "config.json")


def of_a_training_run(folder):
    for step in (500, 1000):
        (folder / f"checkpoint-{step}").mkdir()
        shutil.copy(folder / "config.json", folder / f"checkpoint-{step}" / "config.json")
    (folder / "config.json").unlink()


def of_mistral(folder):
    (folder / "config.json").rename(folder / "params.json")


@pytest.mark.parametrize(
    ("harm", "remedy"),
    [
        (in_a_cache, r"snapshots/0123abcd in it"),
        (of_a_training_run, r"checkpoint-1000, or checkpoint-500 in it"),
        (of_mistral, "take the conversion for transformers"),
    ],
)
def test_the_folder_that_was_meant_is_named(folder, harm, remedy):
    harm(folder)
    with pytest.raises(ModelError, match=r"no config\.json") as caught:
        examine_model(folder, NEEDS, LARGE).check()
    assert remedy in caught.value.remedy


def named_templates(folder):
    (folder / "chat_template.jinja").unlink()
    state(
        folder, "tokenizer_config.json", chat_template=[{"name": "rag", "template": "x"}, {"name": "tool_use", "template": "y"}]
    )


@pytest.mark.parametrize(
    ("harm", "found", "where"),
    [
        (marked("config.json"), "byte order mark", "config.json"),
        (marked("tokenizer_config.json"), "byte order mark", "tokenizer_config.json"),
        (marked("generation_config.json"), "byte order mark", "generation_config.json"),
        (written("config.json", "[]"), "a list, where an object", "config.json"),
        (written("tokenizer.json", ""), "JSONDecodeError", "tokenizer.json"),
        (written("tokenizer.json", '{"added_tokens": [], "model": {"type": "Unheard"}}'), "Error|Exception", "tokenizer.json"),
        (written("tokenizer.json", "{}"), "KeyError", "tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer", ""),
        (only_sentencepiece, "Error", "tokenizer.model"),
        (lambda folder: state(folder, num_hidden_layers="4"), "num_hidden_layers '4'", "config.json"),
        (lambda folder: state(folder, hidden_size=None), "no hidden_size", "config.json"),
        (lambda folder: state(folder, architectures="LlamaForCausalLM"), "without architectures", ""),
        (lambda folder: state(folder, num_hidden_layers=2), "4 blocks in the weights, and num_hidden_layers 2", ""),
        (lambda folder: state(folder, num_hidden_layers=6), "4 blocks in the weights, and num_hidden_layers 6", ""),
        (written("model.safetensors", POINTER), "a pointer of Git LFS", "model.safetensors"),
        (written("tokenizer.json", POINTER), "a pointer of Git LFS", "tokenizer.json"),
        (written("config.json", POINTER), "a pointer of Git LFS", "config.json"),
        (a_link_to_nothing, r"a link to \.\./\.\./blobs/gone, which is not there", "model.safetensors"),
        (without_head, "no output head", ""),
        (stored(lambda name, tensor: tensor.to(torch.int8)), "weights stored as I8", ""),
        (
            stored(lambda name, tensor: tensor.to(torch.float8_e4m3fn) if tensor.ndim == 2 else tensor),
            "weights stored as F8_E4M3",
            "",
        ),
        (written("chat_template.jinja", "{% for"), "a chat template that is no Jinja", ""),
        (written("chat_template.jinja", "{{ messages[0]['content'] + 1 }}"), "the template refuses", ""),
        (written("chat_template.jinja", ""), "no chat template", ""),
        (named_templates, "chat templates called rag, tool_use", ""),
    ],
)
def test_files_that_cannot_be_used_are_named(folder, harm, found, where):
    harm(folder)
    report = examine_model(folder, NEEDS, LARGE)
    with pytest.raises(Exception, match=found):
        report.check()
    assert any(where in problem.where and problem.remedy for problem in report.problems)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: state(folder, dtype=None, torch_dtype=None),
        lambda folder: (folder / "generation_config.json").unlink(),
        stored(lambda name, tensor: tensor.double()),
        stored(lambda name, tensor: tensor.half()),
        lambda folder: save_file(load_file(folder / "model.safetensors"), folder / "model.safetensors"),
        lambda folder: state(folder, "tokenizer_config.json", chat_template=(folder / "chat_template.jinja").read_text()),
        lambda folder: state(folder, num_nextn_predict_layers=1),
    ],
)
def test_folders_as_people_have_them_are_fine(folder, change):
    change(folder)
    report = examine_model(folder, NEEDS, LARGE)
    report.check()
    assert report.notes == ()
    assert {weight.dtype for weight in load_model(folder, torch.float32, "cpu").model.parameters()} == {torch.float32}


def test_what_lies_beside_the_weights_is_noted(folder):
    save_file({"exp_avg": torch.zeros(2)}, folder / "optimizer.safetensors")
    (note,) = examine_model(folder, NEEDS, LARGE).notes
    assert "optimizer.safetensors beside the weights" in note


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_named_when_weights_are_read(folder, value):
    name = "model.layers.1.mlp.down_proj.weight"

    def spoil(found, tensor):
        return tensor.index_fill(0, torch.tensor([3]), value) if found == name else tensor

    stored(spoil)(folder)
    with pytest.raises(NumericsError, match=name):
        load_model(folder, torch.float32, "cpu")


def test_a_weight_too_large_for_the_format_is_named(folder):
    stored(lambda name, tensor: tensor * 1e5 if name == "model.norm.weight" else tensor)(folder)
    load_model(folder, torch.bfloat16, "cpu")
    with pytest.raises(NumericsError, match=r"model\.norm\.weight"):
        load_model(folder, torch.float16, "cpu")


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda one: one.name)
def test_no_architecture_that_is_supported_is_refused(architecture, tmp_path):
    folder = make_tiny_architecture(architecture, tmp_path)
    assert list(folder_problems(folder, Checkpoint(folder), load_tokenizer(folder), "bfloat16", "-")) == []
