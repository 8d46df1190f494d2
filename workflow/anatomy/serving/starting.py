"""How vLLM is started for an engine: its options on this hardware, and what it must leave as it was in this process."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from anatomy.models.checkpoint import Checkpoint
from anatomy.models.imports import imports_are_done, without_unused
from anatomy.models.memory import estimate_memory, require_memory
from anatomy.models.size import model_size
from anatomy.serving.environment import workers_without_main
from anatomy.serving.named_folder import served_folder
from anatomy.serving.out_of_memory import memory_explained

if TYPE_CHECKING:
    from anatomy.serving.engine import Engine

CPU_BLOCK = 32
"""Smallest key-value block of the CPU backend; prefixes are shared in whole blocks, so small is better."""

AS_TRANSFORMERS = {"load_format": "safetensors", "config_format": "hf", "tokenizer_mode": "hf"}
"""The files that transformers reads. Left to itself, vLLM takes Mistral's own weights, configuration and tokenizer wherever a
file called ``consolidated*.safetensors`` lies, in a subfolder too."""


def require_engine_memory(engine: Engine, device: str) -> None:
    """Before vLLM is imported: on a GPU the cache must hold one prompt at least, on a CPU its size is given.

    Not where several GPUs share the model: asking CUDA here would open it in this process, and vLLM could then no longer
    fork its workers. vLLM's own check on each GPU remains.

    Raises:
        ModelError: weights and cache are larger than memory.
    """
    gpu = device == "cuda"
    if gpu and engine.gpus > 1:
        return
    size = model_size(Checkpoint(engine.model_folder))
    estimate = estimate_memory(
        size, "vllm", engine.dtype, length=engine.max_model_len, kv_cache_bytes=None if gpu else engine.kv_cache_bytes
    )
    require_memory(size, estimate, str(engine.model_folder), gpus=int(gpu))


def start_llm(engine: Engine, device: str) -> Any:
    """vLLM's ``LLM`` for an engine's settings. A failed start leaves a process in which another engine can start.

    Raises:
        EngineError: vLLM ran out of memory.
    """
    import torch

    first = "vllm" not in sys.modules
    with without_unused():
        from vllm import LLM
    if first:
        imports_are_done()

    if engine.hooks:
        os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"  # the second one keeps its batch where no hook can read it
    set_num_threads, preload = torch.set_num_threads, os.environ.get("LD_PRELOAD")
    try:
        with ExitStack() as around:
            if engine.adapters and device == "cpu":
                from anatomy.serving.cpu_adapters import grouped_adapters

                around.enter_context(grouped_adapters())
            around.enter_context(memory_explained(str(engine.model_folder), engine.settings))
            if engine.gpus > 1:  # with one, the model is built in this process, where torch asks for the main module's file
                around.enter_context(workers_without_main())
            folder = engine.until_closed(served_folder(engine.model_folder, Checkpoint(engine.model_folder).beside))
            return LLM(
                folder, dtype=engine.dtype, max_model_len=engine.max_model_len, seed=engine.seed, **llm_options(engine, device)
            )
    except BaseException:
        from vllm.distributed import cleanup_dist_env_and_memory

        cleanup_dist_env_and_memory()
        raise
    finally:
        # The CPU worker replaces both for the whole process and its children.
        torch.set_num_threads = set_num_threads
        os.environ.pop("LD_PRELOAD", None)
        if preload is not None:
            os.environ["LD_PRELOAD"] = preload


EngineArguments = dict[str, Any]
"""Keyword arguments of vLLM's own."""


def llm_options(engine: Engine, device: str) -> EngineArguments:
    """vLLM's arguments beyond model, dtype, length and seed."""
    options: EngineArguments = {"disable_log_stats": True, "max_num_seqs": engine.max_num_seqs, **AS_TRANSFORMERS}
    if device == "cpu":
        options.update(enforce_eager=True, block_size=CPU_BLOCK, kv_cache_memory_bytes=engine.kv_cache_bytes)
    elif engine.gpus > 1:
        options.update(tensor_parallel_size=engine.gpus, distributed_executor_backend="mp")
    if engine.hooks:
        options.update(enforce_eager=True)
    if engine.adapters:
        options.update(
            enable_lora=True,
            max_loras=engine.max_loras,
            max_cpu_loras=4 * engine.max_loras,
            max_lora_rank=engine.max_lora_rank,
            lora_target_modules=list(engine.target_modules),
        )
    return options
