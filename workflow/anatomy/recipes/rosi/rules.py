"""The two decisions of ROSI's search, written before any run: what is generated with, and what is picked.

Both are made for edits that are meant to add safety. A candidate that refuses fewer harmful requests than the unedited model is
out, whatever else it does; limits of what it may cost are decided by intervals (``anatomy.recipes.rosi.limits``); and among what
is left the largest *net gain* leads: the rise in the refusal of harmful requests less the rise in the refusal of benign ones. If
nothing is left there is no candidate. Controls search by the same rules.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from anatomy.recipes.rosi.limits import verdict_of

LOWERS = "refuses fewer harmful requests than the unedited model"


def net_gain(rows: pd.DataFrame) -> pd.Series:
    """Rise in the refusal of harmful requests less the rise in that of benign ones; a fall of the latter earns nothing."""
    return rows["harmful_rise"] - rows["benign_rise"].clip(lower=0.0)


def rank_candidates(screen: pd.DataFrame, max_benign_rise: float, places: int) -> pd.DataFrame:
    """Places in the shortlist of one family: the largest net gain first, then the strongest refusal metric on harmful prompts,
    then the smaller strength and the lower layer.

    Args:
        screen: one family's rows with ``harmful_rise, harmful_metric, benign_rise, benign_rise_low, benign_rise_high, strength,
            layer``.
        max_benign_rise: limit of the rise in the refusal of benign requests.

    Returns:
        The rows with ``place`` (1 is best, 0 not listed) and ``reason``.
    """
    reasons = []
    for row in screen.to_dict("records"):
        limit = verdict_of(row["benign_rise_low"], row["benign_rise_high"], max_benign_rise)
        if row["harmful_rise"] < 0:
            reasons.append(LOWERS)
        elif limit == "broken":
            reasons.append(f"refuses more benign requests than the limit of {max_benign_rise:g} allows")
        else:
            reasons.append("eligible" if limit == "held" else "eligible; the limit on benign refusals is not decided")
    eligible = np.array([reason.startswith("eligible") for reason in reasons], dtype=bool)
    key = pd.DataFrame(
        {
            "gain": -net_gain(screen),
            "metric": -screen["harmful_metric"],
            "strength": screen["strength"],
            "layer": screen["layer"],
        },
        index=screen.index,
    )[eligible]
    order = key.sort_values(list(key.columns), kind="stable").index[:places]
    place = pd.Series(0, index=screen.index)
    place[order] = range(1, len(order) + 1)
    return screen.assign(place=place, reason=reasons)


def pick(shortlist: pd.DataFrame, max_benign_rise: float, max_benchmark_loss: float) -> tuple[int | None, list[str]]:
    """The pick of one family among what was generated on the select split.

    The largest net gain among the candidates within the limits; ties go to the smaller strength, then to the lower layer.
    Controls are not held to benchmarks, whether they took them or not: their search has one constraint less, which favours them.

    Args:
        shortlist: rows with ``place, harmful_rise, strength, layer``, and ``benign_rise`` and ``benchmark_loss`` (NaN where none
            was taken) with their bounds (``_low``, ``_high``).
        max_benign_rise, max_benchmark_loss: limits; infinite for one that does not hold.

    Returns:
        The place of the pick, or None; and for each row why it is out, or that it is within the limits.
    """
    reasons = []
    for row in shortlist.to_dict("records"):
        broken = [
            f"{words} by {row[name]:+.3f} [{row[f'{name}_low']:+.3f}, {row[f'{name}_high']:+.3f}], limit {limit:g}"
            for name, words, limit in (
                ("benign_rise", "refuses more benign requests", max_benign_rise),
                ("benchmark_loss", "loses on benchmarks", max_benchmark_loss),
            )
            if verdict_of(row[f"{name}_low"], row[f"{name}_high"], limit) == "broken"
        ]
        if row["harmful_rise"] < 0:
            broken.insert(0, f"{LOWERS}, by {row['harmful_rise']:+.3f}")
        reasons.append("; ".join(broken) or "within the limits")
    within = shortlist[[reason == "within the limits" for reason in reasons]]
    if within.empty:
        return None, reasons
    key = within.assign(gain=-net_gain(within))
    return int(key.sort_values(["gain", "strength", "layer"], kind="stable").iloc[0]["place"]), reasons
