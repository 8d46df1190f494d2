"""A training under way, kept so that a killed one goes on with equal bits: parameters, optimiser states, losses, step.

The random state is the number of steps: batches are drawn from a seeded source and the ones already seen are drawn again,
which costs far less than training on them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from anatomy.store.digest import digest
from anatomy.store.files import write_aside
from anatomy.store.json_objects import JsonObject

SECONDS_BETWEEN = 15.0
"""Between two states kept: a kill costs at most this much training, and keeping one costs some hundredths of a second."""


@dataclass
class TrainingState:
    """The state of one training.

    Args:
        folder: holds one file, named by its own content, so that a damaged one is never taken for a whole one.
        key: everything that shapes the training; a state under another key is not used.
        seconds: between two states kept.
        say: receives a line where a training goes on.
    """

    folder: Path
    key: JsonObject
    seconds: float = SECONDS_BETWEEN
    say: Callable[[str], None] = print
    _kept_at: float = field(default_factory=time.monotonic)

    def resume(self, weights: dict[str, Tensor], optimisers: list[torch.optim.Optimizer], steps: int) -> list[float]:
        """Put the state last kept into `weights` and `optimisers`; returns the losses of the steps already done.

        Nothing is touched, and no loss returned, where no whole state of this training is there, or one of more than `steps`.
        """
        for path in sorted(self.folder.glob("*.safetensors")):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != path.stem:
                self.say(f"the state {path} is damaged and not used")
                continue
            with safe_open(path, "pt") as file:
                told = file.metadata()
            losses = json.loads(told["losses"])
            if told["key"] != digest(self.key) or len(losses) > steps:
                continue
            tensors = load(content)
            with torch.no_grad():
                for name, tensor in weights.items():
                    tensor.copy_(tensors[f"weights/{name}"])
            for number, optimiser in enumerate(optimisers):
                _restore(optimiser, tensors, f"optimiser/{number}/")
            self.say(f"going on after step {len(losses)} of a training that was stopped")
            return losses
        return []

    def keep(
        self, weights: dict[str, Tensor], optimisers: list[torch.optim.Optimizer], losses: list[float], last: bool = False
    ) -> None:
        """Keep the state after a step, if the one before is old enough or this is the last step; the one before goes.

        Raises:
            StoreError: the disk is full or unwritable.
        """
        if time.monotonic() - self._kept_at < self.seconds and not last:
            return
        tensors = {f"weights/{name}": tensor.detach() for name, tensor in weights.items()}
        for number, optimiser in enumerate(optimisers):
            for index, state in optimiser.state_dict()["state"].items():
                tensors |= {f"optimiser/{number}/{index}/{name}": tensor for name, tensor in state.items()}
        content = save(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            {"key": digest(self.key), "losses": json.dumps(losses)},
        )
        path = self.folder / f"{hashlib.sha256(content).hexdigest()}.safetensors"
        write_aside(path, lambda aside: aside.write_bytes(content))
        for other in self.folder.glob("*.safetensors"):
            if other != path:
                other.unlink()
        self._kept_at = time.monotonic()

    def remove(self) -> None:
        """Forget the training: its model has been written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _restore(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor], beginning: str) -> None:
    """Fill an optimiser's state; rates and other numbers of its groups stay as the caller made them."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(beginning):
            index, key = name.removeprefix(beginning).split("/")
            state.setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
