"""Families that call their matrices otherwise, store them transposed, or add biases to what they write."""

import dataclasses
import json

import pytest
import torch
from architecture_models import checkpoint_of, direction, edit_of, model_of, random_prompts
from edit_kinds import pruned
from made_architecture import make_tiny_architecture
from safetensors.torch import load_file, save_file
from tiny_architectures import ARCHITECTURES, LAYERS
from tiny_model import SMALL
from transformers import AutoConfig, AutoModelForCausalLM

from anatomy.errors import EditError
from anatomy.interventions.edits.adapter import write_adapter
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.inventory import module_names
from anatomy.interventions.edits.rank_one import build_edit, edit_factors
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import compare_logits, compare_untouched
from anatomy.interventions.pruning.matrices import scored_names
from anatomy.models.activations.hooks import SITES, modifying
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.matrix_names import matrix_of
from anatomy.models.writers import residual_writers

BIASED = [one for one in ARCHITECTURES if one.bias]
BY_NAME = {one.name: one for one in ARCHITECTURES}
PRUNED = {
    "Starcoder2": ("self_attn.k_proj", "mlp.c_proj"),
    "Phi-2": ("self_attn.dense", "mlp.fc1"),
    "GPT-NeoX": ("attention.query_key_value", "mlp.dense_4h_to_h"),
    "GPT-2": ("attn.c_attn", "mlp.c_proj"),
}
STACK = {"GPT-NeoX": "gpt_neox.layers", "GPT-2": "transformer.h"}


@torch.no_grad()
def logits(model):
    return torch.stack([model(torch.tensor([ids])).logits[0, -1] for ids in random_prompts()])


def close(found, expected, plain):
    return (found - expected).abs().max() <= 1e-4 * (expected - plain).abs().max()


@pytest.mark.parametrize("architecture", BIASED, ids=lambda one: one.slug)
def test_orthogonalised_writers_write_nothing_along_the_direction_and_others_keep_their_biases(architecture):
    loaded, checkpoint, s = model_of(architecture), checkpoint_of(architecture), direction()
    modules = [loaded.model.get_submodule(one.name) for one in residual_writers(loaded.model)]
    before = [module.bias.clone() for module in modules]
    assert all((bias @ s).abs() > 1e-3 for bias in before), "biases that write along it"
    with applied(loaded, edit_of(architecture, "orthogonalize")):
        assert all((module.bias @ s).abs() < 1e-5 and (s @ matrix_of(module)).abs().max() < 1e-4 for module in modules)
    for method in ("projection", "row_mean"):
        with applied(loaded, edit_of(architecture, method)):
            assert all(torch.equal(module.bias, bias) for module, bias in zip(modules, before, strict=True))
    assert all(torch.equal(module.bias, bias) for module, bias in zip(modules, before, strict=True))
    with pytest.raises(EditError, match="output biases"):
        edit_factors({"method": "orthogonalize"}, checkpoint, s)


@pytest.mark.parametrize("architecture", BIASED, ids=lambda one: one.slug)
def test_orthogonalised_writers_are_ablated_outputs(architecture):
    loaded, s = model_of(architecture), direction()

    def ablate(y):
        return y - (y @ s)[..., None] * s

    plain = logits(loaded.model)
    with applied(loaded, edit_of(architecture, "orthogonalize")):
        by_weights = logits(loaded.model)
    sites = {(site, layer): ablate for site in ("attention_output", "mlp_output") for layer in range(LAYERS)}
    with modifying(loaded.model, sites):
        by_hooks = logits(loaded.model)
    assert close(by_weights, by_hooks, plain)


@pytest.mark.parametrize("architecture", BIASED, ids=lambda one: one.slug)
def test_an_export_holds_biases_and_an_adapter_is_refused(architecture, tmp_path):
    checkpoint, edit = checkpoint_of(architecture), edit_of(architecture, "orthogonalize")
    stream_checkpoint(checkpoint, stack_rewrites([edit]), tmp_path)
    compare_untouched(checkpoint, Checkpoint(tmp_path), edit.tensors)
    found = compare_logits(checkpoint.folder, tmp_path, lambda loaded: applied(loaded, edit))
    assert found.effect > 100 * found.tolerance * found.largest
    with pytest.raises(EditError, match="output biases"):
        write_adapter(edit, tmp_path / "adapter", checkpoint)


@pytest.mark.parametrize("architecture", BIASED, ids=lambda one: one.slug)
def test_a_mask_zeroes_its_places_as_stored(architecture, tmp_path):
    loaded, checkpoint = model_of(architecture), checkpoint_of(architecture)
    edit = pruned(checkpoint, sites=PRUNED[architecture.name], stack=STACK.get(architecture.name, "model.layers"))
    stream_checkpoint(checkpoint, stack_rewrites([edit]), tmp_path)
    found = compare_logits(checkpoint.folder, tmp_path, lambda loaded: applied(loaded, edit))
    assert found.effect > 100 * found.tolerance * found.largest
    with applied(loaded, edit):
        for name, (indices, _) in edit.places.items():
            assert not loaded.model.get_parameter(f"{name}.weight").flatten()[indices].any()


