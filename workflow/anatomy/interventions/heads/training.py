"""Training of a head on cached features: Adam, early stop by held-out divergence, a checkpoint that goes on with equal bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Protocol, TypedDict, runtime_checkable

import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from anatomy.errors import DataError, NumericsError
from anatomy.interventions.heads.divergence import coarse_divergence, divergence_and_gradient
from anatomy.interventions.heads.head_model import FullHead, LowRankHead
from anatomy.interventions.heads.targets import Targets
from anatomy.interventions.heads.training_state import TrainingState, load_state, save_state
from anatomy.interventions.heads.union import UnionHead
from anatomy.progress.counting import Progress
from anatomy.store.json_objects import JsonObject

Head = FullHead | LowRankHead | UnionHead
"""What can be trained."""

Offset = Callable[[Int[Tensor, " row"]], Float32[Tensor, "row vocabulary"]]
"""Logits of some tokens that a head is trained beside, such as the base's own."""


@runtime_checkable
class Inputs(Protocol):
    """What a head reads, by the places of tokens: a tensor, or something that computes rows when they are asked for."""

    def __getitem__(self, rows: Int[Tensor, " row"], /) -> Float[Tensor, "row feature"]: ...


DIVERGED = 2.0
"""Held-out divergence, as a multiple of what it was before training, from which training has gone wrong."""


@dataclass(frozen=True)
class Schedule:
    """How a head is trained.

    Args:
        learning_rate: of Adam.
        epochs: most passes over the training tokens.
        batch_tokens: target tokens a step.
        patience: epochs without a lower held-out divergence after which training stops.
        seed: of the order of tokens.
        checkpoint_epochs: epochs between two checkpoints.
    """

    learning_rate: float
    epochs: int
    batch_tokens: int
    patience: int
    seed: int
    checkpoint_epochs: int = 10


class Epoch(TypedDict):
    """Mean divergence in nats a token after an epoch: of the training tokens during it, of the held-out ones after it."""

    epoch: int
    train: float
    held_out: float


@dataclass(frozen=True)
class Trained:
    """How training went.

    Attributes:
        outcome: ``early stop``, ``epochs`` (all of them) or ``diverged`` (the best head before that is kept).
        before: held-out divergence of the unedited base.
        best: the lowest one, whose head is kept; after ``epoch`` epochs.
        history: epoch by epoch.
    """

    outcome: str
    before: float
    best: float
    epoch: int
    history: list[Epoch]


def held_out(lengths: Int[Tensor, " answer"], share: float, generator: torch.Generator) -> Bool[Tensor, " token"]:
    """Which target tokens are kept from training: those of whole answers, until their share of all tokens is reached.

    Tokens of one answer share its text, so they stay on one side (the paper holds out 5 % of the training tokens).

    Raises:
        DataError: fewer than two answers, of which none could be held out.
    """
    if len(lengths) < 2:
        raise DataError(
            found=f"{len(lengths)} answers to train on after filtering",
            expected="at least two, one of which is held out",
            where="the answers of the aligned model",
            remedy="give more training prompts, or look at why its answers are empty",
        )
    order = torch.randperm(len(lengths), generator=generator)
    taken = lengths[order].cumsum(0)
    enough = int((taken < share * int(lengths.sum())).sum()) + 1
    chosen = torch.zeros(len(lengths), dtype=torch.bool)
    chosen[order[: min(enough, len(lengths) - 1)]] = True
    return chosen.repeat_interleave(lengths)


