"""The state of a training on the disk: everything that decides its next step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from anatomy.store.files import write_aside
from anatomy.store.json_objects import JsonObject


@dataclass
class TrainingState:
    """Where a training is.

    Attributes:
        epoch: epochs that are done.
        before: held-out divergence before training.
        best, best_epoch: the lowest one, and after which epoch.
        history: epoch by epoch (``anatomy.interventions.heads.training.Epoch``).
        kept: the parameters of the best epoch.
    """

    epoch: int
    before: float
    best: float
    best_epoch: int
    history: list[Any]
    kept: dict[str, Tensor]


MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What Adam remembers of a parameter."""


def save_state(
    path: Path, key: JsonObject, state: TrainingState, parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Write a state whole."""
    tensors = {f"now.{name}": one for name, one in parameters.items()} | {f"kept.{n}": one for n, one in state.kept.items()}
    for name, one in parameters.items():
        tensors |= {f"{moment}.{name}": optimizer.state[one][moment] for moment in MOMENTS}
    numbers = {"key": key, **{field: value for field, value in vars(state).items() if field != "kept"}}
    said = {"state": json.dumps(numbers, sort_keys=True)}
    write_aside(path, lambda aside: save_file({name: one.contiguous() for name, one in tensors.items()}, aside, said))


def load_state(
    path: Path, key: JsonObject, parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> TrainingState | None:
    """The state under a key, put into parameters and optimizer; None where there is none, or a damaged one."""
    try:
        with safe_open(path, framework="pt") as stream:
            said = json.loads((stream.metadata() or {}).get("state", "{}"))
            found = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError, json.JSONDecodeError):
        return None
    if said.pop("key", None) != json.loads(json.dumps(key)):
        return None
    for name, one in parameters.items():
        one.copy_(found[f"now.{name}"])
        optimizer.state[one] = {moment: found[f"{moment}.{name}"] for moment in MOMENTS}
    return TrainingState(**said, kept={name: found[f"kept.{name}"] for name in parameters})
