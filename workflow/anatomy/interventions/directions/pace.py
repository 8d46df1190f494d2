"""How a race over directions goes: its rounds, which are known before it starts, and the chance that it errs."""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.config.methods import Selection


@dataclass(frozen=True)
class Pace:
    """How a race is run.

    Attributes:
        first: prompts that a cell is first scored on; twice as many in each further round.
        error: chance that a cell is dropped which all prompts would have chosen, over all bounds that are ever looked at.
        seed: of the order in which prompts are taken.
        regret: how far, in the criterion's own unit, a winner may stay behind the best that there is where no limits hold.
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
        return cls(racing.first_prompts, racing.error, racing.seed, racing.control_regret if control else racing.nearest_regret)

    def rounds(self, prompts: int) -> list[int]:
        """On how many prompts a cell has been scored after each round: on all, once it would be on more than half."""
        counts = [self.first]
        while 2 * counts[-1] <= prompts:
            counts.append(2 * counts[-1])
        return [*counts[:-1], prompts]

    def after(self, count: int, prompts: int) -> int:
        """On how many prompts a cell has been scored one round after it was scored on so many."""
        return next((more for more in self.rounds(prompts) if more > count), prompts)
