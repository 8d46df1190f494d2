"""Experts that vLLM packs on a CPU when it first loads them, and would leave unpacked when they are reloaded.

vLLM (0.32) tells a reload from a first load by the kernel that a layer has by then, and packs before the first alone: what is
reloaded would be read as packed, and every answer be wrong. Without that kernel it loads, packs and makes a kernel as at first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anatomy.errors import EngineError


def pack_again(model: Any, experts: Iterable[str]) -> None:
    """Let the next reload of some experts pack them; all of their tensors have to be reloaded then.

    Args:
        model: vLLM's module.
        experts: names of what holds the experts of a block, as files call it (``model.layers.3.mlp.experts``).

    Raises:
        EngineError: no such experts in the engine's model, or several.
    """
    for name in experts:
        found = [
            part.quant_method
            for own, part in model.named_modules()
            if f"{own}.".startswith(f"{name}.") and getattr(getattr(part, "quant_method", None), "moe_kernel", None) is not None
        ]
        if len(found) != 1:
            raise EngineError(
                found=f"{len(found)} kernels of experts under {name}",
                expected="one, which packs them",
                where=f"{type(model).__name__}, an edit of experts",
                remedy="export the edited model and serve that",
            )
        found[0].moe_kernel = None
