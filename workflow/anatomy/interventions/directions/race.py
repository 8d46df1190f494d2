"""Which cell is best, found by scoring most cells on a few prompts and few cells on all of them.

A race over nested sets of prompts (Maron and Moore 1997; F-race, Birattari et al. 2002), with differences over the same prompts
and a correction for prompts that are few: what all of them say is the truth, so that at the end nothing is left to guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log2
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, Int
from numpy import ndarray
from torch import Tensor

from anatomy.config.methods import Selection
from anatomy.interventions.directions.prompt_scores import CRITERIA, Cell, Criterion
from anatomy.interventions.directions.selection import LIMITS, Limit, SelectionRule
from anatomy.statistics.racing import mean_bounds

Cells = Int[ndarray, " cell"]


@runtime_checkable
class Scorer(Protocol):
    """What scores cells on prompts (``PromptScores``)."""

    def prompts(self, criterion: Criterion) -> int: ...

    def score(self, criterion: Criterion, cells: Sequence[Cell], rows: Sequence[int]) -> Float64[Tensor, "cell row"]: ...


@dataclass(frozen=True)
class Pace:
    """How a race is run.

    Attributes:
        first: prompts that a cell is first scored on; twice as many each time it goes on.
        error: chance that a cell is dropped which all prompts would have chosen, over all bounds that are ever looked at.
        seed: of the order in which prompts are taken.
        regret: how far, in the criterion's own unit, the winner may stay behind the best that there is.
    """

    first: int
    error: float
    seed: int
    regret: float = 0.0

    @classmethod
    def of(cls, selection: Selection, *, control: bool = False) -> Pace | None:
        """What the configuration asks for; None for the exhaustive search.

        Args:
            control: for the search of a control direction.
        """
        racing = selection.racing
        if selection.search == "exhaustive":
            return None
        return cls(racing.first_prompts, racing.error, racing.seed, racing.control_regret if control else 0.0)


class Race:
    """Scores so far, and what they say about cells that may still win.

    Args:
        scorer: is asked for more.
        cells: those in the race.
        rule: limits of the selection.
        pace: how cells go on.
        told: called with the number of cells that may still win.

    Attributes:
        values: of each criterion [cell, prompt], in the order in which prompts are taken; NaN where not scored.
        scored: of each criterion, on how many prompts each cell was scored.
    """

    def __init__(
        self,
        scorer: Scorer,
        cells: Sequence[Cell],
        rule: SelectionRule,
        pace: Pace,
        told: Callable[[int], None] = lambda alive: None,
    ) -> None:
        self.scorer, self.cells, self.rule, self.pace, self.told = scorer, list(cells), rule, pace, told
        self.total = {name: scorer.prompts(name) for name in CRITERIA}
        self.values = {name: np.full((len(cells), count), np.nan) for name, count in self.total.items()}
        self.scored = {name: np.zeros(len(cells), dtype=int) for name in CRITERIA}
        self._order = {count: np.random.default_rng(pace.seed).permutation(count) for count in self.total.values()}
        looks = 1 + ceil(log2(max(2, max(self.total.values()) / pace.first)))
        self._error = pace.error / (max(1, len(cells)) * len(CRITERIA) * looks)

    def best(self, criterion: Criterion, limits: Sequence[Limit], *, whole: bool = True) -> int | None:
        """The cell with the lowest bypass, or the highest induce, of those within the limits; None where no cell is.

        Cells near the front go on until one leads and none can overtake it; the others wait. A cell leaves as soon as it cannot
        be within a limit. The winner is known to be within the limits on all prompts.

        Args:
            whole: score the winner on all prompts by the criterion too, and not only until no other can be better.
        """
        while True:
            alive = np.flatnonzero(~self.out(limits))
            self.told(len(alive))
            if not len(alive):
                return None
            self.advance(criterion, alive.tolist(), self.pace.first)
            leader = self._leader(criterion, alive)
            rivals = alive[(self.behind(criterion, leader, alive)[1] < -self.pace.regret) & (alive != leader)]
            front = np.array([leader, *rivals])
            unread = next((limit for limit in limits if (self.scored[limit][front] == 0).any()), None)
            if unread is not None:
                self.advance(unread, front.tolist(), self.pace.first)
            elif limit := next((name for name in limits if self._doubtful(name, front)), None):
                those = self._doubtful(limit, front)
                fewest = int(self.scored[limit][those].min())
                self.advance(limit, [cell for cell in those if self.scored[limit][cell] == fewest], 2 * fewest)
            elif len(rivals):
                fewest = int(self.scored[criterion][front].min())
                self.advance(criterion, front[self.scored[criterion][front] == fewest].tolist(), 2 * fewest)
            else:
                unsure: list[Criterion] = [limit for limit in limits if not self.whole(leader, limit)]
                unsure = unsure or [criterion] * (whole and not self.whole(leader, criterion))
                if not unsure:
                    return leader
                slowest = min(unsure, key=lambda name: self.scored[name][leader])
                self.advance(slowest, [leader], 2 * int(self.scored[slowest][leader]))

    def finish(self, cell: int) -> None:
        """Score a cell on all prompts by every criterion."""
        for criterion in CRITERIA:
            self.advance(criterion, [cell], self.total[criterion])

    def whole(self, cell: int, criterion: Criterion) -> bool:
        """Whether a cell has been scored on all prompts."""
        return bool(self.scored[criterion][cell] == self.total[criterion])

    def out(self, limits: Sequence[Limit]) -> Bool[ndarray, " cell"]:
        """Cells that cannot be chosen: a score is not finite, or cannot be within a limit."""
        found = np.zeros(len(self.cells), dtype=bool)
        for criterion in CRITERIA:
            read = np.arange(self.total[criterion]) < self.scored[criterion][:, None]
            found |= (read & ~np.isfinite(self.values[criterion])).any(1)
        for limit in limits:
            found |= self.beyond(limit)
        return found

    def beyond(self, limit: Limit) -> Bool[ndarray, " cell"]:
        """Cells that cannot be within a limit; one without scores still may be."""
        found = np.zeros(len(self.cells), dtype=bool)
        for count in set(self.scored[limit].tolist()) - {0}:
            those = np.flatnonzero(self.scored[limit] == count)
            low, high = mean_bounds(self.values[limit][those, :count], self.total[limit], self._error)
            found[those] = high < self.rule.least_induce if limit == "induce" else low > self.rule.most_kl
        return found

    def behind(
        self, criterion: Criterion, leader: int, cells: Cells
    ) -> tuple[Float64[ndarray, " cell"], Float64[ndarray, " cell"]]:
        """How much worse than the leader cells are on the prompts that both were scored on, and at least on all prompts."""
        mean, least = np.zeros(len(cells)), np.full(len(cells), -np.inf)
        values = self.values[criterion] if criterion == "bypass" else -self.values[criterion]
        shared = np.minimum(self.scored[criterion][cells], self.scored[criterion][leader])
        for count in set(shared.tolist()) - {0}:
            those = np.flatnonzero(shared == count)
            gaps = values[cells[those], :count] - values[leader, :count]
            mean[those], least[those] = gaps.mean(1), mean_bounds(gaps, self.total[criterion], self._error)[0]
        return mean, least

    def mean(self, criterion: Criterion, cell: int) -> float:
        """Of a cell's scores so far; NaN without any."""
        count = self.scored[criterion][cell]
        return float(self.values[criterion][cell, :count].mean()) if count else float("nan")

    def why(self, cell: int) -> str:
        """Why a cell was not scored on all prompts by every criterion; empty where it was, or where a score is not finite."""
        if all(self.whole(cell, criterion) for criterion in CRITERIA) or self.out(())[cell]:
            return ""
        bounds = {"induce": f"induce < {self.rule.least_induce:g}", "kl": f"kl > {self.rule.most_kl:g}"}
        beyond = [f"{bounds[limit]} on {self.scored[limit][cell]} prompts" for limit in LIMITS if self.beyond(limit)[cell]]
        return "; ".join(beyond) or f"bypass above that of a kept cell on {self.scored['bypass'][cell]} prompts"

    def advance(self, criterion: Criterion, cells: Sequence[int], count: int) -> None:
        """Score cells on the first ``count`` prompts, as far as they are not; on all if more than half would be."""
        total, done = self.total[criterion], self.scored[criterion]
        count = total if 2 * count > total else count
        for start in sorted({int(done[cell]) for cell in cells if done[cell] < count}):
            those = [cell for cell in cells if done[cell] == start]
            rows = [int(row) for row in self._order[total][start:count]]
            self.values[criterion][those, start:count] = self.scorer.score(
                criterion, [self.cells[k] for k in those], rows
            ).numpy()
            done[those] = count

    def _doubtful(self, limit: Limit, cells: Cells) -> list[int]:
        """Cells whose mean so far is beyond a limit: what would drop them is asked before what would rank them."""
        means = np.array([self.mean(limit, int(cell)) for cell in cells])
        beyond = means < self.rule.least_induce if limit == "induce" else means > self.rule.most_kl
        return cells[beyond & (self.scored[limit][cells] < self.total[limit])].tolist()

    def _leader(self, criterion: Criterion, alive: Cells) -> int:
        """The best so far, by differences to a cell that was scored on the most prompts; ties as ``select_direction``."""
        reference = int(alive[np.argmax(self.scored[criterion][alive])])
        mean, _ = self.behind(criterion, reference, alive)
        ranked = min(range(len(alive)), key=lambda k: (mean[k], self.cells[alive[k]][1], -self.cells[alive[k]][0]))
        return int(alive[ranked])
