"""The scores that a race has so far: of each cell, on the first of the prompts that it will be scored on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64
from numpy import ndarray
from torch import Tensor

from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.prompt_scores import CRITERIA, Cell, Criterion
from anatomy.progress.counting import Progress, counted


@runtime_checkable
class Scorer(Protocol):
    """What scores cells on prompts (``PromptScores``)."""

    def prompts(self, criterion: Criterion) -> int: ...

    def score(self, criterion: Criterion, cells: Sequence[Cell], rows: Sequence[int]) -> Float64[Tensor, "cell row"]: ...


class PartialScores:
    """Scores so far; asks for more, round by round.

    Args:
        scorer: is asked for more.
        cells: those in the race.
        pace: the rounds, and the order of prompts.
        criteria: what the race may ask for.

    Attributes:
        total: of each criterion, how many prompts there are.
        values: of each criterion [cell, prompt], in the order in which prompts are taken; NaN where not scored.
        scored: of each criterion, on how many prompts each cell was scored.
        progress: counts the rounds that any cell has come to. There are so many at most, whatever the scores will be, and
            each takes about as long as the one before: fewer cells go on, and to twice as many prompts.
    """

    def __init__(self, scorer: Scorer, cells: Sequence[Cell], pace: Pace, criteria: Sequence[Criterion] = CRITERIA) -> None:
        self.scorer, self.cells, self.pace = scorer, list(cells), pace
        self.total = {name: scorer.prompts(name) for name in CRITERIA}
        self.values = {name: np.full((len(cells), count), np.nan) for name, count in self.total.items()}
        self.scored = {name: np.zeros(len(cells), dtype=int) for name in CRITERIA}
        self._order = {count: np.random.default_rng(pace.seed).permutation(count) for count in self.total.values()}
        self.progress = Progress("rounds of the race", sum(len(pace.rounds(self.total[name])) for name in criteria))

    def advance(self, criterion: Criterion, cells: Sequence[int], count: int) -> None:
        """Score cells on the first ``count`` prompts, as far as they are not."""
        done, rounds = self.scored[criterion], self.pace.rounds(self.total[criterion])
        count = next((upto for upto in rounds if upto >= count), rounds[-1])
        starts = sorted({int(done[cell]) for cell in cells if done[cell] < count})
        furthest = int(done.max(initial=0))
        begun = sum(furthest < upto <= count for upto in rounds)
        with self.progress.part(begun):
            for start in counted(starts, "prompts of the round", len(starts)):
                those = [cell for cell in cells if done[cell] == start]
                rows = [int(row) for row in self._order[self.total[criterion]][start:count]]
                scores = self.scorer.score(criterion, [self.cells[k] for k in those], rows)
                self.values[criterion][those, start:count] = scores.numpy()
                done[those] = count

    def go_on(self, criterion: Criterion, cells: Sequence[int]) -> None:
        """One round more for those of the cells that were scored on the fewest prompts."""
        fewest = min(int(self.scored[criterion][cell]) for cell in cells)
        slowest = [cell for cell in cells if self.scored[criterion][cell] == fewest]
        self.advance(criterion, slowest, self.pace.after(fewest, self.total[criterion]))

    def finish(self, cell: int) -> None:
        """Score a cell on all prompts by every criterion."""
        for criterion in CRITERIA:
            self.advance(criterion, [cell], self.total[criterion])

    def whole(self, cell: int, criterion: Criterion) -> bool:
        """Whether a cell has been scored on all prompts."""
        return bool(self.scored[criterion][cell] == self.total[criterion])

    def undefined(self) -> Bool[ndarray, " cell"]:
        """Cells with a score that is not finite."""
        found = np.zeros(len(self.cells), dtype=bool)
        for criterion in CRITERIA:
            read = np.arange(self.total[criterion]) < self.scored[criterion][:, None]
            found |= (read & ~np.isfinite(self.values[criterion])).any(1)
        return found

    def mean(self, criterion: Criterion, cell: int) -> float:
        """Of a cell's scores so far; NaN without any."""
        count = self.scored[criterion][cell]
        return float(self.values[criterion][cell, :count].mean()) if count else float("nan")
