"""Which masks are made of a model's scores, and what each is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import TypedDict

import pandas as pd
import torch
from torch import Tensor

from anatomy.interventions.pruning.masks import difference, magnitude_matched, random_mask, weights_in
from anatomy.interventions.pruning.ranking import Mask, TopScores
from anatomy.interventions.pruning.rankings import RANKINGS, Ranking
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.score_keys import OPPOSITE, SNIP, WANDA, WANDA_BENIGN, preserve_key, prune_key
from anatomy.recipes.pruning.stages.scored_sets import BENIGN, POOLED

PINS: tuple[str, ...] = ("torch",)
NOT_PINNED = {
    "transformers": "imported with the names of scores; no model is opened",
    "vllm": "imported with the names of scores; no engine is opened",
}

CHOSEN, UNEDITED, NEAREST = "chosen", "unedited", "nearest to the limits"
"""``NEAREST`` stands in the place of a chosen mask where none of the grid is within ``pruning.limits``."""
RANDOM, MAGNITUDE, FLIPPED, FORMAT = "random", "magnitude-matched", "sign-flipped", "benign answers"
BARE = ", nothing taken out"
"""How the name of a mask ends from which no preserved scores were taken out."""
OF_A_KIND = "random, of a kind's size"
"""Control of the mask of one kind of harm, whose weights are not as many as the chosen mask's."""


class MaskRow(TypedDict):
    """What a table says of a mask: its plan, how many weights it has, which share of all scored ones, and ``lacking`` in all."""

    mask: str
    source: str
    protected: str
    ranking: Ranking
    q: float
    p: float
    control: str
    weights: int
    share: float
    lacking: int


@dataclass(frozen=True)
class MaskPlan:
    """One mask.

    Attributes:
        name: among a model's masks.
        source: the set whose highest scores are pruned; for a control, what it is.
        protected: sets whose highest scores are kept.
        ranking: among which weights.
        q, p: fractions pruned and kept.
        control: what control it is; empty for none.
    """

    name: str
    source: str
    protected: tuple[str, ...]
    ranking: Ranking
    q: float
    p: float
    control: str = ""

    def row(self, mask: Mask, shapes: Mapping[str, tuple[int, int]], lacked: Mapping[str, int]) -> MaskRow:
        """What is said of it in a table.

        Args:
            lacked: ``lacking``.
        """
        size = sum(rows * columns for rows, columns in shapes.values())
        return {
            "mask": self.name,
            "source": self.source,
            "protected": " ".join(self.protected),
            "ranking": self.ranking,
            "q": self.q,
            "p": self.p,
            "control": self.control,
            "weights": weights_in(mask),
            "share": weights_in(mask) / size,
            "lacking": sum(lacked.values()),
        }


def protected_sets(wanted: Pruning, tops: Mapping[str, TopScores], whole: bool) -> tuple[str, ...]:
    """Benign generation, and with ``whole`` the abilities that are protected besides, where they were scored."""
    names = (BENIGN, *wanted.protected) if whole else (BENIGN,)
    return tuple(name for name in dict.fromkeys(names) if preserve_key(name, wanted.ranking) in tops)


def grid(wanted: Pruning, tops: Mapping[str, TopScores]) -> list[MaskPlan]:
    """Every q with every p, protected abilities preserved; and with benign generation alone preserved at the largest p.

    The latter only where anything is protected besides.
    """
    found = []
    more = protected_sets(wanted, tops, whole=True) != protected_sets(wanted, tops, whole=False)
    for whole in (True, False) if more else (True,):
        for p in wanted.preserve if whole else wanted.preserve[-1:]:
            for q in wanted.prune:
                name = f"q{q:g}-p{p:g}{'' if whole else '-benign'}"
                found.append(MaskPlan(name, POOLED, protected_sets(wanted, tops, whole), wanted.ranking, q, p))
    return found


def everything_protected(masks: pd.DataFrame) -> pd.DataFrame:
    """Of a table of the grid's masks (``MaskPlan.row``) those with everything protected, and no control."""
    masks = masks[masks["control"] == ""]
    return masks[masks["protected"].str.len() == masks["protected"].str.len().max()]


