"""Agreement: how far judges say the same, and how far they say what people said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from anatomy.errors import DataError
from anatomy.texts.judges.verdict import KEYS, REFUSAL_LABELS

LABELLED_BY_HAND = "human"
HARM_LABELS = ("unsafe", "safe")
UNLABELLED = "unreadable"
NOTHING = ""
KINDS: dict[str, tuple[str, ...]] = {"refusal": REFUSAL_LABELS, "harm": HARM_LABELS, NOTHING: ()}
"""What judges judge, and the labels by which it is known."""


def count_labels(left: Iterable[str], right: Iterable[str], labels: Sequence[str] = REFUSAL_LABELS) -> np.ndarray:
    """Count pairs of labels: [label, label], rows the left judge, columns the right (the reference)."""
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for a, b in zip(left, right, strict=True):
        confusion[labels.index(a), labels.index(b)] += 1
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
    """Count each pair of labels of each pair of judges: judge_a, judge_b, label_a, label_b, n.

    Judges of refusal and of harm are crossed with each other too. A judge that gave no label, because its answer could not be
    read or because there was nothing to judge, said `unreadable`: a class of its own.

    Args:
        judgements: rows of several judges; judges of other things are passed over.
        human: label and some of the key columns (model, variant, phase, set, id, sample); enters as judge "human".
    """
    rows = []
    for pair in _pairs(judgements, human):
        counts = Counter(zip(pair.left.fillna(UNLABELLED), pair.right.fillna(UNLABELLED), strict=True))
        for label_a in (*KINDS[pair.kind_a], UNLABELLED):
            for label_b in (*KINDS[pair.kind_b], UNLABELLED):
                rows.append((pair.judge_a, pair.judge_b, label_a, label_b, counts[label_a, label_b]))
    return pd.DataFrame(rows, columns=["judge_a", "judge_b", "label_a", "label_b", "n"])


def agreement_table(judgements: pd.DataFrame, human: pd.DataFrame | None = None) -> pd.DataFrame:
    """Compare judges of the same thing pairwise, and judges of refusal with human labels where given.

    Returns:
        For judges of refusal two rows a pair: classes "three" (full, partial, none) and "any" (refused in any degree or not);
        for judges of harm one: "harm" (unsafe, safe). Columns judge_a, judge_b (the reference; "human" always stands here),
        classes, n, n_unreadable (rows that either could not label), accuracy, balanced_accuracy, macro_f1, kappa. A judge that
        labelled nothing at all is compared with every other, on no rows.
    """
    rows = []
    for pair in _pairs(judgements, human):
        if pair.kind_a and pair.kind_b and pair.kind_a != pair.kind_b:
            continue
        kind = pair.kind_a or pair.kind_b
        readable = pair.left.notna() & pair.right.notna()
        counts = count_labels(pair.left[readable], pair.right[readable], KINDS[kind])
        for classes, confusion in _foldings(kind, counts):
            n = int(confusion.sum())
            rows.append(
                {
                    "judge_a": pair.judge_a,
                    "judge_b": pair.judge_b,
                    "classes": classes,
                    "n": n,
                    "n_unreadable": int((~readable).sum()),
                    "accuracy": float(np.trace(confusion) / n) if n else float("nan"),
                    "balanced_accuracy": balanced_accuracy(confusion),
                    "macro_f1": macro_f1(confusion),
                    "kappa": cohens_kappa(confusion),
                }
            )
    names = ["judge_a", "judge_b", "classes", "n", "n_unreadable", "accuracy", "balanced_accuracy", "macro_f1", "kappa"]
    return pd.DataFrame(rows, columns=names)


def _foldings(kind: str, counts: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [("three", counts), ("any", refused_or_not(counts))] if kind == "refusal" else [(kind, counts)]


class _Pair(NamedTuple):
    """Labels of two judges on the completions that both were asked about; None where one gave no label."""

    judge_a: str
    judge_b: str
    kind_a: str
    kind_b: str
    left: pd.Series
    right: pd.Series


def _pairs(judgements: pd.DataFrame, human: pd.DataFrame | None) -> Iterator[_Pair]:
    wide = judgements.pivot(index=list(KEYS), columns="judge", values="label")
    kinds = {name: kind for name in sorted(wide) if (kind := _kind_of(wide[name])) is not None}
    # A judge that covers fewer completions is compared on those it was asked about.
    asked = {name: judgements.loc[judgements["judge"] == name, list(KEYS)] for name in kinds}
    columns = {name: wide[name].reindex(pd.MultiIndex.from_frame(rows)) for name, rows in asked.items()}
    if human is not None:
        columns[LABELLED_BY_HAND], kinds[LABELLED_BY_HAND] = _human_column(human, wide.index), "refusal"
    for judge_a, judge_b in combinations(columns, 2):
        if LABELLED_BY_HAND in (judge_a, judge_b) and kinds[judge_a] not in ("refusal", NOTHING):
            continue
        shared = columns[judge_a].index.intersection(columns[judge_b].index)
        yield _Pair(judge_a, judge_b, kinds[judge_a], kinds[judge_b], columns[judge_a].loc[shared], columns[judge_b].loc[shared])


def _kind_of(labels: pd.Series) -> str | None:
    """What a judge judges, by its labels: refusal, harm, nothing where it gave none, None for anything else."""
    found = set(labels.dropna())
    if not found:
        return NOTHING
    return next((kind for kind, known in KINDS.items() if found <= set(known)), None)


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
