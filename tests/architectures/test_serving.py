"""Every class in vLLM beside transformers, in fp32: base, and one edit as an adapter. One process serves them all."""

import json
import shutil

import pytest
from architecture_models import architecture_folder, random_prompts
from architecture_support import SERVED
from served_architectures import served
from tiny_architectures import ARCHITECTURES

from anatomy.errors import ConfigError
from anatomy.serving.engine import Engine
from anatomy.serving.environment import installed_set
from anatomy.serving.hooks.modules import PROVEN

NO_ADAPTERS = {"gpt2": "vLLM's class of GPT-2 takes no adapters"}

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(installed_set() != "cpu", reason="token for token is asked of the CPU backend in fp32"),
]


def test_the_base_model_writes_and_scores_as_in_transformers(architecture):
    found = served()[architecture.name]
    assert found.same == len(random_prompts())
    assert found.logprob_error <= SERVED


def test_an_edit_writes_and_scores_as_in_memory_in_transformers(architecture):
    """As an adapter; where vLLM has none (beside experts on a CPU, and GPT-2 anywhere) by a reload that is on record."""
    found = served()[architecture.name]
    assert found.edited_same == len(random_prompts())
    assert found.edited_logprob_error <= SERVED
    assert found.changed >= 3, "the edit must show"
    lacks = "mixture of experts by Triton" if architecture.experts else NO_ADAPTERS.get(architecture.model_type)
    assert found.way == ("reload" if lacks else "adapter")
    assert lacks in found.fallback if lacks else "adapters asked" not in found.fallback


@pytest.mark.parametrize("architecture", [one for one in ARCHITECTURES if one.bias], ids=lambda one: one.slug)
def test_an_edit_that_reaches_biases_is_reloaded_whole(architecture):
    """Orthogonalised writers: an adapter would leave what their biases write."""
    found = served()[architecture.name]
    assert found.ablated_way == "reload"
    assert architecture.model_type in NO_ADAPTERS or "output biases change too" in found.fallback
    assert found.ablated_same == len(random_prompts())
    assert found.ablated_logprob_error <= SERVED
    assert found.ablated_changed >= 3, "the edit must show"


def test_an_edit_of_the_head_writes_and_scores_as_in_memory_in_transformers(architecture):
    """Tied classes too, which vLLM keeps as one matrix: the head alone changes, and the base is back after it."""
    found = served()[architecture.name]
    assert found.head_same == len(random_prompts())
    assert found.head_logprob_error <= SERVED
    assert found.head_changed >= 3, "the edit must show"


def test_interventions_write_as_in_transformers_or_are_refused_by_name(architecture):
    found = served()[architecture.name]
    if architecture.model_type not in PROVEN:
        assert f"{architecture.model_type!r} in vLLM" in found.hook_refusal and "with transformers" in found.hook_refusal
        return
    assert found.hook_refusal is None
    assert found.hooked_same == found.hooked > 50
    assert found.hooked_changed > found.hooked / 2, "the interventions must show"


def test_every_family_that_is_hooked_was_compared():
    assert set(PROVEN) <= {one.model_type for one in ARCHITECTURES}


@pytest.mark.parametrize("kind", ["longrope", "su"])
def test_a_context_that_changes_what_short_prompts_mean_is_refused(tmp_path, kind):
    """Phi-3 of 128k: at max_model_len 256 and an original context of 128, vLLM was 28 nats from transformers on 60 tokens."""
    phi = next(one for one in ARCHITECTURES if one.name == "Phi-3")
    folder = shutil.copytree(architecture_folder(phi), tmp_path / "phi")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "rope_scaling": {"type": kind, "short_factor": [1.0] * 16, "long_factor": [4.0] * 16},
        "original_max_position_embeddings": 128,
    }
    (folder / "config.json").write_text(json.dumps(config))
    with (
        pytest.raises(ConfigError, match="at most 128"),
        Engine(folder, dtype="float32", max_model_len=129, seed=0, kv_cache_bytes=2**24),
    ):
        pass
