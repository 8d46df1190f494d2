"""Mixtures of experts: one matrix an expert in a file, all experts in one tensor in memory, and one name an expert for both.

An MLP that is a mixture writes ``y = sum_e p_e W_e u_e``, p_e the router's weights: the matrices side by side times the inputs
one below the other. So the experts of a block, shared ones among them, are parts of one matrix that writes to the stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from anatomy.errors import EditError

_EXPERT = re.compile(r"^(?P<experts>.*\bexperts)\.(?P<number>\d+)\.(?P<matrix>\w+)(?:\.weight)?$")

FUSED_WRITER, FUSED_READERS = "down_proj", ("gate_up_proj", "gate_proj", "up_proj")
"""Tensors [expert, rows, columns] that transformers keeps the experts of a block in."""

ROUTERS = ("gate", "router", "shared_expert_gate")
"""Matrices of a mixture that weigh its experts. They read the stream, and no edit touches them."""

COUNTS = ("num_local_experts", "num_experts", "n_routed_experts")
"""What configurations call the number of experts of a block."""


def is_expert(name: str) -> bool:
    """Whether a matrix, or its tensor, is one expert's own; a shared expert's is a matrix like any other."""
    return _EXPERT.match(name) is not None


def siblings(name: str, known: set[str]) -> list[str]:
    """All tensors of the experts of a block, of which this one is one: an engine keeps them together."""
    match = _EXPERT.match(name)
    return [] if match is None else sorted(one for one in known if one.startswith(f"{match['experts']}."))


def experts_of(names: Iterable[str]) -> list[str]:
    """What holds the experts of a block, for all experts among some names, each once."""
    return list(dict.fromkeys(match["experts"] for match in map(_EXPERT.match, names) if match))


def loaded_tensor(model: nn.Module, name: str) -> Tensor | None:
    """The tensor of a model in memory by its name, an expert's as its part of the tensor of all; None where there is none."""
    match = _EXPERT.match(name)
    try:
        return model.get_parameter(name)
    except AttributeError:
        if match is None:
            return None
    try:
        fused = model.get_parameter(f"{match['experts']}.{match['matrix']}").detach()
    except AttributeError:
        return None
    return fused[int(match["number"])] if fused.dim() == 3 and int(match["number"]) < len(fused) else None


def one_an_expert(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes of a block's tensors in memory, with a matrix an expert in the place of the tensor that holds what they write."""
    found: dict[str, tuple[int, ...]] = {}
    for inside, shape in shapes.items():
        if inside.endswith(f"experts.{FUSED_WRITER}") and len(shape) == 3:
            experts = inside.removesuffix(f".{FUSED_WRITER}")
            found.update({f"{experts}.{number}.{FUSED_WRITER}.weight": shape[1:] for number in range(shape[0])})
        else:
            found[inside] = shape
    return found


def refuse_turned(model: nn.Module, where: str) -> None:
    """Refuse experts that multiply the other way round, or add biases (``EditError``): rows would not be what they write."""
    for name, part in model.named_modules():
        writer = getattr(part, FUSED_WRITER, None)
        fused = isinstance(writer, torch.Tensor) and writer.dim() == 3
        if fused and (getattr(part, "is_transposed", False) or getattr(part, "has_bias", False)):
            raise EditError(
                found=f"experts in {name} that are stored transposed or have biases",
                expected="experts stored as [expert, d_model, d_in], without bias",
                where=where,
                remedy="edit attention alone (sites: [o_proj]); these experts are not supported, and no partial edit is made",
            )
