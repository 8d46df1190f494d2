"""The two decisions of ROSI's search, written before any run: what is generated with, and what is picked."""

from __future__ import annotations

import numpy as np
import pandas as pd


def rank_candidates(screen: pd.DataFrame, base_benign: float, max_benign_rise: float, places: int) -> pd.DataFrame:
    """Places in the shortlist of one family.

    Candidates whose benign refusals rise by at most ``max_benign_rise`` come first, the strongest refusal metric on harmful
    prompts leading; if there are none, those with the smallest rise lead. Ties go to the smaller strength, then to the lower
    layer.

    Args:
        screen: one family's rows with ``harmful_metric, benign_refused, strength, layer``.
        base_benign: share of benign prompts the unedited model refuses, by the same cheap measure.

    Returns:
        The rows with ``place`` (1 is best, 0 not listed) and ``reason``.
    """
    rise = screen["benign_refused"] - base_benign
    eligible = rise <= max_benign_rise
    key = pd.DataFrame(
        {
            "out": ~eligible,
            "rise": np.where(eligible, 0.0, rise),
            "metric": -screen["harmful_metric"],
            "strength": screen["strength"],
            "layer": screen["layer"],
        },
        index=screen.index,
    )
    order = key.sort_values(list(key.columns), kind="stable").index
    place = pd.Series(0, index=screen.index)
    place[order[:places]] = range(1, min(places, len(order)) + 1)
    reason = pd.Series(np.where(eligible, "eligible", "benign refusals rise too far"), index=screen.index)
    return screen.assign(place=place, reason=reason)


def pick(shortlist: pd.DataFrame, max_benign_rise: float, max_benchmark_loss: float) -> tuple[int | None, str]:
    """The pick of one family among what was generated on the select split.

    Among candidates that keep benign refusals and benchmarks, the highest rate of refused harmful requests; ties go to the
    smaller strength, then to the lower layer. Controls are not benchmarked (``benchmark_loss`` NaN), so their search has one
    constraint less.

    Args:
        shortlist: rows with ``place, harmful_refused, benign_rise, benchmark_loss, strength, layer``.

    Returns:
        The place of the pick, or None, and the reason.
    """
    if shortlist.empty:
        return None, "the shortlist is empty"
    safe = (shortlist["benign_rise"] <= max_benign_rise) & ~(shortlist["benchmark_loss"] > max_benchmark_loss)
    if not safe.any():
        return None, (
            f"no candidate keeps benign refusals within {max_benign_rise} and benchmarks within "
            f"{max_benchmark_loss} of the unedited model"
        )
    best = shortlist[safe].sort_values(["harmful_refused", "strength", "layer"], ascending=[False, True, True]).iloc[0]
    return int(best["place"]), f"refuses {best['harmful_refused']:.3f} of harmful requests on select"
