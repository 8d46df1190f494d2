"""Where memory runs out, the message says what to lower and what it stands at."""

import pytest

from anatomy.errors import EngineError
from anatomy.serving.out_of_memory import memory_explained

SETTINGS = {"kv_cache_bytes": 2**20, "max_model_len": 4096, "max_loras": 8}


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        ValueError(
            "To serve at least one request with the model's max seq len (4096), 2 GiB KV cache is needed, which is larger "
            "than the available KV cache memory"
        ),
    ],
)
def test_the_settings_that_take_memory_are_named(error):
    with pytest.raises(EngineError) as caught, memory_explained("model", SETTINGS):
        raise error
    assert "max_model_len 4096" in caught.value.found and "kv_cache_bytes" in caught.value.remedy
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("no such token"), KeyError("x")])
def test_other_failures_pass_as_they_are(error):
    with pytest.raises(type(error)) as caught, memory_explained("model", SETTINGS):
        raise error
    assert caught.value is error
