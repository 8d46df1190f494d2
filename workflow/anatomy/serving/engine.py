"""One vLLM engine that answers for a model and for all its low-rank edits.

Base and adapter requests never share a batch: on the CPU backend "no adapter" is index -1 of the adapter table, so a
base request beside adapter requests is silently answered with the edit in the last slot.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anatomy.errors import ConfigError, DataError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.imports import without_sklearn
from anatomy.models.memory import estimate_memory, require_memory
from anatomy.models.size import model_size
from anatomy.serving.adapters import AdapterTable
from anatomy.serving.completions import Request, in_order, stream
from anatomy.serving.decoding import Decoding, Generation
from anatomy.serving.environment import check_hardware, prepare_environment, workers_without_main
from anatomy.serving.limits import refuse_adapters_of_experts, refuse_long_context

CPU_BLOCK = 32
"""Smallest key-value block of the CPU backend; prefixes are shared in whole blocks, so small is better."""


class Engine:
    """A vLLM engine in this process, open between ``with`` and its end.

    Args:
        model_folder: a local Hugging Face checkpoint.
        dtype: ``float32``, ``bfloat16`` or ``float16``.
        max_model_len: longest prompt plus completion, in tokens.
        seed: of the engine; requests carry their own.
        kv_cache_bytes: memory for keys and values on CPU; on a GPU vLLM takes what is free.
        threads: OpenMP threads of the CPU backend.
        gpus: GPUs that share the model (tensor parallel), all of this machine and visible. With more than one, vLLM computes in
            a process for each: prompts and adapters go there by themselves, but what reaches into the
            module (reloading weights, hooks) does not, see ``limits.refuse_many_gpus``. Not yet run.
        adapters: whether adapters will be asked for.
        max_loras: adapters computed in one step; more than that wait their turn.
        max_lora_rank: highest rank of any adapter; the CPU kernel's time grows with it, so 1 for rank 1.
        target_modules: modules that adapters may edit. Always named: left open, vLLM also wraps the output head, and
            prompt log-probabilities crash.
        on_start: told ``{"model", "seconds"}`` after each start, so that a journal can count them.

    Raises:
        ConfigError: the build does not fit the machine, vLLM was imported under other settings, adapters are asked for
            beside experts on a CPU, or a context at which LongRoPE is computed otherwise than in transformers.
        ModelError: the folder cannot be used, or weights and cache are larger than memory.
    """

    def __init__(
        self,
        model_folder: Path,
        *,
        dtype: str,
        max_model_len: int,
        seed: int,
        kv_cache_bytes: int,
        threads: int = 1,
        gpus: int = 1,
        adapters: bool = False,
        max_loras: int = 8,
        max_lora_rank: int = 1,
        target_modules: Sequence[str] = ("o_proj", "down_proj"),
        on_start: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.model_folder, self.dtype, self.max_model_len = Path(model_folder), dtype, max_model_len
        self.seed, self.kv_cache_bytes, self.threads, self.gpus = seed, kv_cache_bytes, threads, gpus
        self.adapters, self.max_loras, self.max_lora_rank = adapters, max_loras, max_lora_rank
        self.target_modules, self._on_start, self._llm = tuple(target_modules), on_start, None

    def __enter__(self) -> Engine:
        chosen, checkpoint = check_hardware(), Checkpoint(self.model_folder)
        refuse_long_context(checkpoint, self.max_model_len)
        if self.adapters and chosen == "cpu":
            refuse_adapters_of_experts(checkpoint)
        prepare_environment(self.threads)
        self._require_memory(gpu=chosen == "cuda")
        started = time.perf_counter()
        import torch

        with without_sklearn():
            from vllm import LLM

        options: dict[str, Any] = {"disable_log_stats": True}
        if chosen == "cpu":
            options.update(enforce_eager=True, block_size=CPU_BLOCK, kv_cache_memory_bytes=self.kv_cache_bytes)
        elif self.gpus > 1:
            options.update(tensor_parallel_size=self.gpus, distributed_executor_backend="mp")
        if self.adapters:
            options.update(enable_lora=True, max_loras=self.max_loras, max_cpu_loras=4 * self.max_loras,
                           max_lora_rank=self.max_lora_rank, lora_target_modules=list(self.target_modules))
        set_num_threads, preload = torch.set_num_threads, os.environ.get("LD_PRELOAD")
        try:
            # Not with one GPU: the model is then built in this process, where torch asks for the main module's file.
            with workers_without_main() if self.gpus > 1 else contextlib.nullcontext():
                self._llm = LLM(str(self.model_folder), dtype=self.dtype, max_model_len=self.max_model_len, seed=self.seed,
                                **options)
        finally:
            # The CPU worker replaces both for the whole process and its children.
            torch.set_num_threads = set_num_threads
            os.environ.pop("LD_PRELOAD", None)
            if preload is not None:
                os.environ["LD_PRELOAD"] = preload
        self.tokenizer = self._llm.get_tokenizer()
        self._table = AdapterTable(checkpoint.text_config, self.target_modules, self.max_lora_rank)
        if self._on_start is not None:
            self._on_start({"model": str(self.model_folder), "seconds": round(time.perf_counter() - started, 3)})
        return self

    def _require_memory(self, gpu: bool) -> None:
        """Before vLLM is imported: on a GPU the cache must hold one prompt at least, on a CPU its size is given.

        Not where several GPUs share the model: asking CUDA here would open it in this process, and vLLM could then no longer
        fork its workers. vLLM's own check on each GPU remains.
        """
        if gpu and self.gpus > 1:
            return
        size = model_size(Checkpoint(self.model_folder))
        estimate = estimate_memory(size, "vllm", self.dtype, length=self.max_model_len,
                                   kv_cache_bytes=None if gpu else self.kv_cache_bytes)
        require_memory(size, estimate, str(self.model_folder), gpu=gpu)

    def __exit__(self, *error: object) -> None:
        if self._llm is not None:
            self._llm.llm_engine.engine_core.shutdown()
            self._llm = None
            from vllm.distributed import cleanup_dist_env_and_memory

            cleanup_dist_env_and_memory()
            gc.collect()

    def run(self, token_ids: Sequence[list[int]], parameters: Sequence[Any],
            adapters: Sequence[Path | None]) -> list[Any]:
        """One batch, all base or all adapters: vLLM's own outputs, in order.

        Args:
            token_ids: the prompts.
            parameters: one ``vllm.SamplingParams`` a prompt.
            adapters: one adapter folder a prompt, or None for every prompt.

        Raises:
            ConfigError: base and adapter prompts are mixed, or the engine was started without adapters.
            DataError: a prompt is empty or too long for the engine.
        """
        if self._llm is None:
            raise ConfigError(found="a closed engine", expected="an open one", where="Engine.run",
                              remedy="use it inside `with Engine(...) as engine:`")
        edited = [adapter is not None for adapter in adapters]
        if any(edited) and not all(edited):
            raise ConfigError(found=f"{sum(edited)} adapter and {len(edited) - sum(edited)} base prompts in one batch",
                              expected="all base or all adapters", where="Engine.run",
                              remedy="ask for them in two calls: mixed batches are silently wrong")
        if any(edited) and not self.adapters:
            raise ConfigError(found="an adapter", expected="an engine started with adapters=True", where="Engine.run")
        for place, (ids, wanted) in enumerate(zip(token_ids, parameters, strict=True)):
            if not ids or len(ids) + wanted.max_tokens > self.max_model_len:
                raise DataError(
                    found=f"{len(ids)} prompt tokens and {wanted.max_tokens} new ones",
                    where=f"prompt {place} of the batch",
                    expected=f"at least 1 prompt token and together at most {self.max_model_len}",
                    remedy="raise max_model_len, ask for fewer new tokens, or drop the prompt",
                )
        if not token_ids:
            return []
        return self._llm.generate([{"prompt_token_ids": ids} for ids in token_ids], list(parameters), use_tqdm=False,
                                  lora_request=self._lora_requests(adapters) if any(edited) else None)

    def _lora_requests(self, adapters: Sequence[Path | None]) -> list[Any]:
        from vllm.lora.request import LoRARequest

        numbers = {adapter: self._table.number(adapter) for adapter in dict.fromkeys(adapters)}
        return [LoRARequest(f"adapter-{numbers[adapter]}", numbers[adapter], str(adapter)) for adapter in adapters]

    def generate(self, token_ids: Sequence[list[int]], decoding: Decoding, *, seeds: Sequence[int] | None = None,
                 adapter: Path | None = None, shard_size: int = 256,
                 say: Callable[[str], None] | None = None) -> list[Generation]:
        """Completions of one variant, in the order of the prompts (see ``completions.stream``)."""
        return self.generate_many([(adapter, token_ids)], decoding, seeds=None if seeds is None else [seeds],
                                  shard_size=shard_size, say=say)[0]

    def generate_many(self, jobs: Sequence[tuple[Path | None, Sequence[list[int]]]], decoding: Decoding, *,
                      seeds: Sequence[Sequence[int]] | None = None, shard_size: int = 256,
                      say: Callable[[str], None] | None = None) -> list[list[Generation]]:
        """Completions of several variants, adapters batched together: one list a job (see ``completions.stream``)."""
        own = [[None] * len(prompts) for _, prompts in jobs] if seeds is None else seeds
        requests = [Request(ids, seed, adapter) for (adapter, prompts), job_seeds in zip(jobs, own, strict=True)
                    for ids, seed in zip(prompts, job_seeds, strict=True)]
        flat = iter(in_order(stream(self, requests, decoding, shard_size, say), len(requests)))
        return [[next(flat) for _ in prompts] for _, prompts in jobs]
