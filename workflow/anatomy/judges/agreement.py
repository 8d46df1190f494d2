"""Agreement: how far judges say the same, and how far they say what people said."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from anatomy.errors import DataError
from anatomy.judges.verdict import KEYS, REFUSAL_LABELS

HUMAN = "human"


def count_labels(left: Iterable[str], right: Iterable[str]) -> np.ndarray:
    """Count pairs of refusal labels: [3, 3], rows the left judge, columns the right (the reference)."""
    confusion = np.zeros((3, 3), dtype=np.int64)
    for a, b in zip(left, right, strict=True):
        confusion[REFUSAL_LABELS.index(a), REFUSAL_LABELS.index(b)] += 1
    return confusion


def refused_or_not(confusion: np.ndarray) -> np.ndarray:
    """Fold the [3, 3] counts into [2, 2]: refused in any degree, or not."""
    rows = np.stack([confusion[:2].sum(0), confusion[2]])
    return np.stack([rows[:, :2].sum(1), rows[:, 2]], axis=1)


def cohens_kappa(confusion: np.ndarray) -> float:
    """Return (p_o - p_e) / (1 - p_e) of a square table of counts (Cohen 1960); NaN where p_e is 1 or n is 0."""
    total = confusion.sum()
    if total == 0:
        return float("nan")
    observed = np.trace(confusion) / total
    expected = float(confusion.sum(0) @ confusion.sum(1)) / total**2
    return float("nan") if expected == 1 else float((observed - expected) / (1 - expected))


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Return the mean recall over the classes that occur in the reference (columns)."""
    totals = confusion.sum(0)
    present = totals > 0
    return float(np.mean(np.diag(confusion)[present] / totals[present])) if present.any() else float("nan")


def macro_f1(confusion: np.ndarray) -> float:
    """Return the mean of 2 TP / (2 TP + FP + FN) over the classes that occur on either side."""
    both = confusion.sum(0) + confusion.sum(1)
    present = both > 0
    return float(np.mean(2 * np.diag(confusion)[present] / both[present])) if present.any() else float("nan")


def confusion_table(judgements: pd.DataFrame, human: pd.DataFrame | None = None) -> pd.DataFrame:
    """Count each pair of labels of each pair of refusal judges: judge_a, judge_b, label_a, label_b, n.

    Args:
        judgements: rows of several judges; judges of other things than refusal are passed over.
        human: label and some of the key columns (model, variant, phase, set, id, sample); enters as judge "human".
    """
    rows = []
    for judge_a, judge_b, confusion, _ in _confusions(judgements, human):
        for (i, label_a), (j, label_b) in ((a, b) for a in enumerate(REFUSAL_LABELS) for b in enumerate(REFUSAL_LABELS)):
            rows.append((judge_a, judge_b, label_a, label_b, int(confusion[i, j])))
    return pd.DataFrame(rows, columns=["judge_a", "judge_b", "label_a", "label_b", "n"])


def agreement_table(judgements: pd.DataFrame, human: pd.DataFrame | None = None) -> pd.DataFrame:
    """Compare refusal judges pairwise, and with human labels where given.

    Returns:
        Two rows a pair: classes "three" (full, partial, none) and "any" (refused in any degree or not). Columns judge_a,
        judge_b (the reference; "human" always stands here), classes, n, n_unreadable (rows that either could not
        label), accuracy, balanced_accuracy, macro_f1, kappa.
    """
    rows = []
    for judge_a, judge_b, confusion, n_unreadable in _confusions(judgements, human):
        for classes, counts in (("three", confusion), ("any", refused_or_not(confusion))):
            n = int(counts.sum())
            rows.append(
                {
                    "judge_a": judge_a,
                    "judge_b": judge_b,
                    "classes": classes,
                    "n": n,
                    "n_unreadable": n_unreadable,
                    "accuracy": float(np.trace(counts) / n) if n else float("nan"),
                    "balanced_accuracy": balanced_accuracy(counts),
                    "macro_f1": macro_f1(counts),
                    "kappa": cohens_kappa(counts),
                }
            )
    names = ["judge_a", "judge_b", "classes", "n", "n_unreadable", "accuracy", "balanced_accuracy", "macro_f1", "kappa"]
    return pd.DataFrame(rows, columns=names)


def _confusions(judgements: pd.DataFrame, human: pd.DataFrame | None):
    wide = judgements.pivot(index=list(KEYS), columns="judge", values="label")
    judges = sorted(name for name in wide if set(wide[name].dropna()) <= set(REFUSAL_LABELS) and wide[name].notna().any())
    # A judge that covers fewer completions is compared on those it was asked about.
    asked = {name: judgements.loc[judgements["judge"] == name, list(KEYS)] for name in judges}
    index_of = {name: pd.MultiIndex.from_frame(rows) for name, rows in asked.items()}
    columns = {name: wide[name].reindex(index_of[name]) for name in judges}
    if human is not None:
        columns[HUMAN] = _human_column(human, wide.index)
    for judge_a, judge_b in combinations(columns, 2):
        shared = columns[judge_a].index.intersection(columns[judge_b].index)
        left, right = columns[judge_a].loc[shared], columns[judge_b].loc[shared]
        readable = left.isin(REFUSAL_LABELS) & right.isin(REFUSAL_LABELS)
        confusion = count_labels(left[readable], right[readable])
        yield judge_a, judge_b, confusion, int((~readable).sum())


def _human_column(human: pd.DataFrame, index: pd.MultiIndex) -> pd.Series:
    keys = [name for name in KEYS if name in human]
    wrong = sorted(set(human["label"].dropna()) - set(REFUSAL_LABELS))
    if not keys or wrong or human.duplicated(keys).any():
        raise DataError(
            found=f"key columns {keys}, other labels {wrong}" + (", repeated keys" if keys and not wrong else ""),
            expected=f"label ({', '.join(REFUSAL_LABELS)}) and some of {KEYS}, each combination once",
            where="the human labels",
        )
    completions = index.to_frame(index=False)
    labelled = completions.merge(human[[*keys, "label"]], on=keys, how="inner")
    return pd.Series(labelled["label"].to_numpy(object), index=pd.MultiIndex.from_frame(labelled[list(KEYS)]))
