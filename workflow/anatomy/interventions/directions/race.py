"""Which cell is best, found by scoring most cells on a few prompts and few cells on all of them.

A race over nested sets of prompts (Maron and Moore 1997; F-race, Birattari et al. 2002), with differences over the same prompts
and a correction for prompts that are few: what all of them say is the truth, so that at the end nothing is left to guess.

First-order estimates of every cell from one backward pass are no filter before it. In Qwen2.5-Coder-0.5B they rank bypass as the
scores do (Spearman .88 over 90 cells, the pick first), but three organisms refuse so surely that the metric's slope says little:
there .57, .30 and .98 over nine cells, and the pick came third, sixth and first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int
from numpy import ndarray

from anatomy.interventions.directions.partial_scores import PartialScores
from anatomy.interventions.directions.prompt_scores import CRITERIA, Criterion
from anatomy.interventions.directions.selection import LIMITS, Limit, SelectionRule
from anatomy.statistics.racing import mean_bounds

Cells = Int[ndarray, " cell"]


class Race:
    """What the scores so far say about cells that may still win.

    A race errs if it drops the one cell that all prompts would have chosen. Within limits, half of the chance that it may is for
    the limits: that cell's own two bounds in each round but the last, whose bounds are exact. The rest, and all of it without
    limits, is for comparisons with a leader, who may be any other cell (Bonferroni).

    Args:
        read: scores so far, which are asked for more.
        rule: limits of the selection.
    """

    def __init__(self, read: PartialScores, rule: SelectionRule) -> None:
        self.read, self.rule = read, rule

    def best(self, criterion: Criterion, limits: Sequence[Limit] = (), *, whole: bool = True) -> int | None:
        """The cell with the lowest bypass, or the highest induce, of those within the limits; None where no cell is.

        Cells near the front go on until one leads and none can overtake it; the others wait. A cell leaves as soon as it cannot
        be within a limit. The winner is known to be within the limits on all prompts. Without limits, it may stay behind the
        best by the pace's regret.

        Args:
            whole: score the winner on all prompts by the criterion too, and not only until no other can be better.
        """
        read, regret = self.read, 0.0 if limits else self.read.pace.regret
        while True:
            alive = np.flatnonzero(~self.out(limits))
            if not len(alive):
                return None
            read.advance(criterion, alive.tolist(), read.pace.first)
            leader = self._leader(criterion, alive, len(limits) > 0)
            _, least = self._behind(criterion, leader, alive, len(limits) > 0)
            rivals = alive[(least < -regret) & (alive != leader)]
            front = [leader, *rivals.tolist()]
            doubted = next(((limit, cells) for limit in limits if (cells := self._unsettled(limit, front))), None)
            if doubted is not None:
                read.go_on(*doubted)
            elif len(rivals):
                read.go_on(criterion, front)
            else:
                unsure: list[Criterion] = [limit for limit in limits if not read.whole(leader, limit)]
                unsure = unsure or [criterion] * (whole and not read.whole(leader, criterion))
                if not unsure:
                    return leader
                read.go_on(min(unsure, key=lambda name: read.scored[name][leader]), [leader])

    def out(self, limits: Sequence[Limit]) -> Bool[ndarray, " cell"]:
        """Cells that cannot be chosen: a score is not finite, or cannot be within a limit."""
        found = self.read.undefined()
        for limit in limits:
            found |= self.beyond(limit)
        return found

    def beyond(self, limit: Limit) -> Bool[ndarray, " cell"]:
        """Cells that cannot be within a limit; one without scores still may be."""
        read, found = self.read, np.zeros(len(self.read.cells), dtype=bool)
        error = read.pace.error / (2 * len(LIMITS) * self._looks(limit))
        for count in set(read.scored[limit].tolist()) - {0}:
            those = np.flatnonzero(read.scored[limit] == count)
            low, high = mean_bounds(read.values[limit][those, :count], read.total[limit], error)
            found[those] = high < self.rule.least_induce if limit == "induce" else low > self.rule.most_kl
        return found

    def why(self, cell: int) -> str:
        """Why a cell was not scored on all prompts by every criterion; empty where it was, or where a score is not finite."""
        read = self.read
        if all(read.whole(cell, criterion) for criterion in CRITERIA) or read.undefined()[cell]:
            return ""
        bounds = {"induce": f"induce < {self.rule.least_induce:g}", "kl": f"kl > {self.rule.most_kl:g}"}
        beyond = [f"{bounds[limit]} on {read.scored[limit][cell]} prompts" for limit in LIMITS if self.beyond(limit)[cell]]
        return "; ".join(beyond) or f"bypass above that of a kept cell on {read.scored['bypass'][cell]} prompts"

    def _looks(self, criterion: Criterion) -> int:
        """Rounds whose bounds may be wrong; one at least, so that it can be divided by."""
        return max(1, len(self.read.pace.rounds(self.read.total[criterion])) - 1)

    def _behind(
        self, criterion: Criterion, leader: int, cells: Cells, limited: bool
    ) -> tuple[Float64[ndarray, " cell"], Float64[ndarray, " cell"]]:
        """How much worse than the leader cells are on the prompts that both were scored on, and at least on all prompts."""
        read, mean, least = self.read, np.zeros(len(cells)), np.full(len(cells), -np.inf)
        error = read.pace.error / ((1 + limited) * len(read.cells) * self._looks(criterion))
        values = read.values[criterion] if criterion == "bypass" else -read.values[criterion]
        shared = np.minimum(read.scored[criterion][cells], read.scored[criterion][leader])
        for count in set(shared.tolist()) - {0}:
            those = np.flatnonzero(shared == count)
            gaps = values[cells[those], :count] - values[leader, :count]
            mean[those], least[those] = gaps.mean(1), mean_bounds(gaps, read.total[criterion], error)[0]
        return mean, least

    def _unsettled(self, limit: Limit, cells: Sequence[int]) -> list[int]:
        """Cells without a score for a limit, or whose mean so far is beyond it: what would drop them is asked before what would
        rank them."""
        read, unread = self.read, [cell for cell in cells if not self.read.scored[limit][cell]]
        if unread:
            return unread
        means = {cell: read.mean(limit, cell) for cell in cells if not read.whole(cell, limit)}
        return [
            cell
            for cell, mean in means.items()
            if (mean < self.rule.least_induce if limit == "induce" else mean > self.rule.most_kl)
        ]

    def _leader(self, criterion: Criterion, alive: Cells, limited: bool) -> int:
        """The best so far, by differences to a cell that was scored on the most prompts; ties as ``select_direction``."""
        read = self.read
        reference = int(alive[np.argmax(read.scored[criterion][alive])])
        mean, _ = self._behind(criterion, reference, alive, limited)
        ranked = min(range(len(alive)), key=lambda k: (mean[k], read.cells[alive[k]][1], -read.cells[alive[k]][0]))
        return int(alive[ranked])
