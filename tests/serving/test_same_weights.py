"""vLLM is shown the weights that transformers loads and our reader reads."""

import shutil
from pathlib import Path

import pytest
import torch
from examined_models import state
from greedy import difference, margins
from safetensors.torch import load_file
from several_weights import SINGLE, TAKEN, consolidated_beside, in_a_subfolder, optimizer_beside, single_and_sharded
from shared_engine import close_shared_engine, served_model
from tiny_model import make_tiny_model

from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.serving.decoding import Decoding
from anatomy.serving.engine import Engine
from anatomy.serving.environment import prepare_environment
from anatomy.serving.named_folder import served_folder
from anatomy.serving.starting import AS_TRANSFORMERS
from anatomy.serving.transformers_generation import generate_with_transformers

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return load_file(make_tiny_model(tmp_path_factory.mktemp("other"), seed=1) / SINGLE)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(served_model(), tmp_path / "model")


def taken_by_vllm(shown, load_format=AS_TRANSFORMERS["load_format"]):
    """Names of the files that vLLM would load from a folder."""
    prepare_environment(1)
    from vllm.config.load import LoadConfig
    from vllm.model_executor.model_loader.default_loader import DefaultModelLoader

    loader = DefaultModelLoader(LoadConfig(load_format=load_format))
    _, files, safetensors, _ = loader._prepare_weights(shown, None, None, True, None)
    assert safetensors
    return {Path(file).name for file in files}


@pytest.mark.parametrize("harm", TAKEN, ids=lambda harm: harm.__name__)
def test_vllm_takes_the_files_that_are_read(folder, other, harm):
    harm(folder, other)
    checkpoint = Checkpoint(folder)
    with served_folder(folder, checkpoint.beside) as shown:
        assert taken_by_vllm(shown) == {path.name for path in checkpoint.files}


def test_why_it_has_to_be_shown_them(folder, other):
    """Should one of these fail after an update of vLLM, a precaution has become unnecessary."""
    optimizer_beside(folder, other)
    assert taken_by_vllm(str(folder)) == {SINGLE, "optimizer.safetensors"}
    consolidated_beside(folder, other)
    assert taken_by_vllm(str(folder), "auto") == {"consolidated.safetensors"}
    single_and_sharded(folder, other)
    assert SINGLE not in taken_by_vllm(str(folder)), "transformers takes the single file"


def test_an_engine_answers_with_the_models_own_weights_and_decodes_as_it_is_asked(folder, other):
    """Beside them lie other weights, settings for sampling, and an end token that no row of the embedding belongs to."""
    close_shared_engine()
    for harm in (optimizer_beside, consolidated_beside, in_a_subfolder):
        harm(folder, other)
    sampling = {"temperature": 0.7, "top_k": 5, "repetition_penalty": 1.5, "do_sample": True}
    state(folder, "generation_config.json", eos_token_id=[2, 5000], **sampling)
    loaded, prompts = load_model(folder, torch.float32, "cpu"), [[1, 30, 40, 50, 60], list(range(6, 90))]
    decoding = Decoding(max_new_tokens=12, temperature=0.0)
    expected = generate_with_transformers(loaded, prompts, decoding, batch_size=2)
    with Engine(folder, dtype="float32", max_model_len=256, seed=0, kv_cache_bytes=2**26, threads=1) as engine:
        found = engine.generate(prompts, decoding)
    for prompt, one, wanted in zip(prompts, found, expected, strict=True):
        assert difference(one.token_ids, wanted.token_ids, margins(loaded, prompt, wanted.token_ids)) is None
