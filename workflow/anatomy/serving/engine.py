"""One vLLM engine that answers for a model and for all its edits: adapters beside one another, other edits one at a time.

Base and adapter requests never share a batch: on the CPU backend "no adapter" is index -1 of the adapter table, so a
base request beside adapter requests is silently answered with the edit in the last slot.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from anatomy.errors import ConfigError, EngineError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.imports import one_collection
from anatomy.models.machine.devices import this_device
from anatomy.serving.adapters import AdapterFolder, AdapterTable
from anatomy.serving.completions import Request, in_order, stream
from anatomy.serving.current_edits import CurrentEdits, Fallbacks
from anatomy.serving.decoding import Decoding, Generation
from anatomy.serving.engine_progress import requests_counted
from anatomy.serving.environment import check_hardware, prepare_environment
from anatomy.serving.limits import (
    refuse_adapters,
    refuse_long_context,
    refuse_long_prompts,
    refuse_many_gpus,
    refuse_without_eyes,
    why_no_adapters,
)
from anatomy.serving.out_of_memory import MemorySettings, memory_explained
from anatomy.serving.serving_modes import Abilities, Fallback, ServingMode
from anatomy.serving.starting import require_engine_memory, start_llm

T = TypeVar("T")


class Started(TypedDict):
    """A start of an engine: the model's folder, and how long it took."""

    model: str
    seconds: float


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
        max_num_seqs: requests decoded in one step; None is vLLM's own number, 256 on a CPU. Sweeps of short completions under
            many adapters gain from more, where the cache holds that many requests.
        target_modules: modules that adapters may edit, or sites, which stand for what the model calls its matrices there. Always
            named: left open, vLLM also wraps the output head, and prompt log-probabilities crash.
        hooks: whether interventions will be asked for: the model then runs uncompiled on a GPU too (a CPU never compiles).
        on_start: told of each start, so that a journal can count them.
        on_fallback: told of everything that is served in another way than asked, once each, for the manifest.

    Attributes:
        fallbacks: ``fallbacks.found`` is what ``on_fallback`` was told.

    Raises:
        ConfigError: the build does not fit the machine, vLLM was imported under other settings, or a context at which LongRoPE
            is computed otherwise than in transformers.
        ModelError: the folder cannot be used, or weights and cache are larger than memory.
        EngineError: vLLM ran out of memory.
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
        max_num_seqs: int | None = None,
        target_modules: Sequence[str] = ("o_proj", "down_proj"),
        hooks: bool = False,
        on_start: Callable[[Started], None] | None = None,
        on_fallback: Callable[[Fallback], None] | None = None,
    ) -> None:
        self.model_folder, self.dtype, self.max_model_len = Path(model_folder), dtype, max_model_len
        self.seed, self.kv_cache_bytes, self.threads, self.gpus = seed, kv_cache_bytes, threads, gpus
        self.adapters, self.max_loras, self.max_lora_rank = adapters, max_loras, max_lora_rank
        self.target_modules, self._on_start = tuple(target_modules), on_start
        self._llm: Any | None = None
        self.fallbacks = Fallbacks(self.model_folder, on_fallback)
        self._lacks_adapters, self._poisoned, self._cleanup = "", "", ExitStack()
        self.hooks, self.max_num_seqs = hooks, max_num_seqs

    def __enter__(self) -> Engine:
        chosen, checkpoint = check_hardware(), Checkpoint(self.model_folder)
        refuse_long_context(checkpoint, self.max_model_len)
        refuse_without_eyes(checkpoint)
        if self.adapters and (reason := why_no_adapters(checkpoint, chosen)):
            self.adapters, self._lacks_adapters = False, reason
            self.fallbacks(Fallback("adapters", "reload", reason))
        if self.adapters:
            from anatomy.interventions.edits.inventory import module_names

            self.target_modules = module_names(checkpoint, self.target_modules)
        prepare_environment(self.threads)
        if chosen == "cuda":
            this_device(self.gpus)  # outside of a job nobody else has held GPUs for it
        require_engine_memory(self, chosen)
        started = time.perf_counter()
        self._llm = llm = start_llm(self, chosen)
        self.tokenizer = llm.get_tokenizer()
        self._table = AdapterTable(checkpoint.text_config, self.target_modules, self.max_lora_rank)
        from anatomy.serving.reload import Reloader

        self.weights = Reloader(llm, checkpoint, self.dtype, self.max_model_len, chosen, self._ask, self._poison)
        self._edits = CurrentEdits(
            self.model_folder,
            self._abilities,
            self.weights,
            self._cleanup.enter_context(AdapterFolder(checkpoint)),
            self.fallbacks,
        )
        if self._on_start is not None:
            self._on_start({"model": str(self.model_folder), "seconds": round(time.perf_counter() - started, 3)})
        return self

    def __exit__(self, *error: object) -> None:
        self._cleanup.close()
        if self._llm is not None:
            with one_collection():
                self._llm.llm_engine.engine_core.shutdown()
                self._llm = None
                from vllm.distributed import cleanup_dist_env_and_memory

                cleanup_dist_env_and_memory()

    @property
    def settings(self) -> MemorySettings:
        """What decides how much memory the engine takes."""
        return {
            "kv_cache_bytes": self.kv_cache_bytes,
            "max_model_len": self.max_model_len,
            "max_loras": self.max_loras,
            "max_lora_rank": self.max_lora_rank,
            "dtype": self.dtype,
        }

    @property
    def _abilities(self) -> Abilities:
        return Abilities(self.adapters, self._lacks_adapters, self.max_lora_rank, self.target_modules, self.hooks)

    def way(self, edits: Sequence[Any]) -> ServingMode:
        """How this engine would serve a stack of edits (see ``serving_modes.choose_mode``)."""
        return self._edits.way(edits)

    def under(self, edits: Sequence[Any], *, in_place: bool = False) -> AbstractContextManager[Path | None]:
        """Run the body on the edited model: ``engine.run(token_ids, parameters, [adapter] * n)`` with what is yielded.

        Args:
            edits: of weights, first edit first.
            in_place: reload the touched tensors also where an adapter would do: so that the engine itself is the edited model,
                for requests that carry interventions, which never stand beside an adapter.

        Yields:
            The folder of an adapter, or None where the engine itself is the edited model (or there is no edit). Folders stay
            until the engine closes; weights go back at the end, whatever happens in the body, with proof.

        Raises:
            EditError: the stack does not fit the model.
            ConfigError: this engine cannot serve it, or it stands inside ``under`` of another reload.
            EngineError: the weights could not be changed, or not be changed back. Nothing more is answered then.
        """
        if self.way(edits).kind == "reload" or (in_place and edits):
            refuse_many_gpus(self.gpus, "weights reloaded in place")
        return self._edits.under(edits, in_place)

    def sweep(self) -> AbstractContextManager[None]:
        """Inside it weights go back only when something asks for them, and at the end: one reload an edit instead of two."""
        return self._edits.sweep()

    def until_closed(self, context: AbstractContextManager[T]) -> T:
        """Enter a context that is left when the engine closes."""
        return self._cleanup.enter_context(context)

    def _poison(self, reason: str) -> None:
        self._poisoned = reason

    @property
    def cache_tokens(self) -> int:
        """Tokens whose keys and values the engine's cache holds at once."""
        cache = self._opened("Engine.cache_tokens").llm_engine.vllm_config.cache_config
        return cache.kv_cache_size_tokens or cache.num_gpu_blocks * cache.block_size

    def reset_prefix_cache(self) -> None:
        """Forget the keys and values of earlier prompts, so that what comes next does not depend on them in its last bits."""
        self._opened("Engine.reset_prefix_cache").reset_prefix_cache()

    def run(
        self,
        token_ids: Sequence[list[int]],
        parameters: Sequence[Any],
        adapters: Sequence[Path | None],
        salts: Sequence[str | None] | None = None,
    ) -> list[Any]:
        """One batch, all base or all adapters: vLLM's own outputs, in order. Inside ``under`` of a reload, base is the edit.

        Args:
            token_ids: the prompts.
            parameters: one ``vllm.SamplingParams`` a prompt.
            adapters: one adapter folder a prompt, or None for every prompt.
            salts: prompts share cached keys and values only where their salts are equal; none for the model as it is.

        Raises:
            ConfigError: base and adapter prompts are mixed, or adapters are asked of an engine without, or of edited weights.
            DataError: prompts are empty or too long for the engine.
            EngineError: memory ran out, or the engine is no longer what it was.
        """
        self._opened("Engine.run")
        lacking = "" if self.adapters else self._lacks_adapters or "start it with adapters=True, or give it edits (Engine.under)"
        refuse_adapters(adapters, lacking, self._edits.reloaded, str(self.model_folder))
        refuse_long_prompts(token_ids, [wanted.max_tokens for wanted in parameters], self.max_model_len)
        if not token_ids:
            return []
        self._edits.settle()
        folders = [adapter for adapter in adapters if adapter is not None]
        return self._ask(token_ids, parameters, self._lora_requests(folders) if folders else None, salts)

    def _ask(
        self,
        token_ids: Sequence[list[int]],
        parameters: Sequence[Any],
        lora: list[Any] | None = None,
        salts: Sequence[str | None] | None = None,
    ) -> list[Any]:
        """The engine as it is; requests that a failure leaves behind are taken back, so that they answer no later call."""
        if self._poisoned:
            raise EngineError(
                found=self._poisoned,
                expected="the model that the engine was started with",
                where=str(self.model_folder),
                remedy="start the engine again; nothing more is answered",
            )
        llm = self._opened("Engine.run")
        prompts = [
            {"prompt_token_ids": ids, **({"cache_salt": salt} if salt else {})}
            for ids, salt in zip(token_ids, salts or [None] * len(token_ids), strict=True)
        ]
        try:
            with memory_explained(str(self.model_folder), self.settings):
                return llm.generate(prompts, list(parameters), use_tqdm=requests_counted, lora_request=lora)
        except BaseException:
            left = list(llm.llm_engine.output_processor.request_states)
            llm.llm_engine.abort_request(left, internal=True)
            raise

    def runner(self) -> Any:
        """vLLM's model runner, which holds the module and the batch that it is computing."""
        llm = self._opened("Engine.runner")
        refuse_many_gpus(self.gpus, "interventions")
        return llm.collective_rpc(lambda worker: worker.model_runner)[0]

    def _opened(self, where: str) -> Any:
        """vLLM's engine, while it is open."""
        if self._llm is None:
            raise ConfigError(
                found="a closed engine", expected="an open one", where=where, remedy="use it inside `with Engine(...) as engine:`"
            )
        return self._llm

    def _lora_requests(self, adapters: Sequence[Path]) -> list[Any]:
        from vllm.lora.request import LoRARequest

        numbers = {adapter: self._table.number(adapter) for adapter in dict.fromkeys(adapters)}
        return [LoRARequest(f"adapter-{numbers[adapter]}", numbers[adapter], str(adapter)) for adapter in adapters]

    def generate(
        self,
        token_ids: Sequence[list[int]],
        decoding: Decoding,
        *,
        seeds: Sequence[int] | None = None,
        adapter: Path | None = None,
        shard_size: int = 256,
        say: Callable[[str], None] | None = None,
    ) -> list[Generation]:
        """Completions of one variant, in the order of the prompts (see ``completions.stream``)."""
        return self.generate_many(
            [(adapter, token_ids)], decoding, seeds=None if seeds is None else [seeds], shard_size=shard_size, say=say
        )[0]

    def generate_many(
        self,
        jobs: Sequence[tuple[Path | None, Sequence[list[int]]]],
        decoding: Decoding,
        *,
        seeds: Sequence[Sequence[int]] | None = None,
        shard_size: int = 256,
        say: Callable[[str], None] | None = None,
    ) -> list[list[Generation]]:
        """Completions of several variants, adapters batched together: one list a job (see ``completions.stream``)."""
        own = [[None] * len(prompts) for _, prompts in jobs] if seeds is None else seeds
        requests = [
            Request(ids, seed, adapter)
            for (adapter, prompts), job_seeds in zip(jobs, own, strict=True)
            for ids, seed in zip(prompts, job_seeds, strict=True)
        ]
        flat = iter(in_order(stream(self, requests, decoding, shard_size, say), len(requests)))
        return [[next(flat) for _ in prompts] for _, prompts in jobs]
