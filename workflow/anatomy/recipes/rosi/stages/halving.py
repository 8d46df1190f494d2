"""Many candidate edits are asked few prompts, and few candidates all of them (successive halving, Jamieson and Talwalkar 2016).

After each round those go on that stand best by what the screen ranks by. Edits that are listed have been asked every prompt, and
their numbers are those of a screen that asks every candidate everything. Which edits they are may differ from its list, since a
candidate that does badly on the first prompts is not heard again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from anatomy.config.methods import Selection
from anatomy.recipes.rosi.stages.first_token_answers import Read

PINS: tuple[str, ...] = ()

KEPT, GROWTH = 6, 4
"""After a round one candidate of so many goes on, and is asked so many times the prompts."""


def rounds(prompts: int, selection: Selection) -> list[float]:
    """Share of the prompts that candidates of each round have been asked at its end; the last is all of them."""
    if selection.search == "exhaustive":
        return [1.0]
    counts = [min(prompts, selection.racing.first_prompts)]
    while counts[-1] < prompts:
        counts.append(min(prompts, GROWTH * counts[-1]))
    return [count / prompts for count in counts]


def asked_share(candidates: int, prompts: int, selection: Selection, least: int) -> float:
    """Prompts that a search asks of its candidates, as a share of all prompts of all of them."""
    shares, asked, before = rounds(prompts, selection), 0.0, 0.0
    for share, alive in zip(shares, _alive(candidates, len(shares), least), strict=True):
        asked += alive * (share - before)
        before = share
    return asked / candidates


def rounds_of_each(candidates: int, prompts: int, selection: Selection, least: int) -> float:
    """In how many rounds a candidate is asked, on average; in each it begins anew with what all prompts begin with."""
    return sum(_alive(candidates, len(rounds(prompts, selection)), least)) / candidates


def _alive(candidates: int, rounds: int, least: int) -> list[int]:
    """Candidates of each round."""
    alive = [candidates]
    while len(alive) < rounds:
        alive.append(min(alive[-1], max(least, -(-alive[-1] // KEPT))))
    return alive


def halve(
    names: Sequence[str],
    shares: Sequence[float],
    ask: Callable[[str, float], Read],
    standing: Callable[[Read], tuple[float, float]],
    least: int,
) -> dict[str, Read]:
    """Ask the candidates of a search round by round.

    Args:
        names: of the candidates.
        shares: of the prompts, by round.
        ask: has a candidate answer up to a share of the prompts.
        standing: of what a candidate did so far: larger is better, the second number decides between equals.
        least: candidates that are always left.

    Returns:
        What each candidate did in the rounds that it was in.
    """
    found: dict[str, Read] = {}
    alive = list(names)
    for number, share in enumerate(shares):
        for name in alive:
            found[name] = ask(name, share)
        if number < len(shares) - 1:
            ranked = sorted(alive, key=lambda name: standing(found[name]), reverse=True)
            alive = ranked[: max(least, -(-len(ranked) // KEPT))]
    return found


def standing_against(base: Read) -> Callable[[Read], tuple[float, float]]:
    """How a candidate stands by the prompts that it was asked: its net gain, then how much more it moves the refusal metric of
    harmful prompts than that of benign ones."""

    def standing(read: Read) -> tuple[float, float]:
        harmful, benign = read.rises(base)
        before = base.first(len(read.harmful), len(read.benign))
        moved = (read.harmful - before.harmful).mean() - max(0.0, (read.benign - before.benign).mean())
        return float(harmful.mean() - max(0.0, benign.mean())), float(np.nan_to_num(moved))

    return standing