def mask_of(plan: MaskPlan, tops: Mapping[str, TopScores]) -> Mask:
    """The mask of a plan that is no control: ``P \\ (K1 | K2 | ...)``.

    A weight is pruned, and preserved, for a score above 0 alone: what no answer touches is neither.
    """
    return difference(tops[_ranked(plan)].top(plan.q), preserved(plan, tops))


def preserved(plan: MaskPlan, tops: Mapping[str, TopScores]) -> list[Mask]:
    """The weights that a plan preserves, ``K1, K2, ...``; none for a control."""
    if plan.source == WANDA:
        return [tops[WANDA_BENIGN].top(plan.p)]
    return [tops[preserve_key(name, plan.ranking)].top(plan.p) for name in plan.protected]


def lacking(plan: MaskPlan, mask: Mask, tops: Mapping[str, TopScores]) -> dict[str, int]:
    """By matrix, how many weights a mask has less than q asks for, because no other has a score above 0; nothing where none.

    Of controls by scores, which have as many weights as the chosen mask in every matrix: how many were drawn at random instead.
    """
    if plan.control in (FLIPPED, FORMAT):
        return tops[_ranked(plan)].without_score(mask)
    return {} if plan.control else tops[_ranked(plan)].lacking(plan.q)


def lacked_words(lacked: Mapping[str, int], named: int = 3) -> str:
    """``lacking`` as a job's log says it; ``named``: how many matrices are named, those that lack most."""
    if not lacked:
        return "every matrix has as many weights with a score above 0 as its fraction asks for"
    most = sorted(lacked, key=lambda name: -lacked[name])[:named]
    further = f", and {len(lacked) - len(most)} more" if len(lacked) > len(most) else ""
    several = ", ".join(f"{lacked[name]} of {name}" for name in most)
    return f"{sum(lacked.values())} weights fewer than its fraction asks for, where no score is above 0: {several}{further}"


def _ranked(plan: MaskPlan) -> str:
    """Name of the scores whose highest ones a mask has."""
    named = {FLIPPED: OPPOSITE, FORMAT: prune_key(BENIGN, plan.ranking), WANDA: WANDA, SNIP: SNIP}
    return named.get(plan.source, prune_key(plan.source, plan.ranking))


def beside_chosen(wanted: Pruning, tops: Mapping[str, TopScores], chosen: MaskPlan) -> list[MaskPlan]:
    """Masks of the same fractions: less protected, ranked otherwise, of single kinds of harm, of other abilities."""
    q, p, ranking = chosen.q, chosen.p, wanted.ranking
    benign = protected_sets(wanted, tops, whole=False)
    found = [
        MaskPlan("benign protected", POOLED, benign, ranking, q, p),
        MaskPlan("nothing protected", POOLED, (), ranking, q, 0.0),
    ]
    for other in RANKINGS:
        if other != ranking:
            found.append(MaskPlan(f"ranked by {other}", POOLED, chosen.protected, other, q, p))
    found.append(MaskPlan("SNIP", SNIP, chosen.protected, ranking, q, p))
    found.append(MaskPlan("Wanda", WANDA, (BENIGN,), ranking, q, p))
    for source in _sources(tops, ranking):
        if source.startswith("kind."):
            found.append(MaskPlan(source, source, chosen.protected, ranking, q, p))
        elif source not in (POOLED, BENIGN):
            others = tuple(name for name in chosen.protected if name != source)
            found.append(MaskPlan(f"ability.{source}", source, others, ranking, q, p))
    return found


def _sources(tops: Mapping[str, TopScores], ranking: str) -> list[str]:
    """Sets of answers with prune scores of a ranking."""
    return [key.split(".", 1)[1].rsplit(".", 1)[0] for key in tops if key.startswith("prune.") and key.endswith(f".{ranking}")]


def unprotected(tops: Mapping[str, TopScores], chosen: MaskPlan) -> list[MaskPlan]:
    """The highest scores of each kind of harm, and of benign answers, with nothing taken out: for overlaps alone.

    Masks from which the scores of benign answers were taken out cannot meet those of benign answers, whatever the model.
    """
    wanted = [name for name in _sources(tops, chosen.ranking) if name.startswith("kind.") or name == BENIGN]
    return [MaskPlan(f"{name}{BARE}", name, (), chosen.ranking, chosen.q, 0.0) for name in wanted]


