"""What the other side of a row does to the engine beneath the library: load other weights, ask as lm-eval's own backend."""

from collections.abc import Iterable
from typing import Any

from torch import Tensor


def reload_tensors(engine: Any, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Load other values of some tensors into the running engine, and forget what was computed with the old ones."""
    engine._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(tensors)})
    engine.reset_prefix_cache()


def harness_model(engine: Any) -> Any:
    """lm-eval's own vLLM backend, on the engine that is open: same weights, same arguments, no second start."""
    from lm_eval.models import vllm_causallms

    started = vllm_causallms.LLM
    vllm_causallms.LLM = lambda **_: engine._llm
    try:
        # "auto" is all requests at once under a progress bar, which fails where bars are switched off; this is without it.
        return vllm_causallms.VLLM(
            str(engine.model_folder), dtype=engine.dtype, max_model_len=engine.max_model_len, batch_size=1_000_000
        )
    finally:
        vllm_causallms.LLM = started
