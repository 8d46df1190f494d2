"""Affinities of a table of texts against human references of their domains, with intervals, ceiling and agreement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from anatomy.errors import DataError
from anatomy.progress.counting import counted
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.statistics.set_measures import bootstrap_interval
from anatomy.texts.affinity.mauve import mauve, quantise
from anatomy.texts.affinity.measures import Affinity, Embed, fit_likelihood_ratio, fit_nearest_neighbour, fit_ngram_coverage
from anatomy.texts.judges.verdict import KEYS

AFFINITY_COLUMNS = (*KEYS, "group", "category", "measure", "score")
SUMMARY_COLUMNS = ("model", "variant", "category", "measure", "estimate", "low", "high", "n", "clusters", "excluded")


MAUVE_RESAMPLES = 200
FEWEST = 2
"""Groups of human texts that a domain's reference needs: nearness is relative to that of two of them."""
SINGLE = ("likelihood_ratio", "ngram_coverage", "nearest_neighbour")
"""Measures of single texts."""


def fit_affinities(human: pd.DataFrame, general: Sequence[str], embed: Embed) -> dict[str, list[Affinity]]:
    """The three measures of single texts, for each domain with enough human texts (``FEWEST`` groups).

    Args:
        human: held-out human texts (`response`, `category`, `group`) of prefixes that are not measured.
        general: texts of all domains and writers, from the training split.
        embed: for the nearest neighbour.
    """
    found: dict[str, list[Affinity]] = {}
    for category, rows in human.groupby("category"):
        texts, groups = list(rows["response"]), list(rows["group"])
        if len(set(groups)) < FEWEST:
            continue
        found[str(category)] = [
            fit_likelihood_ratio(texts, general),
            fit_ngram_coverage(texts),
            fit_nearest_neighbour(texts, groups, embed),
        ]
    return found


def affinity_table(texts: pd.DataFrame, measures: Mapping[str, Sequence[Affinity]], human: pd.DataFrame) -> pd.DataFrame:
    """Every text under every measure of its domain.

    Args:
        texts: a completions table with `category`; rows with a reason in a column `degenerate` get NaN.
        measures: by domain.
        human: the reference they were fitted on: none of its groups may be measured.

    Returns:
        Columns ``AFFINITY_COLUMNS``, sorted; NaN in a domain without measures, whose texts are excluded and counted.

    Raises:
        DataError: no domain has measures, or a group is on both sides.
    """
    if shared := sorted(set(texts["group"]) & set(human["group"])):
        raise DataError(
            found=f"group {shared[0]!r} ({len(shared)} in all) among the texts and the reference",
            expected="no prefix on both sides",
            where="human-corpus affinity",
            remedy="fit on the training split",
        )
    if not set(texts["category"]) & set(measures):
        raise DataError(
            found=f"domains {sorted(set(texts['category']))}",
            expected=f"one of {sorted(measures)} at least",
            where="human-corpus affinity",
            remedy=f"the reference needs {FEWEST} human texts in a domain",
        )
    parts = []
    grouped = texts.groupby("category")
    for category, rows in counted(grouped, "domains measured", grouped.ngroups):
        if category not in measures:
            parts += [rows[[*KEYS, "group", "category"]].assign(measure=name, score=np.nan) for name in SINGLE]
            continue
        reasons = rows["degenerate"].fillna("") if "degenerate" in rows else pd.Series("", index=rows.index)
        responses = list(rows["response"].fillna("").where(reasons == "", ""))
        for measure in measures[str(category)]:
            parts.append(rows[[*KEYS, "group", "category"]].assign(measure=measure.name, score=measure.score(responses)))
    return pd.concat(parts)[list(AFFINITY_COLUMNS)].sort_values([*KEYS, "measure"], ignore_index=True)


def affinity_summary(scores: pd.DataFrame, *, confidence: float, seed: int, resamples: int) -> pd.DataFrame:
    """Mean affinity of each model, variant, category (and ``all``) and measure, with intervals over groups; texts without a score
    are counted and left out. Columns ``SUMMARY_COLUMNS``."""
    rows = []
    keys = ["model", "variant", "category", "measure"]
    grouped = pd.concat([scores, scores.assign(category="all")]).groupby(keys, sort=True)
    for key, part in counted(grouped, "means with intervals", grouped.ngroups):
        kept = part[part["score"].notna()]
        numbers: tuple = (float("nan"),) * 3 + (0, 0)
        if len(kept):
            got = mean_interval(
                Sample(kept["score"].to_numpy(np.float64), kept["group"].to_numpy(object)),
                confidence=confidence,
                seed=seed,
                resamples=resamples,
            )
            numbers = (got.estimate, got.low, got.high, got.n, got.clusters)
        rows.append((*key, *numbers, len(part) - len(kept)))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def mauve_summary(
    texts: pd.DataFrame,
    human: pd.DataFrame,
    embed: Embed,
    *,
    confidence: float,
    seed: int,
    resamples: int = MAUVE_RESAMPLES,
    clusters: int | None = None,
) -> pd.DataFrame:
    """MAUVE of each model and variant against human texts, over all domains together; columns ``SUMMARY_COLUMNS``.

    Groups of both sides are resampled together, with the clusters held fixed. The value depends on the number of texts: variants
    must have about as many, and the ceiling (``human_halves``) has half as many.

    Args:
        human: human texts; those of the measured prefixes serve best, since sets are compared and no text with its own.
    """
    rows = []
    grouped = texts.groupby(["model", "variant"], sort=True)
    for (model, variant), part in counted(grouped, "variants compared with humans", grouped.ngroups):
        fit = part["response"].fillna("").str.strip() != ""
        if "degenerate" in part:
            fit &= part["degenerate"].fillna("") == ""
        kept = part[fit]
        if kept.empty:  # an edit that breaks every text: counted, with no value
            rows.append((model, variant, "all", "mauve", *[float("nan")] * 3, 0, 0, len(part)))
            continue
        left, right, k = quantise(embed(list(human["response"])), embed(list(kept["response"])), seed=seed, clusters=clusters)
        statistic = _resampled(left, right, k)
        got = bootstrap_interval(
            [*human["group"], *kept["group"]], statistic, confidence=confidence, seed=seed, resamples=resamples
        )
        rows.append(
            (model, variant, "all", "mauve", got.estimate, got.low, got.high, len(kept), got.clusters, len(part) - len(kept))
        )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _resampled(left: np.ndarray, right: np.ndarray, clusters: int) -> Callable[[np.ndarray], float]:
    def statistic(rows: np.ndarray) -> float:
        human, machine = left[rows[rows < len(left)]], right[rows[rows >= len(left)] - len(left)]
        # A resample may hold groups of one side only where groups are few and not paired; it says nothing.
        return mauve(human, machine, clusters) if len(human) and len(machine) else 0.0

    return statistic


def agreement(summary: pd.DataFrame, by: Sequence[str] = ("model", "variant")) -> pd.DataFrame:
    """Spearman rank correlation of each two measures over what they were taken of (variants, or variants and domains).

    Returns:
        Columns `first, second, spearman, n`; NaN with fewer than three values or a constant measure.
    """
    from scipy.stats import spearmanr

    wide = summary.pivot_table(index=list(by), columns="measure", values="estimate")
    rows = []
    for first, second in combinations(wide.columns, 2):
        both = wide[[first, second]].dropna()
        enough = len(both) >= 3 and both.nunique().min() > 1
        rows.append((first, second, float(spearmanr(both[first], both[second]).statistic) if enough else float("nan"), len(both)))
    return pd.DataFrame(rows, columns=["first", "second", "spearman", "n"])
