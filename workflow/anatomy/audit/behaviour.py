"""What a change does: refusals and the distance of predictions, of the original, the edited model and controls, in one model in
memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from anatomy.audit.controls import Change, control_changes
from anatomy.audit.pairing import TensorPair
from anatomy.audit.prompts import Asked
from anatomy.audit.weights import WeightsAudit
from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.interventions.directions.divergence import counted_columns, forced_runs
from anatomy.interventions.directions.metrics import kl_divergence
from anatomy.interventions.edits.apply import changed_tensors, own_head
from anatomy.models.activations.batching import batches
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.progress.counting import Progress
from anatomy.serving.decoding import Decoding, Generation
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.statistics.clusters import Sample
from anatomy.statistics.controls import compare_with_controls
from anatomy.statistics.intervals import Interval, mean_interval
from anatomy.statistics.paired import difference_interval
from anatomy.texts.judges.refusal_rules import judge_refusal

CONFIDENCE, RESAMPLES, SEED = 0.95, 10_000, 0
"""Of the intervals."""

FORCED = 8
"""Tokens of the original's own answers over which predictions are compared."""

BATCH, TOKENS = 16, 1024
"""Prompts answered at once, and most tokens of a pass whose logits are read."""

MEASURES = ("refusal", "over-refusal", "KL of the first token", f"KL of {FORCED} tokens")


@dataclass(frozen=True)
class Read:
    """One state of the model on the test prompts: an outcome a prompt, by measure."""

    outcomes: dict[str, np.ndarray]


@dataclass(frozen=True)
class Measured:
    """One measure.

    Attributes:
        name: of ``MEASURES``.
        before: mean of the original; None for a distance from it.
        after: mean of the edited model.
        change: ``after - before`` of the same prompts, or the mean distance, with its interval.
        controls: the same of each control.
        p: two-sided rank among the controls; NaN without any.
    """

    name: str
    before: float | None
    after: float
    change: Interval
    controls: tuple[float, ...]
    p: float


def audit_behaviour(
    loaded: LoadedModel,
    audit: WeightsAudit,
    asked: Asked,
    rendering: Rendering,
    *,
    tokens: int,
    controls: int,
    say: Callable[[str], None],
) -> list[Measured]:
    """Ask the original, the edited model and controls the same prompts, all as the original is spoken to.

    The change and each control are applied in memory to the one loaded model and taken back. Answers are judged at once, and not
    kept.

    Args:
        loaded: the original.
        tokens: longest answer.
        controls: how many changes of equal norm and rank stand beside the one that is audited.
        say: receives a line after each state of the model.

    Raises:
        EditError: an architecture whose tensors have other names in memory than in the file.
    """
    changed = audit.changed
    states: list[tuple[str, Mapping[str, Change]]] = [
        ("original", {}),
        ("edited", {one.pair.name: edited_change(one.pair) for one in changed}),
    ]
    states += [(f"control {number}", control_changes(changed, audit.shared, 1 + number)) for number in range(controls)]
    reading = _Reading(loaded, asked, rendering, Decoding(tokens, 0.0))
    found: dict[str, Read] = {}
    with ExitStack() as parted:
        if any(one.pair.tied for one in changed):
            parted.enter_context(own_head(loaded))
        progress = parted.enter_context(Progress("states of the model asked", len(states), say))
        for name, changes in states:
            with progress.part(), changed_tensors(loaded, changes):
                found[name] = reading.read()
    groups = {measure: asked.test[_side(measure)]["group"].to_numpy(object) for measure in MEASURES}
    return [_measured(measure, found, groups[measure]) for measure in MEASURES]


def edited_change(pair: TensorPair) -> Change:
    """The audited tensor in the place of the original one, in the number format of the model in memory."""

    def read(weight: Tensor) -> Tensor:
        return torch.cat([after for _, after in pair.chunks()]).view(weight.shape)

    return read


