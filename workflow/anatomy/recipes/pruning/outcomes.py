"""Outcomes under masks, item by item, as claims, figures and tables read them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, NEAREST, UNEDITED, everything_protected
from anatomy.statistics.clusters import Sample

Gather = Callable[[Tables], Contrast]


def require_chosen(tables: Tables, model: str, mask: str | None, table: str = "values") -> None:
    """Refuse (``MissingEvidence``) to test the chosen mask where none was within the limits: what was measured is another.

    Args:
        table: whose rows are asked for.
    """
    measured = tables.named.get(table)
    if mask != CHOSEN or measured is None:
        return
    names = set(measured.loc[measured["model"] == model, "mask"])
    if NEAREST in names and CHOSEN not in names:
        raise MissingEvidence(
            found=f"a mask that is {NEAREST}",
            expected="one within pruning.limits",
            where=f"masks of {model}",
            because="no mask of the grid was within pruning.limits on select, so that none is chosen; what the nearest one does "
            "stands in the tables",
        )


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
    require_chosen(tables, model, mask)
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
        require_chosen(tables, model, mask)
        found = [
            tables.rows("values", model=model, mask=name).set_index("id")[["coherent", "group"]].sort_index()
            for name in (mask, UNEDITED)
        ]
        values = found[0]["coherent"] - found[1]["coherent"]
        return Contrast(Sample(values.to_numpy(np.float64), found[0]["group"].to_numpy(object), signed=True))

    return gather


def coherence_of_kinds(model: str) -> Gather:
    """Which answers are text under the masks of single kinds of harm, whatever was asked, minus the unedited model's."""

    def gather(tables: Tables) -> Contrast:
        rows = tables.rows("values", model=model)
        before = rows[rows["mask"] == UNEDITED].set_index("id")["coherent"]
        own = rows[rows["mask"].str.startswith("kind.") & rows["id"].isin(before.index)]
        if own.empty:
            raise MissingEvidence(
                found="no answers with masks of single kinds of harm", expected="some", where=f"masks of {model}"
            )
        values = own["coherent"].to_numpy(np.float64) - before.loc[own["id"]].to_numpy(np.float64)
        return Contrast(Sample(values, own["group"].to_numpy(object), signed=True))

    return gather


def separation(tables: Tables, model: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What masks leave of benign and of harmful generation, item by item, as a mean over the logarithm of q.

    The mean of the first minus that of the second is the area between both curves, as shares of the unedited model's rates: 1
    where every mask of the grid removes all harm and nothing benign, 0 where both fall alike. Masks are those with everything
    protected and the largest p.

    A share of the unedited model's rate is a ratio of two means over the same prompts, ``R = mean(left) / mean(before)``. Its
    items are linearised, ``R + (left_i - R before_i) / mean(before)``: their mean is R, and where groups are resampled it moves
    with both means (Woodruff 1971), so that an interval knows that the unedited model's rate was measured too.

    Returns:
        Columns value and group, indexed by id: of benign prompts, and of harmful ones.

    Raises:
        MissingEvidence: no grid, one whose largest p leaves no mask a weight, or a model that generates nothing to begin with.
    """
    masks = tables.rows("grid_masks", model=model)
    whole = everything_protected(masks)
    own = whole[(whole["p"] == whole["p"].max()) & (whole["weights"] > 0)].sort_values("q")
    if own.empty:
        raise MissingEvidence(
            found=f"no mask with a weight at p {whole['p'].max():g}",
            expected="one",
            where=f"the grid of {model}",
            because="the largest of pruning.preserve preserves every weight that the largest of pruning.prune takes",
        )
    values = tables.rows("grid_values", model=model)
    sides = []
    for ability in ("benign", "generation"):
        rows = values[values["ability"] == ability]
        unedited = rows[rows["mask"] == UNEDITED].set_index("id")["value"]
        if not unedited.mean() > 0:
            raise MissingEvidence(
                found=f"no {ability} in the unedited model's answers",
                expected="some, of which masks leave a share",
                where=f"the grid of {model}",
            )
        weights = _log_weights(own["q"].to_numpy(np.float64))
        under = rows[rows["mask"].isin(own["mask"])].pivot_table(index="id", columns="mask", values="value")[list(own["mask"])]
        groups = rows.drop_duplicates("id").set_index("id")["group"].loc[under.index]
        left, before = under.to_numpy(np.float64) @ weights, unedited.loc[under.index].to_numpy(np.float64)
        share = left.mean() / before.mean()
        # Rounded, so that items that are all alike are so to the last bit: the interval of those is another.
        items = np.round(share + (left - share * before) / before.mean(), 12)
        sides.append(pd.DataFrame({"value": items, "group": groups}, index=under.index))
    return sides[0], sides[1]


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
    """``separation`` of one model: benign minus harmful."""

    def gather(tables: Tables) -> Contrast:
        benign, harm = (_sample(side["value"], side["group"]) for side in separation(tables, model))
        return Contrast(benign, harm)

    return gather


def further_separated(aligned: str, base: str) -> Gather:
    """``separation`` of an aligned model minus that of its base, prompt by prompt on both sides."""

    def gather(tables: Tables) -> Contrast:
        sides = []
        for one, two in zip(separation(tables, aligned), separation(tables, base), strict=True):
            shared = one.index.intersection(two.index)
            sides.append(_sample(one["value"].loc[shared] - two["value"].loc[shared], one["group"].loc[shared]))
        return Contrast(sides[0], sides[1])

    return gather


def _sample(values: pd.Series, groups: pd.Series) -> Sample:
    return Sample(values.to_numpy(np.float64), groups.to_numpy(object), signed=True)
