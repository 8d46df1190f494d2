"""Folders with more than one set of weights: what our reader takes is what transformers loads, or the folder is refused."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from several_weights import (
    SINGLE,
    TAKEN,
    TENSOR,
    a_name_in_config,
    a_shard_gone,
    a_tensor_in_two_shards,
    an_adapter,
    another_single,
    index_names_another_place,
    index_names_more,
    index_of_nothing,
    index_without_metadata,
    older_shards_beside,
    only_a_variant,
    only_an_adapter,
    only_another_name,
    own,
    several_names,
    shards_without_index,
    single_and_index_without_shards,
    single_and_sharded,
    single_and_shards_without_index,
    the_usual_name_in_config,
)
from tiny_model import make_tiny_model
from transformers import AutoModelForCausalLM

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Weights of another model of the same shape."""
    return load_file(make_tiny_model(tmp_path_factory.mktemp("other"), seed=1) / SINGLE)


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


REFUSED = [
    (single_and_sharded, rf"{SINGLE}, and an index of 2 other files, such as model-00002-of-00002", "move"),
    (single_and_index_without_shards, "2 of its shards missing", "move"),
    (single_and_shards_without_index, r"two sets of weights: model\.safetensors; and model-00001-of-00002", "move"),
    (older_shards_beside, r"two sets of weights: model-00001-of-00002.*; and model-00001-of-00003", "move"),
    (another_single, r"two sets of weights: model\.safetensors; and merged\.safetensors", "move"),
    (shards_without_index, r"2 shards \(of 2\) and no index", "copy model.safetensors.index.json too"),
    (a_shard_gone, "1 of 2 shards missing, such as model-00002-of-00002", "copy"),
    (only_another_name, r"another name: consolidated\.safetensors", "rename"),
    (only_a_variant, r"another name: model\.fp16\.safetensors", "rename"),
    (several_names, r"other names: a\.safetensors, b\.safetensors", "rename"),
    (index_names_more, "tensor nothing not in model-00001-of-00002", "again"),
    (index_names_another_place, "not in model-00001-of-00002", "again"),
    (index_of_nothing, "an index that names no tensor", "away"),
    (index_without_metadata, "metadata", "again"),
    (a_tensor_in_two_shards, f"{TENSOR} in model-00001-of-00002.safetensors and in model-00002", "again"),
    (a_name_in_config, r"transformers_weights 'x\.safetensors' beside model\.safetensors", "rename"),
    (an_adapter, r"an adapter \(for org/base\) in the folder of a model", "merge"),
    (only_an_adapter, "an adapter for org/base, and no model", "merge the adapter into org/base"),
]


@pytest.mark.parametrize("harm", TAKEN, ids=lambda harm: harm.__name__)
def test_what_is_read_is_what_transformers_loads(folder, other, tiny_folder, harm):
    plain, digest = own(folder), Checkpoint(folder).digest()
    harm(folder, other)
    checkpoint = Checkpoint(folder)
    loaded = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True).state_dict()
    assert set(checkpoint.names()) == set(plain)
    for name, tensor in plain.items():
        assert torch.equal(checkpoint.tensor(name), tensor) and torch.equal(loaded[name], tensor), name
    read = {path.name for path in checkpoint.files}
    assert {path.name for path in checkpoint.beside} == {path.name for path in folder.glob("*.safetensors")} - read
    if read == {SINGLE} and harm is not the_usual_name_in_config:
        assert checkpoint.digest() == digest, "what is not loaded is no part of what a model is"


@pytest.mark.parametrize(("harm", "found", "remedy"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_libraries_take_differently_is_refused_with_both_named(folder, other, harm, found, remedy):
    harm(folder, other)
    with pytest.raises(ModelError, match=found) as caught:
        Checkpoint(folder)
    assert remedy in caught.value.remedy and str(folder) in caught.value.where


def test_transformers_takes_one_set_of_two_and_vllm_the_other(folder, other):
    """Why two sets are refused: the single file wins in transformers, the index in vLLM (``serving/test_same_weights.py``)."""
    single_and_sharded(folder, other)
    loaded = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True).state_dict()
    assert torch.equal(loaded[TENSOR], own(folder)[TENSOR]) and not torch.equal(loaded[TENSOR], other[TENSOR])
