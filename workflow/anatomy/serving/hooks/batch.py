"""One forward pass of vLLM's runner: which token belongs to which request, and which rows of a change act on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from anatomy.models.sites import Positions
from anatomy.serving.hooks.states import state_number

POSITIONS: tuple[Positions, ...] = ("all", "last_prompt", "generated")


@dataclass(frozen=True, eq=False)
class Layout:
    """Whose rows stand in a stacked change.

    Args:
        owners: the state of each row.
        positions: index into ``POSITIONS`` of each row.
    """

    owners: Int[np.ndarray, " row"]
    positions: Int[np.ndarray, " row"]


@dataclass(frozen=True, eq=False)
class Acting:
    """What of a layout acts in a pass.

    Args:
        rows: indices of the rows that act on some token; None for all.
        idle: true where a row leaves a token alone; None where every row acts on every token.
        untouched: tokens that no row acts on; None where there are none.
    """

    rows: Int[Tensor, " acting"] | None
    idle: Bool[Tensor, "token acting"] | None
    untouched: Bool[Tensor, "token 1"] | None


class EngineBatch:
    """The tokens of one pass, request after request as the runner flattened them, a chunk of a prompt or one new token each.

    Args:
        runner: vLLM's model runner, about to call its model.
        width: tokens the model is called with; more than are scheduled where the runner pads.
    """

    def __init__(self, runner: Any, width: int) -> None:
        batch, self._device = runner.input_batch, runner.device
        count = batch.num_reqs
        starts = np.asarray(runner.query_start_loc.np[: count + 1], dtype=np.int64)
        lengths, total = np.diff(starts), int(starts[-1]) if count else 0
        states = np.array([state_number(runner.requests[name].sampling_params) for name in batch.req_ids[:count]], dtype=np.int64)
        # A request's first token of this pass stands behind all it has computed before.
        offset = np.asarray(batch.num_computed_tokens_cpu[:count], dtype=np.int64) - starts[:-1]
        self.positions = np.arange(total) + np.repeat(offset, lengths)
        prompts = np.repeat(np.asarray(batch.num_prompt_tokens[:count], dtype=np.int64), lengths)
        self.states = np.zeros(width, dtype=np.int64)
        self.states[:total] = np.repeat(states, lengths)
        self._at = np.zeros((len(POSITIONS), width), dtype=bool)
        self._at[0] = True
        self._at[1, :total] = self.positions == prompts - 1
        self._at[2, :total] = self.positions >= prompts
        self._known: dict[Layout, Acting | None] = {}

    def acting(self, layout: Layout) -> Acting | None:
        """What of a layout acts in this pass; None where nothing does. Places with one layout share the answer."""
        if layout not in self._known:
            self._known[layout] = self._find(layout)
        return self._known[layout]

    def _find(self, layout: Layout) -> Acting | None:
        active = (self.states[:, None] == layout.owners[None, :]) & self._at[layout.positions].T
        rows = active.any(axis=0)
        if not rows.any():
            return None
        kept = active[:, rows]
        touched = kept.any(axis=1)
        return Acting(
            rows=None if rows.all() else self._there(np.flatnonzero(rows)),
            idle=None if kept.all() else self._there(~kept),
            untouched=None if touched.all() else self._there(~touched[:, None]),
        )

    def _there(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device, non_blocking=True)