def controls(
    wanted: Pruning, tops: Mapping[str, TopScores], chosen: MaskPlan, weights: Mapping[str, Tensor], seed: int
) -> list[tuple[MaskPlan, Mask]]:
    """Masks with as many weights a matrix as the chosen one: random, of like magnitude, of the other sign, of benign answers.

    Where a matrix has too few weights with such a score the rest is drawn at random (``lacking``), so that counts are equal.
    """
    mask, generator = mask_of(chosen, tops), torch.Generator().manual_seed(seed + 2)
    counts = {name: len(places) for name, places in mask.items()}
    flipped, as_benign = (_control(wanted, chosen, kind) for kind in (FLIPPED, FORMAT))
    return [
        *islice(drawn_controls(wanted, tops, chosen, weights, seed), 2 * wanted.control_draws),
        (flipped, tops[_ranked(flipped)].first(counts, [*preserved(chosen, tops), mask], generator)),
        (as_benign, tops[_ranked(as_benign)].first(counts, [], generator)),
    ]


def drawn_controls(
    wanted: Pruning, tops: Mapping[str, TopScores], chosen: MaskPlan, weights: Mapping[str, Tensor], seed: int
) -> Iterator[tuple[MaskPlan, Mask]]:
    """Random masks and masks of like magnitude by turns, without end: whoever asks for a draw gets the same one."""
    mask, shapes, generator = mask_of(chosen, tops), tops[OPPOSITE].shapes, torch.Generator().manual_seed(seed)
    for draw in count(1):
        yield _control(wanted, chosen, RANDOM, f"-{draw}"), random_mask(mask, shapes, generator)
        yield _control(wanted, chosen, MAGNITUDE, f"-{draw}"), magnitude_matched(mask, weights, generator)


def _control(wanted: Pruning, chosen: MaskPlan, kind: str, number: str = "") -> MaskPlan:
    return MaskPlan(f"{kind}{number}", kind, (), wanted.ranking, chosen.q, 0.0, kind)


def sized_as_grid(
    wanted: Pruning, plans: Sequence[tuple[MaskPlan, Mask]], shapes: Mapping[str, tuple[int, int]], seed: int
) -> list[tuple[MaskPlan, Mask]]:
    """For each q of the grid one random mask with as many weights in every matrix as the largest mask of that q.

    That is the mask with the smallest p, everything protected. Draws are others than those of ``controls``.
    """
    generator, whole = torch.Generator().manual_seed(seed + 1), max((plan.protected for plan, _ in plans), key=len)
    largest: dict[float, tuple[MaskPlan, Mask]] = {}
    for plan, mask in plans:
        if plan.protected == whole and plan.p == wanted.preserve[0]:
            largest.setdefault(plan.q, (plan, mask))
    return [
        (MaskPlan(f"{RANDOM}, q{q:g}", RANDOM, (), plan.ranking, q, plan.p, RANDOM), random_mask(mask, shapes, generator))
        for q, (plan, mask) in largest.items()
    ]


def sized_as_kinds(
    wanted: Pruning, plans: Sequence[tuple[MaskPlan, Mask]], shapes: Mapping[str, tuple[int, int]], seed: int
) -> list[tuple[MaskPlan, Mask]]:
    """For the mask of each kind of harm ``control_draws`` random ones with as many weights in every matrix."""
    generator = torch.Generator().manual_seed(seed)
    return [
        (
            MaskPlan(f"{matched(plan.name)}-{draw + 1}", OF_A_KIND, (), plan.ranking, plan.q, 0.0, OF_A_KIND),
            random_mask(mask, shapes, generator),
        )
        for plan, mask in plans
        if plan.name.startswith("kind.")
        for draw in range(wanted.control_draws)
    ]


def matched(name: str) -> str:
    """How the names of random masks of the size of one of a kind begin; the number of the draw follows."""
    return f"{RANDOM} as {name}"