def published(tmp_path):
    """A folder of GPT-2 as it was published: names without the model's first part, and attention's masks among the weights."""
    folder = make_tiny_architecture(BY_NAME["GPT-2"], tmp_path / "published")
    path = folder / "model.safetensors"
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}
    for layer in range(LAYERS):
        tensors[f"h.{layer}.attn.bias"] = torch.ones(1024, 1024).tril().view(1, 1, 1024, 1024)
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, path, {"format": "pt"})
    return folder


def test_a_file_with_shorter_names_is_the_same_model_and_keeps_them(tmp_path):
    folder, edit = published(tmp_path), edit_of(BY_NAME["GPT-2"], "projection")
    checkpoint = Checkpoint(folder)
    assert set(checkpoint.names()) > set(checkpoint_of(BY_NAME["GPT-2"]).names())
    own = build_edit(edit.card.spec, checkpoint, direction())
    assert own.factors.keys() == edit.factors.keys()
    assert all(
        torch.equal(one, other) for name in own.factors for one, other in zip(own.factors[name], edit.factors[name], strict=True)
    )
    (tmp_path / "out").mkdir()
    stream_checkpoint(checkpoint, stack_rewrites([own]), tmp_path / "out")
    written, source = load_file(tmp_path / "out" / "model.safetensors"), load_file(folder / "model.safetensors")
    changed = {name for name in source if not torch.equal(written[name], source[name])}
    assert written.keys() == source.keys() and changed == {f"{name.removeprefix('transformer.')}.weight" for name in own.factors}
    compare_untouched(checkpoint, Checkpoint(tmp_path / "out"), own.tensors)
    with applied(model_of(BY_NAME["GPT-2"]), edit) as loaded:
        expected = logits(loaded.model)
    assert close(logits(load_model(tmp_path / "out", torch.float32, "cpu").model), expected, logits(loaded.model))


def test_positions_write_too_where_everything_that_writes_is_orthogonalised(tmp_path):
    """GPT-2 with a head of its own: orthogonalised embeddings, writers and biases are ablation everywhere."""
    gpt2 = BY_NAME["GPT-2"]
    untied = dataclasses.replace(gpt2, tied=False, published={**gpt2.published, "tie_word_embeddings": False})
    checkpoint = Checkpoint(make_tiny_architecture(untied, tmp_path))
    loaded = load_model(tmp_path, torch.float32, "cpu")
    edit = build_edit({"method": "orthogonalize", "sites": ["embed_tokens", "o_proj", "down_proj"]}, checkpoint, direction())
    assert {"transformer.wte", "transformer.wpe"} < set(edit.factors)
    plain = logits(loaded.model)
    with applied(loaded, edit):
        by_weights = logits(loaded.model)
    everywhere = Intervention("ablate", tuple(range(LAYERS)), direction().expand(LAYERS, 1, -1), None, 1.0, SITES, "all")
    with intervening(loaded.model, [everywhere]):
        by_hooks = logits(loaded.model)
    assert close(by_weights, by_hooks, plain)


def test_sites_are_what_the_model_calls_its_matrices():
    sites = ["o_proj", "down_proj", "q_proj"]
    found = {name: module_names(checkpoint_of(BY_NAME[name]), sites) for name in ("Llama 3.1", *PRUNED)}
    assert found == {
        "Llama 3.1": ("o_proj", "down_proj", "q_proj"),
        "Starcoder2": ("o_proj", "c_proj", "q_proj"),
        "Phi-2": ("dense", "fc2", "q_proj"),
        "GPT-NeoX": ("dense", "dense_4h_to_h", "q_proj"),
        "GPT-2": ("c_proj", "q_proj"),
    }


def test_names_of_gpt2_on_matrices_of_another_layout_are_refused(tmp_path):
    """GPT-BigCode calls its matrices so, and stores them as everybody else does."""
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("gpt_bigcode", **SMALL))
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "gpt_bigcode"
    for source in (model, Checkpoint(tmp_path)):
        with pytest.raises(EditError, match=r"transformer\.h in a model of type 'gpt_bigcode'"):
            residual_writers(source)


def test_scores_by_input_refuse_transposed_matrices():
    with pytest.raises(EditError, match=r"transformer\.h\.0\.attn\.c_attn, which is stored transposed"):
        scored_names(checkpoint_of(BY_NAME["GPT-2"]))
    assert "gpt_neox.layers.0.attention.dense" in scored_names(checkpoint_of(BY_NAME["GPT-NeoX"]))
