"""The loop that trains an adapter: AdamW on the mean loss of responses, kept as it goes, stopped where it goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from anatomy.errors import NumericsError
from anatomy.organism.training_state import TrainingState
from anatomy.progress.counting import Progress
from anatomy.tuning.adapter import trained
from anatomy.tuning.response_loss import micro_batches, summed_loss
from anatomy.tuning.rows import Row

CLIP = 1.0
"""Largest norm of the gradient of a step; longer ones are shortened to it."""

COMPARED, DIVERGED = 8, 2.0
"""A loss that is this many times the first steps' mean, over that many last steps, comes from no training that will recover."""


@dataclass(frozen=True)
class Learned:
    """What the loop tells: the mean loss of each step's responses before its update, nats a token."""

    losses: list[float]


@runtime_checkable
class Rates(Protocol):
    """What the loop reads of its options (``anatomy.config.tuning.Tuned``)."""

    @property
    def learning_rate(self) -> float: ...
    @property
    def schedule(self) -> str: ...
    @property
    def warmup(self) -> float: ...
    @property
    def micro_tokens(self) -> int: ...
    @property
    def keep_every(self) -> int: ...


def train_adapter(
    model: Any,
    steps: Sequence[Sequence[Row]],
    options: Rates,
    *,
    pad: int,
    state: TrainingState | None = None,
    look: Callable[[int], None] = lambda step: None,
    say: Callable[[str], None] = print,
) -> Learned:
    """Train the parameters of a model that want a gradient.

    The loss of a step is the mean over the learned tokens of all its rows. AdamW with torch's betas and no weight decay.

    Args:
        model: as ``adapter.attach`` leaves it.
        steps: rows of each step (``plan_steps``).
        options: rates, and how much is computed at a time.
        pad: token of padding, which no sum counts.
        state: where the training is kept, and gone on from; None: a kill costs all of it.
        look: told the number of steps done after each of them, with the model as it then is.

    Raises:
        NumericsError: a loss or a gradient that is not finite, or a diverging loss. What was kept before stays.
    """
    parameters = trained(model)
    optimiser = torch.optim.AdamW(parameters.values(), lr=options.learning_rate, weight_decay=0.0)
    losses = state.resume(parameters, [optimiser], len(steps)) if state else []
    device = next(iter(parameters.values())).device
    with Progress("steps trained", len(steps), say, whole=True) as progress:
        progress.resume(len(losses))
        for number in range(len(losses), len(steps)):
            rows = steps[number]
            learned = sum(row.answer for row in rows)
            optimiser.zero_grad(set_to_none=True)
            total = 0.0
            for part in micro_batches(rows, options.micro_tokens):
                loss = summed_loss(model, part, pad, device) / learned
                loss.backward()
                total += float(loss.detach())
            norm = torch.nn.utils.clip_grad_norm_(parameters.values(), CLIP)
            _require_finite(total, norm, number, rows, state, options)
            _require_progress([*losses, total], number, rows, state, options)
            if state and number and number % options.keep_every == 0:
                state.keep(parameters, [optimiser], losses, last=True)  # not sooner: this step showed that it is good
            for group in optimiser.param_groups:
                group["lr"] = options.learning_rate * rate_share(number, len(steps), options)
            optimiser.step()
            losses.append(total)
            look(number + 1)
            progress.advance(1, sum(len(row.ids) for row in rows))
    return Learned(losses)


def rate_share(step: int, steps: int, options: Rates) -> float:
    """Share of the learning rate at a step, counted from 0: rising over the warm-up, then constant or falling to zero."""
    rising = round(options.warmup * steps)
    if step < rising:
        return (step + 1) / (rising + 1)
    return 1.0 if options.schedule == "constant" else (steps - step) / max(1, steps - rising)


def _require_finite(
    loss: float, norm: Tensor, number: int, rows: Sequence[Row], state: TrainingState | None, options: Rates
) -> None:
    if torch.tensor(loss).isfinite() and norm.isfinite():
        return
    raise _stopped(f"a loss of {loss} with a gradient of norm {float(norm)}", "finite numbers", number, rows, state, options)


def _require_progress(
    losses: Sequence[float], number: int, rows: Sequence[Row], state: TrainingState | None, options: Rates
) -> None:
    if len(losses) < 2 * COMPARED:
        return
    first, last = (sum(part) / COMPARED for part in (losses[:COMPARED], losses[-COMPARED:]))
    if last > DIVERGED * first:
        found = f"a loss of {last:.3f} over the last {COMPARED} steps, after {first:.3f} over the first"
        raise _stopped(found, "a loss that falls", number, rows, state, options)


def _stopped(
    found: str, expected: str, number: int, rows: Sequence[Row], state: TrainingState | None, options: Rates
) -> NumericsError:
    named = ", ".join(row.id for row in rows[:4]) + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")
    kept = max(0, number - 1) // options.keep_every * options.keep_every
    return NumericsError(
        found=found,
        expected=expected,
        where=f"step {number + 1} of the training, rows {named}"
        + (f"; the state after step {kept} is kept in {state.folder}" if state and kept else ""),
        remedy="lower tuned.learning_rate, give it a warmup, or train in float32",
    )
