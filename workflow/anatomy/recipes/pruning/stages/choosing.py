"""Which mask of a grid is chosen: the one with the least harm among those that leave everything else within limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from anatomy.config.methods import Statistics
from anatomy.errors import DataError
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, NEAREST, UNEDITED, MaskPlan, everything_protected
from anatomy.recipes.pruning.stages.scored_sets import POOLED
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.statistics.paired import difference_interval

PINS: tuple[str, ...] = ("scipy",)
NOT_PINNED = {
    "torch": "imported with the names of masks; no weight is read",
    "transformers": "imported with the names of scores; no model is opened",
    "vllm": "imported with the names of scores; no engine is opened",
}

COHERENCE = "coherence"
LIMITS = ["mask", "ability", "share", "before", "left", "beyond", "low", "high", "n", "clusters", "state", "rule", "within"]
SLACK = 1e-9
"""Rounding of means that are equal."""


@dataclass(frozen=True)
class Choice:
    """The mask that is chosen from a grid, or the one nearest to the limits where none is within them.

    Attributes:
        plan: it, called ``CHOSEN`` or ``NEAREST``.
        why: in words.
        within: whether it is within every limit.
        keeps_refusal: whether it leaves the share of refusals that the limit asks for, however few the model gives. Not where
            none was asked for on select: nothing is known of them then.
    """

    plan: MaskPlan
    why: str
    within: bool
    keeps_refusal: bool


def what_is_left(wanted: Pruning, statistics: Statistics, values: pd.DataFrame) -> pd.DataFrame:
    """What every mask leaves of each ability that has a limit, on the prompts that masks are chosen on: ``LIMITS``.

    An ability that the unedited model shows (the interval of its rate lies above ``pruning.removed``) has to stay above a share
    of its rate. One that it hardly shows cannot: of four answers among 36, 95 % is a limit of no answer less, by which chance
    would decide between masks. There a mask is out where it is shown to lower the rate (the interval of the paired change lies
    below 0).

    ``beyond`` is what is left minus ``share`` of the unedited model's, prompt by prompt, with its interval over groups. ``state``
    says what that shows: *kept*, *lost*, or *undecided* where the interval has 0 inside. ``rule`` says what a mask has to meet to
    be ``within``:

    - *kept*: the interval lies above 0. By the estimate, the best of a grid is the mask that chance was kind to; the test shows
      less. It is asked wherever a mask that loses half of what it may could meet it: where half of that is more than what the
      interval of no change at all leaves open at this n.
    - *estimate*: on fewer prompts the interval would decide nothing but whether anything was lost; the estimate has to reach the
      share.
    - *not lowered*: the model hardly shows the ability.

    Args:
        values: verdicts on select (``answering.VALUES`` with ``mask`` and ``seen``), the unedited model's too.
    """
    seen = values[values["seen"].astype(bool) | ~values["harmful"].astype(bool)]
    rows = []
    for ability, share in wanted.limits:
        own = seen if ability == COHERENCE else seen[seen["ability"] == ability]
        if own.empty:
            continue
        table = own.pivot_table(index="id", columns="mask", values="coherent" if ability == COHERENCE else "value")
        groups = own.drop_duplicates("id").set_index("id")["group"].loc[table.index].to_numpy(object)
        before = table[UNEDITED].to_numpy(np.float64)
        level, seed, resamples = statistics.confidence, statistics.seed, statistics.bootstrap
        rate = mean_interval(Sample(before, groups), confidence=level, seed=seed, resamples=resamples)
        shown = rate.low > wanted.removed
        least = share if shown else 1.0
        nothing = Sample(np.zeros(len(before)), groups, signed=True)
        unchanged = difference_interval(nothing, None, confidence=level, seed=seed, resamples=resamples).interval
        decides = (1 - least) * before.mean() / 2 >= -unchanged.low
        rule = "not lowered" if not shown else "kept" if decides else "estimate"
        for mask in table.columns:
            left = table[mask].to_numpy(np.float64)
            changes = Sample(left - least * before, groups, signed=True)
            got = difference_interval(changes, None, confidence=level, seed=seed, resamples=resamples).interval
            state = "kept" if got.low >= -SLACK else "lost" if got.high < 0 else "undecided"
            row = {"mask": mask, "ability": ability, "share": share if shown else np.nan, "before": before.mean()}
            row |= {"left": left.mean(), "beyond": got.estimate, "low": got.low, "high": got.high, "state": state}
            within = {"kept": got.low >= -SLACK, "estimate": got.estimate >= -SLACK, "not lowered": got.high >= 0}[rule]
            rows.append({**row, "n": got.n, "clusters": got.clusters, "rule": rule, "within": bool(within)})
    return pd.DataFrame(rows, columns=LIMITS)


def choose(wanted: Pruning, statistics: Statistics, masks: pd.DataFrame, values: pd.DataFrame) -> Choice:
    """The mask of the grid with the least harmful generation among those within ``pruning.limits``, then the smallest q.

    Where none is within them none is chosen: the one that falls short by least is named as such. Kinds of harm that were not
    scored have no part in it, and controls are never chosen.

    Args:
        masks: rows of ``MaskPlan.row``, the grid's random masks among them.
        values: as for ``what_is_left``.

    Raises:
        DataError: no mask has any weights.
    """
    left = what_is_left(wanted, statistics, values)
    whole = everything_protected(masks)
    candidates = whole[(whole["weights"] > 0) & whole["mask"].isin(values["mask"])].set_index("mask")
    if candidates.empty:
        raise DataError(
            found="no mask with weights",
            expected="at least one in the grid",
            where="pruning.prune and pruning.preserve",
            remedy="larger fractions q, or smaller p",
        )
    harm = values[(values["ability"] == POOLED) & values["seen"].astype(bool)].groupby("mask")["value"].mean()
    asked = left["low"].where(left["rule"] == "kept", left["beyond"])
    table = candidates.assign(
        within=left.groupby("mask")["within"].all(),
        short=asked.clip(upper=0).where(~left["within"], 0).groupby(left["mask"]).min(),
        harm=harm,
    )
    passing = table[table["within"]]
    if len(passing):
        best = passing.sort_values(["harm", "q", "p"], kind="stable").iloc[0]
        name, why = CHOSEN, f"least harm of {len(passing)} of {len(table)} masks within pruning.limits"
    else:
        best = table.sort_values(["short", "harm", "q"], ascending=[False, True, True], kind="stable").iloc[0]
        own = left[(left["mask"] == best.name) & ~left["within"]]
        lost = ", ".join(f"{row.ability} {row.left:.2f} of {row.before:.2f}" for row in own.itertuples())
        name, why = NEAREST, f"none of {len(table)} masks is within pruning.limits; the nearest leaves {lost}"
    plan = MaskPlan(name, POOLED, tuple(str(best["protected"]).split()), best["ranking"], float(best["q"]), float(best["p"]))
    refusals = left[(left["mask"] == best.name) & (left["ability"] == "refusal")]
    keeps = len(refusals) > 0 and bool((refusals["left"] >= wanted.limits.refusal * refusals["before"] - SLACK).all())
    return Choice(plan, why, name == CHOSEN, keeps)
