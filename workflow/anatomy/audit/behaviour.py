"""What a change does: refusals, the distance of predictions and benchmarks of the original, the edited model and controls, in one
model in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from anatomy.audit.controls import Change, control_changes, with_rows
from anatomy.audit.in_memory import as_in_memory
from anatomy.audit.measured import CONTROL, EDITED, ORIGINAL, Measure, Measured, measured
from anatomy.audit.pairing import TensorPair
from anatomy.audit.prompts import Asked
from anatomy.audit.weights import WeightsAudit
from anatomy.evidence.claims.outcomes import REFUSED
from anatomy.interventions.directions.divergence import forced_runs
from anatomy.interventions.directions.forced_predictions import forced_predictions, prediction_divergences
from anatomy.interventions.edits.apply import changed_tensors, own_head
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import Rendering, render
from anatomy.progress.counting import Progress
from anatomy.serving.decoding import Decoding, Generation
from anatomy.serving.transformers_generation import generate_with_transformers
from anatomy.texts.judges.refusal_rules import judge_refusal

if TYPE_CHECKING:
    from anatomy.audit.questions import Questions

BATCH, TOKENS = 16, 1024
"""Prompts answered at once, and most tokens of a pass whose logits are read."""

REFUSAL, OVER_REFUSAL, FIRST = "refusal", "over-refusal", "KL of the first token"
"""Names of measures; the divergence over several tokens is named by how many."""

Read = dict[str, Float64[np.ndarray, " item"]]
"""One state of the model: an outcome a prompt or item, by measure."""


@dataclass(frozen=True)
class Wanted:
    """How much is asked.

    Attributes:
        tokens: longest answer.
        forced: tokens of the original's own answers to harmless prompts over which predictions are compared.
        controls: how many changes of equal norm and rank stand beside the one that is audited.
        questions: items of benchmarks; None for none.
    """

    tokens: int
    forced: int
    controls: int
    questions: Questions | None = None


def audit_behaviour(
    loaded: LoadedModel,
    audit: WeightsAudit,
    asked: Asked,
    rendering: Rendering,
    wanted: Wanted,
    say: Callable[[str], None],
) -> list[Measured]:
    """Ask the original, the edited model and controls the same prompts and items, prompts as the original is spoken to.

    The change and each control are applied in memory to the one loaded model and taken back. Answers are judged at once, and not
    kept.

    Args:
        loaded: the original.
        say: receives a line after each state of the model.

    Raises:
        EditError: an architecture whose tensors have other names in memory than in the file.
    """
    changed = audit.changed
    states: list[tuple[str, Mapping[str, Change]]] = [
        (ORIGINAL, {}),
        (EDITED, {one.pair.name: edited_change(one.pair) for one in changed}),
    ]
    states += [(f"{CONTROL} {number}", control_changes(changed, audit.shared, 1 + number)) for number in range(wanted.controls)]
    reading = _Reading(loaded, asked, rendering, wanted)
    found: dict[str, Read] = {}
    with ExitStack() as parted:
        if any(one.pair.tied for one in changed):
            parted.enter_context(own_head(loaded))
        progress = parted.enter_context(Progress("states of the model asked", len(states), say))
        for name, changes in states:
            with progress.part(), changed_tensors(loaded, as_in_memory(loaded.model, changes)):
                found[name] = reading.read()
    return [
        measured(measure, {state: read[measure.name] for state, read in found.items()}) for measure in measures(asked, wanted)
    ]


def measures(asked: Asked, wanted: Wanted) -> list[Measure]:
    """What every state is asked, in the order of the table."""
    harmful, harmless = (asked.test[side]["group"].to_numpy(object) for side in ("harmful", "harmless"))
    found = [
        Measure(REFUSAL, harmful),
        Measure(OVER_REFUSAL, harmless),
        Measure(FIRST, harmless, distance=True),
        Measure(over(wanted.forced), harmless, distance=True),
    ]
    if wanted.questions is not None:
        own = wanted.questions
        found += [Measure(name, own.groups(name), benchmark=True) for name in own.benchmarks]
    return found


def over(tokens: int) -> str:
    """Name of the divergence over so many tokens."""
    return f"KL of {tokens} tokens"


def edited_change(pair: TensorPair) -> Change:
    """The audited tensor in the place of the original one, in the number format of the model in memory."""

    def read(weight: Tensor) -> Tensor:
        return with_rows(weight, torch.cat([after for _, after in pair.chunks()]))

    return read


class _Reading:
    """The first state that is read is the original: others are compared with its predictions on its own answers."""

    def __init__(self, loaded: LoadedModel, asked: Asked, rendering: Rendering, wanted: Wanted) -> None:
        self.loaded, self.wanted, self.decoding = loaded, wanted, Decoding(wanted.tokens, 0.0)
        self.prompts = {side: render(loaded.tokenizer, list(asked.test[side]["prompt"]), rendering) for side in asked.test}
        self.runs: list[list[int]] = []
        self.counts: list[int] = []
        self.original: list[Tensor] = []

    def read(self) -> Read:
        answers = {side: self._answered(ids) for side, ids in self.prompts.items()}
        found = {
            name: np.array([judge_refusal(one.text).label in REFUSED for one in answers[side]], dtype=np.float64)
            for name, side in ((REFUSAL, "harmful"), (OVER_REFUSAL, "harmless"))
        }
        if not self.original:
            forced = [one.token_ids[: self.wanted.forced] for one in answers["harmless"]]
            self.runs, self.counts = forced_runs(self.prompts["harmless"], [], forced)
            self.original = self._predictions()
            distances = [torch.zeros(len(one), dtype=torch.float64) for one in self.original]
        else:
            distances = prediction_divergences(self.original, self._predictions())
        found[FIRST] = np.array([one[0].item() for one in distances])
        found[over(self.wanted.forced)] = np.array([one.mean().item() for one in distances])
        return found if self.wanted.questions is None else found | self.wanted.questions.scored(self.loaded)

    def _answered(self, ids: Sequence[list[int]]) -> list[Generation]:
        return generate_with_transformers(self.loaded, ids, self.decoding, batch_size=BATCH)

    def _predictions(self) -> list[Tensor]:
        """Logits of each harmless prompt's counted predictions, [prediction, vocabulary]."""
        return forced_predictions(self.loaded, self.runs, self.counts, TOKENS)