@torch.no_grad()
def train_head(
    head: Head,
    x: Inputs,
    targets: Targets,
    validation: Bool[Tensor, " token"],
    schedule: Schedule,
    say: Callable[[str], None],
    *,
    offset: Offset | None = None,
    checkpoint: Path | None = None,
    key: JsonObject | None = None,
) -> Trained:
    """Train a head in place, which ends as it was where the held-out divergence was lowest.

    Args:
        head: what is trained.
        x: its inputs, such as cached final states of the base.
        validation: tokens that are held out.
        offset: logits that are added to the head's, of some tokens by their places.
        checkpoint: file for the state; training that was killed goes on from there with equal bits.
        key: what decides the result beside the schedule; a state under another key is not gone on from.

    Raises:
        NumericsError: the divergence was not finite before any epoch had lowered it.
    """
    rows, kept_out = (~validation).nonzero()[:, 0], validation.nonzero()[:, 0]
    parameters = head.parameters
    optimizer = torch.optim.Adam(list(parameters.values()), lr=schedule.learning_rate, fused=True)
    named = {**(key or {}), **asdict(schedule)}
    state = load_state(checkpoint, named, parameters, optimizer) if checkpoint else None
    if state is None:
        before = _held_out_divergence(head, x, targets, kept_out, offset, schedule.batch_tokens)
        state = TrainingState(0, before, before, 0, [], {name: one.clone() for name, one in parameters.items()})
    elif state.epoch:
        say(f"goes on after epoch {state.epoch}")
    outcome = "epochs"
    with Progress("epochs", schedule.epochs) as progress:
        progress.resume(state.epoch)
        while state.epoch < schedule.epochs:
            if state.epoch - state.best_epoch >= schedule.patience:
                outcome = "early stop"
                break
            with progress.part():
                train = _epoch(head, x, targets, rows, offset, optimizer, schedule, state.epoch)
                found = _held_out_divergence(head, x, targets, kept_out, offset, schedule.batch_tokens)
            if not (isfinite(train) and isfinite(found)) or found > DIVERGED * state.before + 1:
                outcome = "diverged"
                say(
                    f"WARNING: training diverged in epoch {state.epoch + 1} (held-out divergence {found:.3g} nats, "
                    f"{state.before:.3g} before training); the head of epoch {state.best_epoch} is kept"
                )
                break
            state.epoch += 1
            state.history.append({"epoch": state.epoch, "train": train, "held_out": found})
            if found < state.best:
                state.best, state.best_epoch = found, state.epoch
                state.kept = {name: one.clone() for name, one in parameters.items()}
            if checkpoint and state.epoch % schedule.checkpoint_epochs == 0:
                save_state(checkpoint, named, state, parameters, optimizer)
    for name, one in parameters.items():
        one.copy_(state.kept[name])
    if outcome == "diverged" and state.best_epoch == 0:
        raise NumericsError(
            found="a divergence that grew from the first epoch on",
            expected="one that falls",
            where=f"training of a head with learning rate {schedule.learning_rate:g}",
            remedy="lower the learning rate",
        )
    return Trained(outcome, state.before, state.best, state.best_epoch, state.history)


def _epoch(
    head: Head,
    x: Inputs,
    targets: Targets,
    rows: Int[Tensor, " row"],
    offset: Offset | None,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    epoch: int,
) -> float:
    """One pass over the training tokens in an order of the epoch's own; their mean divergence."""
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(schedule.seed * 1_000_003 + epoch))
    total = 0.0
    for start in range(0, len(rows), schedule.batch_tokens):
        batch = rows[order[start : start + schedule.batch_tokens]]
        inputs = x[batch].float()
        logits = head.logits(inputs)
        if offset is not None:
            logits += offset(batch)
        found, gradient = divergence_and_gradient(logits, targets.padded(batch))
        head.backward(inputs, gradient.div_(len(batch)))
        optimizer.step()
        total += float(found.sum())
    return total / len(rows)


def token_divergence(
    head: Head,
    x: Inputs,
    targets: Targets,
    rows: Int[Tensor, " row"],
    offset: Offset | None = None,
    batch_tokens: int = 1000,
) -> Float[Tensor, " row"]:
    """Divergence of some tokens, by their places, with what is not kept of their targets taken as one outcome."""
    found = []
    for start in range(0, len(rows), batch_tokens):
        batch = rows[start : start + batch_tokens]
        logits = head.logits(x[batch].float())
        found.append(coarse_divergence(logits if offset is None else logits + offset(batch), targets.padded(batch)))
    return torch.cat(found)


def _held_out_divergence(
    head: Head, x: Inputs, targets: Targets, rows: Int[Tensor, " row"], offset: Offset | None, batch_tokens: int
) -> float:
    return float(token_divergence(head, x, targets, rows, offset, batch_tokens).double().mean())