def _side(measure: str) -> str:
    return "harmful" if measure == "refusal" else "harmless"


class _Reading:
    """The first state that is read is the original: others are compared with its predictions on its own answers."""

    def __init__(self, loaded: LoadedModel, asked: Asked, rendering: Rendering, decoding: Decoding) -> None:
        self.loaded, self.decoding = loaded, decoding
        self.prompts = {side: render(loaded.tokenizer, list(asked.test[side]["prompt"]), rendering) for side in asked.test}
        self.runs: list[list[int]] = []
        self.counts: list[int] = []
        self.original: list[Tensor] = []

    def read(self) -> Read:
        answers = {side: self._answered(ids) for side, ids in self.prompts.items()}
        outcomes = {
            measure: np.array([judge_refusal(one.text).label in REFUSED for one in answers[_side(measure)]], dtype=np.float64)
            for measure in MEASURES[:2]
        }
        if not self.original:
            forced = [one.token_ids[:FORCED] for one in answers["harmless"]]
            self.runs, self.counts = forced_runs(self.prompts["harmless"], [], forced)
            self.original = self._predictions()
            distances = [torch.zeros(len(one), dtype=torch.float64) for one in self.original]
        else:
            pairs = zip(self.original, self._predictions(), strict=True)
            distances = [kl_divergence(before, after).cpu() for before, after in pairs]
        outcomes[MEASURES[2]] = np.array([one[0].item() for one in distances])
        outcomes[MEASURES[3]] = np.array([one.mean().item() for one in distances])
        return Read(outcomes)

    def _answered(self, ids: Sequence[list[int]]) -> list[Generation]:
        return generate_with_transformers(self.loaded, ids, self.decoding, batch_size=BATCH)

    @torch.no_grad()
    def _predictions(self) -> list[Tensor]:
        """Logits of each harmless prompt's counted predictions, [prediction, vocabulary]."""
        found: dict[int, Tensor] = {}
        for batch in batches(self.runs, TOKENS, self.loaded.pad_token_id, self.loaded.device):
            counts = torch.tensor([self.counts[row] for row in batch.rows])
            logits = self.loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=int(counts.max())).logits
            for row, own, kept in zip(batch.rows, logits, counted_columns(counts), strict=True):
                found[row] = own[kept.to(own.device)].clone()
        return [found[row] for row in range(len(self.runs))]


def _measured(measure: str, found: Mapping[str, Read], groups: np.ndarray) -> Measured:
    outcomes = {name: read.outcomes[measure] for name, read in found.items()}
    distance = measure not in MEASURES[:2]
    changes = {name: values - (0.0 if distance else outcomes["original"]) for name, values in outcomes.items()}
    sample = Sample(changes["edited"], groups, signed=not distance)
    if distance:
        interval = mean_interval(sample, confidence=CONFIDENCE, seed=SEED, resamples=RESAMPLES)
    else:
        interval = difference_interval(sample, None, confidence=CONFIDENCE, seed=SEED, resamples=RESAMPLES).interval
    others = np.array([values.mean() for name, values in changes.items() if name.startswith("control")])
    p = compare_with_controls(interval.estimate, others, side="two-sided").p if others.size else float("nan")
    before = None if distance else float(outcomes["original"].mean())
    return Measured(measure, before, float(outcomes["edited"].mean()), interval, tuple(map(float, others)), p)


def behaviour_table(measured: Sequence[Measured]) -> pd.DataFrame:
    """One row a measure."""
    return pd.DataFrame(
        [
            {
                "measure": one.name,
                "original": one.before,
                "edited": one.after,
                "change": one.change.estimate,
                "low": one.change.low,
                "high": one.change.high,
                "prompts": one.change.n,
                "controls": len(one.controls),
                "from": min(one.controls, default=None),
                "to": max(one.controls, default=None),
                "rank p": one.p,
            }
            for one in measured
        ]
    )
