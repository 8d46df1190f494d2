"""Changes of tensors under the names that a model in memory has for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from anatomy.audit.controls import Change
from anatomy.models.experts import loaded_tensor

_READER = re.compile(r"^(?P<expert>.*\bexperts\.\d+)\.(?P<half>gate_proj|up_proj)\.weight$")
HALVES = ("gate_proj", "up_proj")
"""What reads the stream for an expert: two matrices in a file, in memory one below the other."""


def as_in_memory(model: nn.Module, changes: Mapping[str, Change]) -> dict[str, Change]:
    """The same changes, those of both readers of an expert as one where transformers keeps these in one tensor."""
    found: dict[str, Change] = {}
    readers: dict[str, dict[str, Change]] = {}
    for name, change in changes.items():
        match = _READER.match(name)
        if match is not None and loaded_tensor(model, name) is None:
            readers.setdefault(f"{match['expert']}.gate_up_proj.weight", {})[match["half"]] = change
        else:
            found[name] = change
    return found | {name: _both(halves) for name, halves in readers.items()}


def _both(halves: Mapping[str, Change]) -> Change:
    def changed(weight: Tensor) -> Tensor:
        parts = zip(HALVES, weight.chunk(2), strict=True)
        return torch.cat([(halves[half](part) if half in halves else part).float() for half, part in parts])

    return changed
