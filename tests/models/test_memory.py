"""Memory estimates from formulas a reader can check by hand, and refusals that say what would fit."""

from dataclasses import replace

import pytest
import torch
from published_sizes import LLAMA_8B

from anatomy.errors import ModelError
from anatomy.models import memory
from anatomy.models.loading import load_model
from anatomy.models.machine.memory import Machine
from anatomy.models.memory import available, estimate_memory, require_memory, say_bytes, say_count, shortage
from anatomy.models.scorer import open_scorer

GIB = 2**30


def test_published_figures_of_llama_3_8b():
    """16.1 GB of weights in bfloat16; 128 KiB of keys and values a token (32 layers, 8 heads of 128, 2 bytes, twice)."""
    found = estimate_memory(LLAMA_8B, "transformers", "bfloat16", sequences=1, length=1)
    assert found.weights == 16_060_522_496 and found.kv_cache == 128 * 1024
    assert found.total == found.least + found.activations + found.overhead


def test_float32_doubles_what_is_cast_and_only_that():
    size = replace(LLAMA_8B, bytes_by_dtype={"BF16": 16_060_522_496, "U8": 1000})
    half, full = (estimate_memory(size, "transformers", dtype).weights for dtype in ("bfloat16", "float32"))
    assert full - 1000 == 2 * (half - 1000)


def test_batch_and_length_cost_cache_and_logits():
    one, many = (estimate_memory(LLAMA_8B, "transformers", "bfloat16", sequences=n, length=512) for n in (1, 16))
    assert many.kv_cache == 16 * one.kv_cache and many.activations > one.activations and many.weights == one.weights


def test_a_reserved_cache_is_what_was_reserved():
    assert estimate_memory(LLAMA_8B, "vllm", "bfloat16", kv_cache_bytes=2**28, length=10**6).kv_cache == 2**28


def test_a_gpu_is_used_up_to_vllms_share():
    machine = Machine(64 * GIB, 60 * GIB, "a GPU", 100 * GIB, 99 * GIB)
    assert available(machine, "vllm") == int(0.92 * 100 * GIB) and available(machine, "transformers") == 99 * GIB
    assert available(Machine(64 * GIB, 60 * GIB), "vllm") == 60 * GIB


def test_what_would_fit_is_said_in_words():
    estimate = estimate_memory(LLAMA_8B, "transformers", "float32")
    error = shortage(LLAMA_8B, estimate, Machine(32 * GIB, 20 * GIB), "models/llama")
    assert "8.0 billion parameters" in error.found and "20.0 GiB are free in main memory" in error.found
    assert "in bfloat16 it would need" in error.remedy and "which fits" in error.remedy
    tight = shortage(LLAMA_8B, estimate, Machine(16 * GIB, 9 * GIB), "models/llama")
    assert "in bfloat16 it would still need" in tight.remedy
    fits = int(tight.remedy.split("at most ")[1].split(".")[0])
    assert fits * 2e9 < 9 * GIB, "the model that is said to fit does"
    assert shortage(LLAMA_8B, estimate, Machine(64 * GIB, 60 * GIB), "models/llama") is None


def test_what_is_named_as_fitting_fits():
    """At the edge: exactly the free memory that the words promise suffices, one byte less does not."""
    estimate = estimate_memory(LLAMA_8B, "vllm", "bfloat16", kv_cache_bytes=2**28)
    assert shortage(LLAMA_8B, estimate, Machine(32 * GIB, estimate.total), "-") is None
    error = shortage(LLAMA_8B, estimate, Machine(32 * GIB, estimate.total - 1), "-")
    assert "at most 8.0 billion parameters would fit here" in error.remedy
    nothing = shortage(LLAMA_8B, estimate, Machine(GIB, 2**20), "-")
    assert "of it are no weights" in nothing.remedy


def test_on_a_gpu_its_name_is_said():
    estimate = estimate_memory(LLAMA_8B, "vllm", "bfloat16")
    error = shortage(LLAMA_8B, estimate, Machine(64 * GIB, 60 * GIB, "NVIDIA T4", 15 * GIB, 15 * GIB), "-")
    assert "on NVIDIA T4" in error.found and "13.8 GiB are free" in error.found


def test_a_model_larger_than_memory_is_refused_before_a_weight_is_read(tiny_folder, monkeypatch):
    monkeypatch.setattr(memory, "this_machine", lambda gpus: Machine(2**20, 900 * 2**10))
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ModelError, match="900 KiB are free") as caught:
        load_model(tiny_folder, torch.float32, "cpu")
    assert str(tiny_folder) in caught.value.where and "in bfloat16 it would need 853 KiB, which fits" in caught.value.remedy


def test_a_scorer_larger_than_memory_is_refused_too(tiny_folder, monkeypatch):
    monkeypatch.setattr(memory, "this_machine", lambda gpus: Machine(2**20, 2**19))
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(ModelError, match="512 KiB are free"):
        open_scorer(tiny_folder, torch.float32, "cpu")


def test_the_check_can_be_switched_off(tiny_folder, monkeypatch):
    monkeypatch.setattr(memory, "this_machine", lambda gpus: Machine(2**20, 2**19))
    monkeypatch.setenv("ANATOMY_MEMORY_CHECK", "off")
    load_model(tiny_folder, torch.float32, "cpu")


def test_activations_alone_refuse_nothing(monkeypatch):
    estimate = estimate_memory(LLAMA_8B, "transformers", "bfloat16")
    monkeypatch.setattr(memory, "this_machine", lambda gpus: Machine(32 * GIB, estimate.least))
    require_memory(LLAMA_8B, estimate, "-", gpus=0)
    monkeypatch.setattr(memory, "this_machine", lambda gpus: Machine(32 * GIB, estimate.least - 1))
    with pytest.raises(ModelError, match=r"8\.0 billion"):
        require_memory(LLAMA_8B, estimate, "-", gpus=0)


def test_numbers_are_for_people():
    assert [say_bytes(count) for count in (15 * GIB + GIB // 5, 2**29, 3 * 2**10)] == ["15.2 GiB", "512 MiB", "3 KiB"]
    assert [say_count(count) for count in (8_030_261_248, 205_554_688, 175_104)] == ["8.0 billion", "206 million", "175,104"]
