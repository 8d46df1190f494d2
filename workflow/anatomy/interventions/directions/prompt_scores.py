"""The causal scores of single cells on single prompts: what a grid averages, and what a search asks for bit by bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from anatomy.interventions.directions.ablation import ablated_divergence, ablated_metric
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.divergence import forced_runs
from anatomy.interventions.directions.injection import added_metric
from anatomy.interventions.directions.metrics import RefusalMetric
from anatomy.models.activations.means import check_prompts
from anatomy.models.loading import LoadedModel

Cell = tuple[int, int]
"""Position and layer."""

Criterion = Literal["bypass", "induce", "kl"]

CRITERIA: tuple[Criterion, ...] = ("bypass", "induce", "kl")

ROUNDING = 1e-12
"""Cosines this near one are those of the same vector, scaled and rounded to single precision."""


@dataclass(frozen=True)
class PromptScores:
    """Scores candidates on whichever prompts are asked for; a score is the same whatever stands beside it, up to rounding.

    Attributes:
        loaded: the model.
        directions: candidates; all their layers are block inputs.
        harmful: ids of harmful prompts and of what every answer begins with.
        harmless: the same of harmless prompts.
        runs: ids of harmless prompts and of their forced answers.
        counted: of each run, how many of its last predictions its KL is averaged over.
        metric: the refusal metric.
        token_budget: most tokens a batch, padding and candidates counted.
    """

    loaded: LoadedModel
    directions: Directions
    harmful: list[list[int]]
    harmless: list[list[int]]
    runs: list[list[int]]
    counted: list[int]
    metric: RefusalMetric
    token_budget: int

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        directions: Directions,
        harmful: Sequence[Sequence[int]],
        harmless: Sequence[Sequence[int]],
        refusal_tokens: Sequence[int],
        *,
        common_prefix: Sequence[int],
        harmless_answers: Sequence[Sequence[int]] | None,
        token_budget: int,
        epsilon: float,
    ) -> PromptScores:
        """What scores the candidates of a model on rendered validation prompts.

        Args:
            loaded: the model.
            directions: candidates; all their layers are block inputs.
            harmful: rendered harmful prompts.
            harmless: rendered harmless prompts.
            refusal_tokens: ids that begin refusals.
            common_prefix: ids that every answer begins with; teacher-forced; the metric is read after them (paper: none).
            harmless_answers: the model's own answers to the harmless prompts, cut to the tokens to force; each begins with
                the prefix. KL is averaged over the predictions of their tokens after it. None: the paper's one position.
            token_budget: most tokens a batch, padding and candidates counted.
            epsilon: of the metric; 1e-8 in the paper's code.

        Raises:
            DataError: empty sets, no refusal tokens, an answer that does not begin with the prefix.
        """
        prefix = list(common_prefix)
        check_prompts(harmful, [-1], None)
        check_prompts(harmless, [-1], None)
        runs, counted = forced_runs(harmless, prefix, harmless_answers)
        begun = [[[*ids, *prefix] for ids in side] for side in (harmful, harmless)]
        metric = RefusalMetric(tuple(refusal_tokens), epsilon)
        return cls(loaded, directions, begun[0], begun[1], runs, counted, metric, token_budget)

    def cells(self) -> list[Cell]:
        """Places with a direction: those of norm zero cannot be scored."""
        at = self.directions
        return [(place, layer) for place in at.positions for layer in at.layers if at.vector(place, layer).any()]

    def prompts(self, criterion: Criterion) -> int:
        """How many prompts a cell is scored on."""
        return len(self.harmful if criterion == "bypass" else self.harmless)

    @torch.no_grad()
    def score(self, criterion: Criterion, cells: Sequence[Cell], rows: Sequence[int]) -> Float64[Tensor, "cell row"]:
        """One score of each cell on each prompt of ``rows`` (harmful ones for bypass, else harmless ones).

        Raises:
            NumericsError: the unedited model gives NaN or infinity.
        """
        if criterion == "induce":
            chosen = [self.harmless[row] for row in rows]
            return added_metric(self.loaded, chosen, self.directions, cells, self.metric, self.token_budget)
        units, same = distinct_axes(torch.stack([self.directions.unit(*cell) for cell in cells]))
        units = units.to(self.loaded.device)
        if criterion == "bypass":
            chosen = [self.harmful[row] for row in rows]
            return ablated_metric(self.loaded, chosen, units, self.metric, self.token_budget)[same]
        runs, counted = [self.runs[row] for row in rows], [self.counted[row] for row in rows]
        return ablated_divergence(self.loaded, runs, counted, units, self.token_budget)[same]


def distinct_axes(
    units: Float32[Tensor, "cell d_model"],
) -> tuple[Float32[Tensor, "axis d_model"], Int64[Tensor, " cell"]]:
    """Unit vectors without those along an axis that came before, whose ablation is the same, and the place of each cell's own.

    A random control has one direction at all positions of a layer.
    """
    exact = torch.nn.functional.normalize(units.double(), dim=1)
    earliest = ((exact @ exact.T).abs() > 1 - ROUNDING).int().argmax(1)
    kept, same = earliest.unique(return_inverse=True)
    return units[kept], same
