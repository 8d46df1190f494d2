"""Diversity, markers and length of each model and variant, with intervals over groups."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from anatomy.progress.counting import counted
from anatomy.statistics.clusters import Sample
from anatomy.statistics.intervals import mean_interval
from anatomy.statistics.set_measures import Statistic, jackknife_interval
from anatomy.texts.diversity.compression import compression_ratio
from anatomy.texts.diversity.distinct import distinct_n
from anatomy.texts.diversity.length import first_words, sentence_count, word_count
from anatomy.texts.diversity.self_bleu import self_bleu_scores
from anatomy.texts.diversity.style_markers import StyleMarkers
from anatomy.texts.judges.verdict import KEYS

STYLE_COLUMNS = (*KEYS, "group", "category", "measure", "score")
SUMMARY_COLUMNS = ("model", "variant", "category", "measure", "estimate", "low", "high", "n", "clusters", "excluded")
DISTINCT = (1, 2, 3)


def style_table(texts: pd.DataFrame, markers: StyleMarkers) -> pd.DataFrame:
    """Length and markers of every text: measures `words`, `sentences`, `opened` (0/1), `markers` and `markers_<kind>`.

    Returns:
        Columns ``STYLE_COLUMNS``, sorted. Degenerate texts are measured too: their shortness is a finding.
    """
    rows, texts = [], texts.reset_index(drop=True)
    responses = zip(texts.index, texts["response"].fillna(""), strict=True)
    for place, text in counted(responses, "texts searched for style", len(texts)):
        counts = markers.counts(text)
        kinds = {f"markers_{kind}": n for kind, n in counts.items()}
        measured = {
            "words": word_count(text),
            "sentences": sentence_count(text),
            "opened": int(counts.get("opener", 0) > 0),
            "markers": sum(counts.values()),
            **kinds,
        }
        rows += [(place, name, float(value)) for name, value in measured.items()]
    long = pd.DataFrame(rows, columns=["place", "measure", "score"]).set_index("place")
    return texts[[*KEYS, "group", "category"]].join(long)[list(STYLE_COLUMNS)].sort_values([*KEYS, "measure"], ignore_index=True)


def style_summary(scores: pd.DataFrame, *, confidence: float, seed: int, resamples: int) -> pd.DataFrame:
    """Means of ``style_table`` by model, variant, category (and ``all``) and measure; columns ``SUMMARY_COLUMNS``."""
    rows = []
    keys = ["model", "variant", "category", "measure"]
    grouped = pd.concat([scores, scores.assign(category="all")]).groupby(keys, sort=True)
    for key, part in counted(grouped, "means of style", grouped.ngroups):
        got = mean_interval(
            Sample(part["score"].to_numpy(np.float64), part["group"].to_numpy(object)),
            confidence=confidence,
            seed=seed,
            resamples=resamples,
        )
        rows.append((*key, got.estimate, got.low, got.high, got.n, got.clusters, 0))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def diversity_summary(texts: pd.DataFrame, *, confidence: float, seed: int, cut: int | None = None) -> pd.DataFrame:
    """Diversity of each model, variant and category (and ``all``): `distinct_1..3`, `self_bleu`, `compression_ratio`.

    Args:
        cut: words to which every text is cut first, so that shorter texts do not look more diverse; None: whole texts.

    Returns:
        Columns ``SUMMARY_COLUMNS``; intervals leave out one group at a time (``jackknife_interval`` says why). Texts that are
        degenerate or empty are counted and left out. Cells with fewer than three groups have no interval (NaN).
    """
    rows = []
    everything = pd.concat([texts, texts.assign(category="all")])
    grouped = everything.groupby(["model", "variant", "category"], sort=True)
    for key, part in counted(grouped, "sets of texts compared with themselves", grouped.ngroups):
        fit = part["response"].fillna("").str.strip() != ""
        if "degenerate" in part:
            fit &= part["degenerate"].fillna("") == ""
        kept = part[fit]
        responses = [first_words(text, cut) if cut else text for text in kept["response"]]
        groups = list(kept["group"])
        bleu = self_bleu_scores(responses, seed=seed)
        measures = {f"distinct_{n}": _of_rows(partial(distinct_n, n=n), responses) for n in DISTINCT}
        measures["compression_ratio"] = _of_rows(compression_ratio, responses)
        # Leaving a group out changes the references of the others little: its own scores are what is left out.
        measures["self_bleu"] = partial(_mean_of, bleu)
        for name, statistic in measures.items():
            numbers: tuple = (float("nan"),) * 3 + (len(kept), len(set(groups)))
            if len(set(groups)) >= 3:
                got = jackknife_interval(groups, statistic, confidence=confidence)
                numbers = (got.estimate, got.low, got.high, got.n, got.clusters)
            rows.append((*key, name, *numbers, len(part) - len(kept)))
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def _of_rows(measure: Callable[[list[str]], float], texts: list[str]) -> Statistic:
    """A measure of texts as one of their places."""
    return lambda rows: measure([texts[row] for row in rows])


def _mean_of(scores: Float[np.ndarray, " text"], rows: Int[np.ndarray, " row"]) -> float:
    return float(np.nanmean(scores[rows]))
