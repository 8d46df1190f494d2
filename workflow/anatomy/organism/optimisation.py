"""Batches and the training loop: Muon on the blocks' matrices, AdamW on the rest."""

import contextlib
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anatomy.errors import NumericsError
from anatomy.organism.execution import Execution
from anatomy.organism.muon import Muon
from anatomy.organism.network import weighted_loss
from anatomy.organism.recipe import Architecture

WARMUP_STEPS = 10
Encoded = tuple[list[int], list[float]]


@dataclass(frozen=True)
class TrainingBatch:
    """Token ids, the weight of each token in the loss, and which positions a token may look at."""

    ids: Int[Tensor, "row token"]
    importance: Float[Tensor, "row token"]
    allowed: Bool[Tensor, "row 1 token token"] | None = None


def packed_batches(documents: Iterator[Encoded], rows: int, tokens: int, micro_rows: int) -> Iterator[list[TrainingBatch]]:
    """Steps of `rows` rows filled with whole documents, the last one cut; a document never looks at another."""
    causal = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    while True:
        ids, weights, owners = [], [], []
        for _ in range(rows):
            row: list[int] = []
            importance: list[float] = []
            owner: list[int] = []
            while len(row) < tokens:
                document, weight = next(documents)
                row += document
                importance += [0.0, *weight[1:]]  # the first token of a document follows nothing
                owner += [len(owner)] * len(document)
            ids.append(row[:tokens])
            weights.append(importance[:tokens])
            owners.append(owner[:tokens])
        owned = torch.tensor(owners)
        allowed = ((owned[:, :, None] == owned[:, None, :]) & causal)[:, None]
        yield [
            TrainingBatch(*parts)
            for parts in zip(
                torch.tensor(ids).split(micro_rows),
                torch.tensor(weights).split(micro_rows),
                allowed.split(micro_rows),
                strict=True,
            )
        ]


def train(
    weights: dict[str, Tensor],
    shape: Architecture,
    batches: Iterator[list[TrainingBatch]],
    *,
    steps: int,
    muon_lr: float | None,
    adam_lr: float,
    clip: float,
    decay: bool,
    where: str,
    learning_rows: Bool[Tensor, " vocabulary"] | None = None,
    execution: Execution,
) -> list[float]:
    """Train `weights` in place and return the mean loss of each step (nats a token, weighted).

    The parts of a step are computed side by side, each on one thread, and added in their order: bits do not depend on the number
    of threads, and threads meet once a step instead of at every product, so that another process on a core costs what it takes.

    Args:
        muon_lr: peak learning rate of Muon on the blocks' matrices; None puts all parameters under AdamW.
        adam_lr: peak learning rate of AdamW.
        decay: linear decay to zero after the warm-up; otherwise the rate stays.
        where: named in errors.
        learning_rows: tokens whose embedding learns, the others' stays; None: all learn.
        execution: threads, number format, where the training is kept and who is told.

    Raises:
        NumericsError: the loss is not finite.
    """
    state, advance, dtype = execution.state, execution.advance, getattr(torch, execution.dtype)
    for tensor in weights.values():
        tensor.requires_grad_(True)
    parameters = list(weights.values())
    embedding = weights["model.embed_tokens.weight"]
    matrices = [t for name, t in weights.items() if t.ndim == 2 and ".layers." in name]
    others = [t for name, t in weights.items() if t.ndim == 1 or ".layers." not in name]
    if muon_lr is None:
        matrices, others = [], matrices + others
    optimisers: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0)]
    if matrices and muon_lr is not None:
        optimisers.append(Muon(matrices, lr=muon_lr))
    losses = [] if state is None else state.resume(weights, optimisers, steps)
    rates = [(group, group["lr"]) for optimiser in optimisers for group in optimiser.param_groups]
    if advance is not None and losses:
        advance(len(losses), 0)
    for _ in losses:
        next(batches)  # drawn again, so that the random source stands where it stood

    def gradients(part: TrainingBatch, total: float) -> tuple[float, Sequence[Tensor]]:
        share = weighted_loss(weights, shape, part.ids, part.importance, part.allowed, dtype) / total
        return float(share.detach()), torch.autograd.grad(share, parameters)

    with _one_thread_an_operation(), ThreadPoolExecutor(execution.threads) as pool:
        for step in range(len(losses), steps):
            scale = min(1.0, (step + 1) / WARMUP_STEPS) * ((1 - step / steps) if decay else 1.0)
            for group, peak in rates:
                group["lr"] = peak * scale
            parts = next(batches)
            total = sum(float(part.importance[:, 1:].sum()) for part in parts)
            loss = 0.0
            for number, (share, grads) in enumerate(pool.map(gradients, parts, [total] * len(parts))):
                loss += share
                for parameter, grad in zip(parameters, grads, strict=True):
                    parameter.grad = grad if number == 0 else parameter.grad.add_(grad)
            if not loss < float("inf"):
                raise NumericsError(
                    found=f"loss {loss} at step {step}", expected="a finite loss", where=where, remedy="lower the rates"
                )
            if learning_rows is not None:
                embedding.grad.mul_(learning_rows[:, None])
            torch.nn.utils.clip_grad_norm_(parameters, clip)
            for optimiser in optimisers:
                optimiser.step()
            losses.append(loss)
            if advance is not None:
                advance(1, sum(part.ids.numel() for part in parts))
            if state is not None:
                state.keep(weights, optimisers, losses, last=step + 1 == steps)
    for tensor in parameters:
        tensor.grad = None
        tensor.requires_grad_(False)
    return losses


@contextlib.contextmanager
def _one_thread_an_operation() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def seeded(*parts: object) -> random.Random:
    """A source of random draws named by its purpose; equal on every machine."""
    return random.Random("-".join(map(str, parts)))
