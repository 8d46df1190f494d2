"""The model that lm-eval knows as ``anatomy`` once this module is imported.

    from lm_eval import simple_evaluate
    import anatomy.serving.benchmarks.registered
    simple_evaluate(model="anatomy", model_args={"pretrained": "FOLDER", "dtype": "float32"}, tasks=["hellaswag"])

From a shell, ``python -m anatomy.serving.benchmarks`` takes the arguments of ``lm_eval``.
"""

from __future__ import annotations

import atexit
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypedDict

from lm_eval.api.registry import register_model

from anatomy.config.subjects import Dtype
from anatomy.errors import ConfigError, EditError
from anatomy.interventions.edits.adapter_factors import applied_adapter
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import longest_served_context
from anatomy.models.machine.formats import resolved, warn_if_slow
from anatomy.models.preflight.number_format import refused_formats, require_format
from anatomy.serving.benchmarks.engine_lm import EngineLM
from anatomy.serving.engine import Engine
from anatomy.serving.packed_likelihood import open_packed

LONGEST = 4096
"""Most tokens of a question where ``max_model_len`` is not given; a model's own context where that is shorter."""

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM has room for; an adapter takes the next higher one."""

IGNORED = ("batch_size", "max_batch_size", "device")
"""What lm-eval's command line passes to every model: the engine batches by itself, on what its build is for."""


@register_model("anatomy")
class AnatomyLM(EngineLM):
    """An engine of its own, open until ``close`` or the end of the process.

    Args:
        pretrained: a local model folder.
        dtype: ``float32``, ``bfloat16``, ``float16``; ``auto`` what this machine multiplies fast
            (lm-eval's own backends take the folder's, which a CPU may multiply fifty times slower).
        max_model_len: longest question in tokens (``max_length`` means the same); longer ones are refused, never cut.
        adapter: folder of a PEFT adapter to evaluate under.
        kv_cache_bytes: on a CPU, memory for keys and values.
        threads: of the CPU backend.
        seed: of sampled completions.
        max_gen_toks: longest completion of a task that names none.
        packed: whether long choices may be scored in packed rows (on a CPU: a second copy of the weights in memory).

    Raises:
        ConfigError: an argument that it does not know, or as ``Engine``.
        ModelError, EditError: the folder or the adapter cannot be used.
    """

    def __init__(
        self,
        pretrained: str,
        dtype: Dtype = "auto",
        max_model_len: int | None = None,
        max_length: int | None = None,
        adapter: str | None = None,
        kv_cache_bytes: int = 2**30,
        threads: int = 1,
        seed: int = 0,
        max_gen_toks: int = 256,
        packed: bool = True,
        **options: Any,
    ) -> None:
        unknown = sorted(set(options) - set(IGNORED))
        if unknown:
            raise ConfigError(
                found=f"model arguments {', '.join(unknown)}",
                where="--model anatomy",
                expected="pretrained, dtype, max_model_len, adapter, kv_cache_bytes, threads, seed, max_gen_toks, packed",
            )
        folder, edit = Path(pretrained), None if adapter is None else Path(adapter)
        checkpoint = Checkpoint(folder)
        chosen = resolved(dtype, refused_formats(checkpoint.config))
        require_format(chosen, checkpoint.config, "--model_args dtype")
        warn_if_slow(chosen, "--model_args dtype", print)
        self._open = ExitStack()
        engine = self._open.enter_context(
            Engine(
                folder,
                dtype=chosen,
                max_model_len=max_model_len or max_length or _context(checkpoint),
                seed=seed,
                kv_cache_bytes=int(kv_cache_bytes),
                threads=int(threads),
                **({} if edit is None else _room_for(edit)),
            )
        )
        scorer = open_packed(folder, engine.dtype, print) if packed else None
        if scorer is not None:
            try:
                self._open.enter_context(applied_adapter(scorer.loaded, edit))
            except EditError as error:
                print(f"long choices are scored one by one by the engine: {error.found}")
                scorer = None
        super().__init__(engine, edit, packed=scorer, seed=seed, max_gen_toks=int(max_gen_toks))
        atexit.register(self.close)

    def close(self) -> None:
        """End the engine; the second time nothing happens."""
        self._open.close()


def _context(checkpoint: Checkpoint) -> int:
    known = [checkpoint.text_config.get("max_position_embeddings"), longest_served_context(checkpoint.text_config), LONGEST]
    return min(length for length in known if length)


class AdapterRoom(TypedDict, total=False):
    """What an engine is started with so that one adapter fits."""

    adapters: bool
    max_loras: int
    max_lora_rank: int
    target_modules: tuple[str, ...]


def _room_for(adapter: Path) -> AdapterRoom:
    path = adapter / "adapter_config.json"
    if not path.is_file():
        raise EditError(found="no adapter_config.json", expected="a PEFT adapter", where=str(adapter))
    config = json.loads(path.read_text(encoding="utf-8"))
    targets = config["target_modules"]
    return {
        "adapters": True,
        "max_loras": 1,
        "max_lora_rank": next((rank for rank in RANKS if rank >= config["r"]), RANKS[-1]),
        "target_modules": (targets,) if isinstance(targets, str) else tuple(targets),
    }
