"""What jobs ask for: published sizes, monotone in what they depend on, and nothing that reads results."""

from dataclasses import replace

import pytest
from published_sizes import LLAMA_70B

from anatomy.costs.job_kinds import SHARED
from anatomy.errors import ConfigError
from anatomy.runs.resources.needs import GIB, Load, gpus_for, gpus_to_spread, memory_mb, minutes
from anatomy.runs.resources.size import parameters_in_name, typical_size

LOAD = Load(dtype="bfloat16", length=4096, sequences=128, step_tokens=16384, kv_cache_bytes=2**28)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 8e9),
        ("Qwen/Qwen2.5-0.5B-Instruct", 5e8),
        ("google/gemma-2b-it", 2e9),
        ("mistralai/Mixtral-8x7B-v0.1", 56e9),
        ("01-ai/Yi-6B-Chat", 6e9),
        ("cognitivecomputations/Dolphin3.0-Qwen2.5-3b", 3e9),
        ("allenai/wildguard", None),
        ("models/bert-8bit", None),
    ],
)
def test_parameters_in_a_name(name, count):
    assert parameters_in_name(name) == count


@pytest.mark.parametrize(("parameters", "layers", "d_model"), [(8e9, 32, 4096), (70e9, 80, 8192)])
def test_the_typical_shape_is_near_llamas(parameters, layers, d_model):
    """Within 15 per cent of the published shapes of Llama 3.1."""
    size = typical_size(parameters)
    assert size.parameters == parameters
    assert size.layers == pytest.approx(layers, rel=0.15) and size.d_model == pytest.approx(d_model, rel=0.15)


@pytest.mark.parametrize(("gpu_gib", "gpus"), [(141, 2), (80, 4), (48, 4), (24, 8)])
def test_llama_70b_is_spread_over_gpus(gpu_gib, gpus):
    """141 GB of weights and 21 GB of cache (16 prompts of 4096 tokens at 320 KiB) in 92 per cent of the memory."""
    assert gpus_for(LLAMA_70B, LOAD, gpu_gib * GIB, 8, "test") == gpus


def test_llama_70b_is_measured_on_one_gpu_in_four_bits():
    """68 billion weights in .5625 bytes and two matrices of 1 billion in bfloat16: 43 GB instead of 141."""
    rounded = replace(LOAD, in_4bit=True)
    assert gpus_to_spread(LLAMA_70B, LOAD, 80 * GIB, 8, "extract of big") > 1
    assert gpus_to_spread(LLAMA_70B, rounded, 80 * GIB, 8, "extract of big") == 1
    full, packed = (memory_mb(LLAMA_70B, "transformers", load, gpu=True) for load in (LOAD, rounded))
    assert (full - packed) * 2**20 == pytest.approx((2 - 0.5625) * LLAMA_70B.in_blocks, rel=0.01)
    with pytest.raises(ConfigError, match="four bits"):
        gpus_to_spread(LLAMA_70B, rounded, 40 * GIB, 8, "extract of big")


def test_what_no_machine_holds_is_refused():
    with pytest.raises(ConfigError, match=r"70\.6 billion") as refused:
        gpus_for(LLAMA_70B, LOAD, 16 * GIB, 8, "evaluate of big")
    assert "gpu_memory_gib" in refused.value.remedy


def test_memory_covers_weights_and_grows_with_the_model():
    for backend in ("transformers", "vllm"):
        for gpu in (False, True):
            small, large = (memory_mb(typical_size(count), backend, LOAD, gpu=gpu) for count in (1e9, 8e9))
            assert large > small and large * 2**20 > 16e9
    wide = replace(LOAD, dtype="float32")
    assert memory_mb(LLAMA_70B, "vllm", wide, gpu=True) > 1.9 * memory_mb(LLAMA_70B, "vllm", LOAD, gpu=True)


def test_a_longer_context_asks_for_more_on_a_cpu():
    short, long = (
        memory_mb(typical_size(1e9), "transformers", replace(LOAD, length=length), gpu=False) for length in (512, 4096)
    )
    assert long > short


def test_minutes_grow_with_parameters():
    need = SHARED["evaluate"].need
    assert minutes(need, typical_size(8e9)) == need.minutes + 8 * need.minutes_per_billion
