"""Interchange on a subspace of the stream, which is learned or drawn: does it carry what tells two runs apart?

``x + (x' - x) Q Q^T`` at one token before one block, x' from the other run (Geiger et al. 2021, arXiv 2106.02997); Q is
learned so that the metric becomes the other run's (distributed alignment search, Geiger et al. 2024, arXiv 2303.02536). A
search finds something in anything, so that it is read on pairs that it has not seen, beside the same search on outcomes that
were dealt at random, beside random subspaces of its rank, and beside random changes of its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from anatomy.errors import ModelError, NumericsError
from anatomy.interventions.directions.metrics import RefusalMetric, refusal_metric
from anatomy.interventions.directions.shared_prefix import keeps_beginnings, prefix_cache, rows_of
from anatomy.interventions.instruments.paired_prompts import PairedPrompts
from anatomy.interventions.instruments.patching import WAYS, Way
from anatomy.interventions.instruments.run_record import record_run
from anatomy.models.activations.starting import starting_at
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted

Basis = Float[Tensor, "d_model rank"]
"""Orthonormal columns."""


@dataclass(frozen=True)
class SubspaceTraining:
    """How a subspace is learned.

    Attributes:
        rank: of the subspace.
        steps: of Adam.
        learning_rate: of Adam, on a matrix whose columns are made orthonormal at each step.
        batch: runs a step.
        seed: of the first subspace, of the order of runs and of dealt outcomes.
    """

    rank: int
    steps: int
    learning_rate: float
    batch: int
    seed: int


@dataclass(frozen=True)
class ExchangeableRun:
    """A run one of whose activations can be exchanged for another run's.

    Attributes:
        ids: the tokens from the exchanged one on.
        here: the stream at those tokens before the block, as it is.
        there: the stream of the other run at the exchanged token.
        cache: keys and values of the tokens before; None where there are none to keep.
        start, end: metric of this run and of the other one.
        way: whose activation is put into whose run.
        id, group: of the pair.
    """

    ids: Int[Tensor, "1 column"]
    here: Float[Tensor, "1 column d_model"]
    there: Float[Tensor, " d_model"]
    cache: Any
    start: float
    end: float
    way: Way
    id: str
    group: str


@torch.no_grad()
def exchangeable_runs(
    loaded: LoadedModel, pairs: Sequence[PairedPrompts], layer: int, column: int, metric: RefusalMetric
) -> list[ExchangeableRun]:
    """Both runs of each pair. Tokens before the exchanged one are computed once: attention does not look ahead.

    Args:
        layer: block before which the stream is exchanged.
        column: token, counted from the end.

    Raises:
        ModelError: a layer or token that is not there.
    """
    shortest = min((pair.length for pair in pairs), default=0)
    if not 0 <= layer < loaded.num_layers or not -shortest <= column < 0:
        raise ModelError(
            found=f"layer {layer}, token {column}",
            expected=f"layers 0 to {loaded.num_layers - 1}, tokens {-shortest} to -1",
            where=str(loaded.folder),
            remedy="correct the place where streams are to be exchanged",
        )
    found = []
    for pair in pairs:
        tokens = torch.tensor([pair.clean, pair.corrupt], device=loaded.device)
        both = record_run(loaded, tokens)
        assert both.logits is not None
        metrics, place = metric(both.logits).tolist(), pair.length + column
        first = place if keeps_beginnings(loaded, pair.length) else 0
        for way in WAYS:
            here, there = (1, 0) if way == "denoise" else (0, 1)
            found.append(
                ExchangeableRun(
                    ids=tokens[here : here + 1, first:],
                    here=both.streams[layer][here : here + 1, first:],
                    there=both.streams[layer][there, place],
                    cache=prefix_cache(loaded, (pair.clean, pair.corrupt)[here][:first], 1),
                    start=metrics[here],
                    end=metrics[there],
                    way=way,
                    id=pair.id,
                    group=pair.group,
                )
            )
    return found


def exchanged_metric(
    loaded: LoadedModel, run: ExchangeableRun, layer: int, column: int, changed: Float[Tensor, " d_model"], metric: RefusalMetric
) -> Float64[Tensor, ""]:
    """Metric of a run whose stream at the exchanged token is ``changed``; its gradient goes back to that."""
    place = run.ids.shape[1] + column
    stream = torch.cat([run.here[:, :place], changed.to(run.here.dtype)[None, None], run.here[:, place + 1 :]], dim=1)
    cache = rows_of(run.cache, slice(0, 1), 1)  # a pass adds its own keys and values
    with starting_at(loaded.model, layer, stream):
        output = loaded.model(input_ids=run.ids, past_key_values=cache, use_cache=cache is not None, logits_to_keep=1)
    return refusal_metric(output.logits[:, -1], metric.refusal_tokens, metric.epsilon)[0]


def learn_subspace(
    loaded: LoadedModel,
    runs: Sequence[ExchangeableRun],
    layer: int,
    column: int,
    metric: RefusalMetric,
    training: SubspaceTraining,
    *,
    dealt: bool,
) -> Basis:
    """Orthonormal columns in float32 on the CPU whose exchange brings the other run's metric, or ``dealt`` ones.

    The loss is the mean squared difference from the other run's metric, as a share of that of the two runs. Dealt outcomes are
    a run's own metric for half of the runs and the other's for the rest, at random: what a search of that rank finds where
    there is nothing to find.

    Raises:
        ModelError: a rank that the stream does not have.
        NumericsError: a loss that is NaN or infinite.
    """
    if not 1 <= training.rank <= loaded.d_model:
        raise ModelError(
            found=f"a subspace of rank {training.rank}",
            expected=f"rank 1 to {loaded.d_model}, the width of the stream",
            where=str(loaded.folder),
            remedy="lower the rank of the subspace",
        )
    told = [run for run in runs if run.start != run.end]
    generator = torch.Generator().manual_seed(training.seed)
    weight = torch.randn(loaded.d_model, training.rank, generator=generator).requires_grad_(True)
    outcomes = (torch.randperm(len(told), generator=generator) % 2 if dealt else torch.ones(len(told))).tolist()
    optimiser = torch.optim.Adam([weight], lr=training.learning_rate)
    spread = sum((run.end - run.start) ** 2 for run in told) / max(1, len(told))
    for _ in counted(range(training.steps), "steps of a subspace", training.steps) if told else ():
        optimiser.zero_grad()
        for index in torch.randperm(len(told), generator=generator)[: training.batch].tolist():
            run = told[index]
            with torch.enable_grad():
                basis = torch.linalg.qr(weight).Q
                changed = interchange(run, loaded, column, basis)
                found = exchanged_metric(loaded, run, layer, column, changed, metric)
                wanted = run.end if outcomes[index] else run.start
                loss = (found - wanted) ** 2 / spread / training.batch
                loss.backward()
            if not loss.isfinite():
                raise NumericsError(
                    found="a loss that is not finite",
                    expected="a finite one",
                    where=f"subspace before block {layer}, pair {run.id}",
                    remedy="lower the learning rate of the subspace",
                )
        optimiser.step()
    return torch.linalg.qr(weight.detach()).Q


def interchange(run: ExchangeableRun, loaded: LoadedModel, column: int, basis: Basis) -> Float[Tensor, " d_model"]:
    """The stream at the exchanged token with its part in a subspace as in the other run."""
    own, q = run.here[0, column].float(), basis.to(loaded.device)
    return own + (run.there.float() - own) @ q @ q.T


def random_basis(width: int, rank: int, seed: int) -> Basis:
    """A subspace drawn at random."""
    return torch.linalg.qr(torch.randn(width, rank, generator=torch.Generator().manual_seed(seed))).Q


@torch.no_grad()
def interchange_table(
    loaded: LoadedModel,
    runs: Sequence[ExchangeableRun],
    layer: int,
    column: int,
    metric: RefusalMetric,
    bases: dict[str, Basis],
    *,
    like: str,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Recovery of each run under each exchange.

    Args:
        bases: subspaces by name.
        like: the one whose rank and length random exchanges have.
        draws: random subspaces.

    Returns:
        Columns ``id, group, way, subspace, draw, recovery, length``: ``subspace`` a name, ``whole`` (all of the stream),
        ``random`` (a random subspace of as many dimensions) or ``random_length`` (the same, its change as long as that of
        ``like``); ``length`` of the change.
    """
    rank = bases[like].shape[1]
    drawn = [random_basis(loaded.d_model, rank, seed + draw) for draw in range(draws)]
    rows = []
    for run in runs:
        own, gap = run.here[0, column].float(), run.end - run.start

        def add(name: str, draw: int, changed: Tensor, run: ExchangeableRun = run, own: Tensor = own, gap: float = gap) -> None:
            found = exchanged_metric(loaded, run, layer, column, changed, metric).item()
            recovery = (found - run.start) / gap if gap else float("nan")
            rows.append((run.id, run.group, run.way, name, draw, recovery, (changed - own).norm().item()))

        add("whole", 0, run.there.float())
        for name, basis in bases.items():
            add(name, 0, interchange(run, loaded, column, basis))
        wanted = (interchange(run, loaded, column, bases[like]) - own).norm()
        for draw, basis in enumerate(drawn):
            changed = interchange(run, loaded, column, basis)
            add("random", draw, changed)
            step = changed - own
            add("random_length", draw, own + step * (wanted / step.norm().clamp(min=1e-12)))
    return pd.DataFrame(rows, columns=["id", "group", "way", "subspace", "draw", "recovery", "length"])
