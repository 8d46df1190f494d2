"""Pairs of variants under a pairwise judge: both orders asked, put together, and how often the orders disagree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from anatomy.errors import DataError
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.texts.judges.model_judges.pairwise import FIRST, SECOND, TIE

LEFT, RIGHT, SPLIT, FAILED = "left", "right", "orders disagree", "parse failure"
PAIR_KEYS = ("model", "phase", "set", "id", "sample", "group", "category", "left", "right", "rubric")
SUMMARY_COLUMNS = ("model", "left", "right", "rubric", "category", "measure", "estimate", "low", "high", "n", "clusters")


def pair_questions(
    texts: pd.DataFrame, prefixes: pd.DataFrame, pairings: Sequence[tuple[str, str]], rubrics: Sequence[str]
) -> pd.DataFrame:
    """Every question that a pairwise judge is asked: each pair, rubric and order.

    Args:
        texts: completions with `category`; empty ones, and those with a reason in a column `degenerate`, are left out.
        prefixes: prompt table with `id` and the prefix in `prompt`.
        pairings: (left variant, right variant).

    Returns:
        Columns ``PAIR_KEYS``, `order` (1: left stands first), `prefix, first, second`.

    Raises:
        DataError: a variant without texts.
    """
    fit = texts["response"].fillna("").str.strip() != ""
    if "degenerate" in texts:
        fit &= texts["degenerate"].fillna("") == ""
    keys = ["model", "phase", "set", "id", "sample", "group", "category"]
    named = prefixes.set_index("id")["prompt"]
    parts = []
    for left, right in pairings:
        sides = [texts[fit & (texts["variant"] == variant)][[*keys, "response"]] for variant in (left, right)]
        if empty := [name for name, side in zip((left, right), sides, strict=True) if side.empty]:
            raise DataError(
                found=f"no text of {empty[0]!r} that can be judged", expected="texts of both variants", where="the pairwise judge"
            )
        # A human text belongs to no model and pairs with every model's; the pair bears the left side's name.
        on = [key for key in keys if key != "model"] if set(sides[0]["model"]) != set(sides[1]["model"]) else keys
        others = sides[1].drop(columns=[key for key in keys if key not in on])
        both = sides[0].merge(others, on=on, validate="one_to_one" if on == keys else None)
        both = both.assign(left=left, right=right, prefix=both["id"].map(named))
        for rubric in rubrics:
            for order, (first, second) in ((1, ("response_x", "response_y")), (2, ("response_y", "response_x"))):
                parts.append(both.assign(rubric=rubric, order=order, first=both[first], second=both[second]))
    return pd.concat(parts, ignore_index=True)[[*PAIR_KEYS, "order", "prefix", "first", "second"]]


def pair_verdicts(answers: pd.DataFrame) -> pd.DataFrame:
    """One verdict a pair and rubric from the answers in both orders.

    Args:
        answers: ``pair_questions`` with the judge's `label` (first, second, tie, or missing), `score` (preference for the first
            shown), `parse_failure`.

    Returns:
        Columns ``PAIR_KEYS``, `verdict` (left, right, tie; ``orders disagree`` where one order says one text and the other order
        another; ``parse failure`` where an order could not be read: a class of its own), `score` (preference for left, the mean
        of both orders; NaN where an order has none).

    Raises:
        DataError: a pair without one answer in each order.
    """
    rows = []
    for key, both in answers.groupby(list(PAIR_KEYS), sort=True):
        if sorted(both["order"]) != [1, 2]:
            raise DataError(
                found=f"orders {sorted(both['order'])}", expected="one answer in each of orders 1 and 2", where=f"pair {key}"
            )
        said, scores = [], []
        for row in both.sort_values("order").itertuples():
            means = {FIRST: (LEFT, RIGHT), SECOND: (RIGHT, LEFT), TIE: (TIE, TIE)}
            said.append(FAILED if row.parse_failure else means[row.label][row.order - 1])
            scores.append(row.score if row.order == 1 else 1 - row.score)
        verdict = FAILED if FAILED in said else said[0] if said[0] == said[1] else SPLIT
        rows.append((*key, verdict, float(np.mean(scores)) if FAILED not in said else float("nan")))
    return pd.DataFrame(rows, columns=[*PAIR_KEYS, "verdict", "score"])


def pair_summary(verdicts: pd.DataFrame, *, confidence: float, seed: int, resamples: int) -> pd.DataFrame:
    """Shares of each pairing and rubric over prefixes, with intervals over groups.

    Returns:
        Columns ``SUMMARY_COLUMNS``; category ``all`` and each domain; measures `left wins` (ties and disagreeing orders count
        half: a judge that follows the order alone says nothing), `orders disagree`, both among what could be read, `score` (mean
        preference for left), and `parse failure` among all.
    """
    rows = []
    everything = pd.concat([verdicts, verdicts.assign(category="all")])
    for key, part in everything.groupby(["model", "left", "right", "rubric", "category"], sort=True):
        read = part[part["verdict"] != FAILED]
        wins = read["verdict"].map({LEFT: 1.0, RIGHT: 0.0}).fillna(0.5)
        scored = read[read["score"].notna()]
        measures = {
            "left wins": (wins, read),
            SPLIT: ((read["verdict"] == SPLIT).astype(float), read),
            "score": (scored["score"], scored),
            FAILED: ((part["verdict"] == FAILED).astype(float), part),
        }
        for name, (values, of) in measures.items():
            if not len(of):
                rows.append((*key, name, *(float("nan"),) * 3, 0, 0))
                continue
            got = mean_interval(
                Sample(values.to_numpy(np.float64), of["group"].to_numpy(object)),
                confidence=confidence,
                seed=seed,
                resamples=resamples,
            )
            rows.append((*key, name, got.estimate, got.low, got.high, got.n, got.clusters))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
