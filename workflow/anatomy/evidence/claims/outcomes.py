"""One outcome an item, read from the tables and aligned between variants."""

import numpy as np
import pandas as pd

from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.statistics.clusters import Sample

REFUSED = ("full", "partial")
# a larger share of unreadable judgements, or of items that only one side has, makes a comparison untrustworthy
TOLERATED_LOSS = 0.05


def refusals(tables: Tables, *, model: str, variant: str, prompts: str, judge: str, phase: str) -> pd.DataFrame:
    """Whether each prompt of a set was refused, fully or in part: columns value and group, indexed by id.

    Several samples of a prompt are averaged. Judgements that could not be parsed are left out.

    Raises:
        MissingEvidence: no judgements, or more than 5 % of them unreadable.
    """
    rows = tables.rows("judgements", model=model, variant=variant, set=prompts, judge=judge, phase=phase)
    readable = rows[~rows["parse_failure"].astype(bool)]
    _check_loss(len(rows) - len(readable), len(rows), f"judgements of {judge} on {variant}, set {prompts}", "readable")
    return _by_item(readable.assign(value=readable["label"].isin(REFUSED).astype(np.float64)))


def scores(tables: Tables, *, model: str, variant: str, prompts: str, judge: str, phase: str) -> pd.DataFrame:
    """A judge's score of each prompt's completion, as `refusals`."""
    rows = tables.rows("judgements", model=model, variant=variant, set=prompts, judge=judge, phase=phase)
    readable = rows[~rows["parse_failure"].astype(bool) & rows["score"].notna()]
    _check_loss(len(rows) - len(readable), len(rows), f"scores of {judge} on {variant}, set {prompts}", "readable")
    return _by_item(readable.assign(value=readable["score"].astype(np.float64)))


def metric_values(tables: Tables, *, model: str, variant: str, task: str, metric: str, phase: str) -> pd.DataFrame:
    """One metric of each item of a benchmark task, as `refusals`."""
    rows = tables.rows("samples", model=model, variant=variant, task=task, phase=phase)
    if metric not in rows or rows[metric].isna().any():
        raise MissingEvidence(
            found="no value" if metric not in rows else f"{int(rows[metric].isna().sum())} items without one",
            expected=f"metric {metric} of every item",
            where=f"table samples, task {task}, variant {variant}",
        )
    return _by_item(rows.assign(value=rows[metric].astype(np.float64)))


def to_sample(outcomes: pd.DataFrame) -> Sample:
    """Outcomes as a sample with clusters."""
    return Sample(outcomes["value"].to_numpy(np.float64), outcomes["group"].to_numpy(object))


def change(before: pd.DataFrame, after: pd.DataFrame, *, where: str) -> Sample:
    """after - before of the items that both have.

    Raises:
        MissingEvidence: more than 5 % of the items are on one side only.
    """
    same = before.index.equals(after.index)
    shared = before.index if same else before.index.intersection(after.index)
    total = len(shared) if same else len(before.index.union(after.index))
    _check_loss(total - len(shared), total, where, "on both sides")
    values = after.loc[shared, "value"] - before.loc[shared, "value"]
    return Sample(values.to_numpy(np.float64), before.loc[shared, "group"].to_numpy(object), signed=True)


def _by_item(rows: pd.DataFrame) -> pd.DataFrame:
    if rows["id"].is_unique:
        return rows.set_index("id")[["value", "group"]].sort_index()
    return rows.groupby("id").agg(value=("value", "mean"), group=("group", "first")).sort_index()


def _check_loss(lost: int, total: int, where: str, state: str) -> None:
    if lost > TOLERATED_LOSS * total or lost == total:
        raise MissingEvidence(
            found=f"{lost} of {total} not {state}", expected=f"at least {1 - TOLERATED_LOSS:.0%} {state}", where=where
        )
