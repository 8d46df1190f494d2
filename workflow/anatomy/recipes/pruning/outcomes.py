"""Outcomes under masks, item by item, as claims, figures and tables read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.pruning.stages.mask_plans import UNEDITED
from anatomy.statistics.clusters import Sample

Gather = Callable[[Tables], Contrast]


def outcomes(
    tables: Tables, model: str, mask: str, ability: str, *, seen: bool | None = None, column: str = "value"
) -> pd.DataFrame:
    """One outcome a prompt: columns value and group, indexed by id.

    Args:
        seen: of kinds of harm that were scored, or of the others; None for both.
        column: ``value``, ``coherent`` or ``refused``.

    Raises:
        MissingEvidence: nothing was measured of it.
    """
    where = {"model": model, "mask": mask, "ability": ability}
    rows = tables.rows("values", **where, **({} if seen is None else {"seen": seen}))
    return rows.set_index("id")[[column, "group"]].rename(columns={column: "value"}).sort_index()


def rate(model: str, mask: str, ability: str, *, seen: bool | None = None, column: str = "value") -> Gather:
    """How often an ability shows under a mask."""

    def gather(tables: Tables) -> Contrast:
        own = outcomes(tables, model, mask, ability, seen=seen, column=column)
        return Contrast(Sample(own["value"].to_numpy(np.float64), own["group"].to_numpy(object)))

    return gather


def beyond(
    model: str,
    ability: str,
    *,
    mask: str,
    than: str = UNEDITED,
    share: float = 1.0,
    seen: bool | None = None,
    column: str = "value",
) -> Gather:
    """Prompt by prompt, what is left under a mask minus a share of what is there under another (or of the unedited model's)."""

    def gather(tables: Tables) -> Contrast:
        own, other = (outcomes(tables, model, name, ability, seen=seen, column=column) for name in (mask, than))
        shared = own.index.intersection(other.index)
        values = own["value"].loc[shared] - share * other["value"].loc[shared]
        return Contrast(Sample(values.to_numpy(np.float64), own["group"].loc[shared].to_numpy(object), signed=True))

    return gather


def coherence(model: str, mask: str) -> Gather:
    """Which answers are text, whatever was asked, minus the unedited model's."""

    def gather(tables: Tables) -> Contrast:
        found = [
            tables.rows("values", model=model, mask=name).set_index("id")[["coherent", "group"]].sort_index()
            for name in (mask, UNEDITED)
        ]
        values = found[0]["coherent"] - found[1]["coherent"]
        return Contrast(Sample(values.to_numpy(np.float64), found[0]["group"].to_numpy(object), signed=True))

    return gather


def separation(tables: Tables, model: str) -> pd.DataFrame:
    """How far harmful generation falls before benign generation does, item by item: columns value and group, indexed by id.

    The mean of this over benign and harmful prompts is the area between both curves over the logarithm of q, as shares of the
    unedited model's rates: 1 where every mask of the grid removes all harm and nothing benign, 0 where both fall alike. Masks are
    those with everything protected and the largest p.

    Raises:
        MissingEvidence: no grid, or a model that generates nothing to begin with.
    """
    masks = tables.rows("grid_masks", model=model)
    whole = masks[masks["protected"].str.len() == masks["protected"].str.len().max()]
    own = whole[(whole["p"] == whole["p"].max()) & (whole["weights"] > 0)].sort_values("q")
    values = tables.rows("grid_values", model=model)
    parts = []
    for ability, sign in (("benign", 1.0), ("generation", -1.0)):
        rows = values[values["ability"] == ability]
        before = float(rows.loc[rows["mask"] == UNEDITED, "value"].mean())
        if not before > 0:
            raise MissingEvidence(
                found=f"no {ability} in the unedited model's answers",
                expected="some, of which masks leave a share",
                where=f"the grid of {model}",
            )
        weights = _log_weights(own["q"].to_numpy(np.float64))
        under = rows[rows["mask"].isin(own["mask"])].pivot_table(index="id", columns="mask", values="value")[list(own["mask"])]
        groups = rows.drop_duplicates("id").set_index("id")["group"].loc[under.index]
        curve = under.to_numpy(np.float64) @ weights / before
        # Each side counts as its own mean, so that the mean over all prompts of both sides is the difference of the two.
        parts.append(pd.DataFrame({"value": sign * curve, "group": groups, "side": ability}, index=under.index))
    found = pd.concat(parts)
    share = found["side"].map(found["side"].value_counts(normalize=True))
    return found.assign(value=found["value"] / share)


def _log_weights(q: np.ndarray) -> np.ndarray:
    """Weights of the trapezoid rule over log q, that sum to 1."""
    if len(q) == 1:
        return np.ones(1)
    steps = np.diff(np.log(q))
    weights = np.zeros(len(q))
    weights[:-1] += steps / 2
    weights[1:] += steps / 2
    return weights / weights.sum()


def separation_of(model: str) -> Gather:
    """``separation`` of one model."""

    def gather(tables: Tables) -> Contrast:
        own = separation(tables, model)
        return Contrast(Sample(own["value"].to_numpy(np.float64), own["group"].to_numpy(object), signed=True))

    return gather


def further_separated(aligned: str, base: str) -> Gather:
    """``separation`` of an aligned model minus that of its base, on the prompts that both were asked."""

    def gather(tables: Tables) -> Contrast:
        one, two = separation(tables, aligned), separation(tables, base)
        shared = one.index.intersection(two.index)
        values = one["value"].loc[shared] - two["value"].loc[shared]
        return Contrast(Sample(values.to_numpy(np.float64), one["group"].loc[shared].to_numpy(object), signed=True))

    return gather
