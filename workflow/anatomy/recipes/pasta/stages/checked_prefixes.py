"""Human prefixes checked as soon as they are read: every one goes on, and in a domain that there is a wording for."""

from __future__ import annotations

import pandas as pd

from anatomy.errors import DataError
from anatomy.texts.continuations.post_processing import PUBLISHED_RULES, post_process
from anatomy.texts.continuations.strategies import WORDINGS

PINS: tuple[str, ...] = ()

FEWEST = 2
"""Texts of humans without which no detector can be fitted."""


def check(table: pd.DataFrame, where: str) -> None:
    """Refuse prefixes that no model could be asked to continue, or whose continuation nothing could be compared with.

    Args:
        table: prompt table; ``prompt`` is the prefix, ``response`` the human's own continuation, ``category`` the domain.
        where: the set and its files, for messages.

    Raises:
        DataError: a domain without a wording, or a prefix without a continuation; with the first such row. Or hardly any
            continuation that is long enough to be measured.
    """
    unknown = table[~table["category"].isin(WORDINGS)]
    if len(unknown):
        counts = ", ".join(f"{domain!r} ({rows})" for domain, rows in unknown["category"].value_counts().items())
        raise DataError(
            found=f"{len(unknown)} prefixes of other domains: {counts}",
            expected=f"one of {', '.join(sorted(WORDINGS))} in the column that `category` is mapped to",
            where=f"{where}, first in {unknown['id'].iloc[0]}",
            remedy="call each domain by the nearest of these, or leave its rows out",
        )
    require_continuations(table, where)
    reasons = post_process(table[["response"]], PUBLISHED_RULES)["degenerate"]
    if (reasons == "").sum() < FEWEST:
        counts = ", ".join(f"{reason} ({rows})" for reason, rows in reasons[reasons != ""].value_counts().items())
        raise DataError(
            found=f"{(reasons == '').sum()} of {len(table)} continuations that can be measured; the others are {counts}",
            expected=f"at least {FEWEST} of {PUBLISHED_RULES.shortest} characters up to the end of a sentence, without loops",
            where=where,
            remedy="let each row's continuation go on for longer: detectors learn what humans write from them",
        )


def require_continuations(table: pd.DataFrame, where: str) -> None:
    """Refuse prefixes of which nobody knows how the human went on.

    Raises:
        DataError: with the first such row.
    """
    empty = table[table["response"].fillna("").str.strip() == ""]
    if len(empty):
        raise DataError(
            found=f"{len(empty)} prefixes without a continuation",
            expected="how the human went on",
            where=f"{where}, first in {empty['id'].iloc[0]}",
            remedy="leave these prefixes out",
        )
