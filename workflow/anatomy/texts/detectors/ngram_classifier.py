"""A detector that is no language model: n-grams of words and characters, and logistic regression.

Ours. It is trained on texts of other models or other prefixes than it judges: on the organism on the family of another seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from anatomy.errors import DataError
from anatomy.texts.detectors.detection import EMPTY, NAN, Detection

FEATURES = (
    {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)[\w']+|[^\w\s]", "max_features": 4000},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "max_features": 4000},
)
STRENGTHS = (0.1, 1.0, 10.0)
FOLDS = 4


@dataclass(frozen=True)
class NgramClassifier:
    """A trained pipeline: its score is the logit of the machine class, flagged above 0.

    Attributes:
        pipeline: of scikit-learn, from texts to a probability.
        strength: inverse regularisation that cross-validation chose.
        loss: log loss in cross-validation, nats, classes weighted alike; ln 2 is chance.
    """

    pipeline: Any
    strength: float
    loss: float
    name: str = "ngrams"

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """One detection a text, in order."""
        kept = [text.strip() for text in texts if text.strip()]
        logits = iter(self.pipeline.decision_function(kept) if kept else [])
        found = []
        for text in texts:
            if not text.strip():
                found.append(Detection(NAN, excluded=EMPTY))
                continue
            logit = float(next(logits))
            found.append(Detection(logit, float(1 / (1 + np.exp(-logit))), logit > 0))
        return found


def train_ngram_classifier(
    human: Sequence[str], machine: Sequence[str], human_groups: Sequence[str], machine_groups: Sequence[str], *, seed: int
) -> NgramClassifier:
    """Train on texts whose writer is known; the same texts and seed give the same classifier.

    Args:
        human_groups, machine_groups: what texts belong together (the prefix's group): folds keep them on one side.

    Raises:
        DataError: fewer than two groups, or a side without texts.
    """
    from sklearn.model_selection import GroupKFold

    texts = [text.strip() for text in (*human, *machine)]
    labels = np.repeat([0, 1], [len(human), len(machine)])
    groups = np.array([*human_groups, *machine_groups], dtype=object)
    if not human or not machine or len(set(groups)) < 2:
        raise DataError(
            found=f"{len(human)} human and {len(machine)} machine texts in {len(set(groups))} groups",
            expected="texts of both, in at least 2 groups",
            where="the texts that an n-gram classifier is trained on",
            remedy="look at the texts of the fit split: empty, short and looping ones are left out",
        )
    losses = np.zeros(len(STRENGTHS))
    held_out = np.zeros((len(STRENGTHS), len(texts)))
    for train, held in GroupKFold(min(FOLDS, len(set(groups))), shuffle=True, random_state=seed).split(texts, labels, groups):
        if len(set(labels[train])) < 2:
            raise DataError(
                found="a fold without texts of one side",
                expected="groups that hold both sides, or many groups",
                where="the texts that an n-gram classifier is trained on",
                remedy="pair human and machine texts by prefix",
            )
        for place, strength in enumerate(STRENGTHS):
            model = _pipeline(strength).fit([texts[i] for i in train], labels[train])
            held_out[place, held] = model.predict_proba([texts[i] for i in held])[np.arange(len(held)), labels[held]]
    logs = -np.log(np.maximum(held_out, 1e-12))
    losses = np.mean([logs[:, labels == side].mean(axis=1) for side in (0, 1)], axis=0)
    best = int(losses.argmin())
    return NgramClassifier(_pipeline(STRENGTHS[best]).fit(texts, labels), STRENGTHS[best], float(losses[best]))


def _pipeline(strength: float) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(*(TfidfVectorizer(**options, sublinear_tf=True) for options in FEATURES))
    return make_pipeline(features, LogisticRegression(C=strength, class_weight="balanced", max_iter=1000))
