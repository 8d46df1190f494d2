"""Another matrix in the place of the head that a running engine shares with its embedding.

vLLM keeps one matrix for both where embeddings are tied, and some of its classes (Gemma's) read the embedding whatever the
configuration says: a reload cannot part them. Its logits processor is given the head as an argument, so that is where another one
is put; a cap on logits acts behind it. Keys and values do not depend on the head, so the prefix cache stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import EngineError

PLACE = "anatomy_own_head"
"""Attribute of the logits processor that holds the handle of what was put."""


@dataclass(frozen=True)
class OwnHead:
    """What vLLM's logits processor asks of a head.

    Args:
        weight: its matrix.
    """

    weight: Float[Tensor, "vocabulary d_model"]
    tp_size = 1

    @property
    def quant_method(self) -> OwnHead:
        """Itself: it multiplies its own matrix."""
        return self

    def apply(self, _head: Any, states: Tensor, bias: Tensor | None = None) -> Tensor:
        """Logits of states."""
        return torch.nn.functional.linear(states, self.weight, bias)


def use_head(model: Any, weight: Float[Tensor, "vocabulary d_model"] | None) -> None:
    """Let a model of vLLM's multiply another matrix for its logits; None for its own again.

    Raises:
        EngineError: the model has no logits processor, or several.
    """
    from vllm.model_executor.layers.logits_processor import LogitsProcessor

    found = [module for module in model.modules() if isinstance(module, LogitsProcessor)]
    if len(found) != 1:
        raise EngineError(
            found=f"{len(found)} logits processors in {type(model).__name__}",
            expected="one, whose head can be changed",
            where="an edit of the output head",
            remedy="export the edited model and serve that",
        )
    processor = found[0]
    handle = processor.__dict__.pop(PLACE, None)
    if handle is not None:
        handle.remove()
    if weight is None:
        return
    head = OwnHead(weight.to(next(model.parameters()).device))
    processor.__dict__[PLACE] = processor.register_forward_pre_hook(lambda _module, inputs: (head, *inputs[1:]))
