"""Train the refusal classifier of an organism's family: on its answers to training prompts, labelled by the planted truth."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pandas as pd

from anatomy.texts.judges.refusal_classifier import train_refusal_classifier
from anatomy.texts.judges.registry import judge_completions

PINS: tuple[str, ...] = ("scikit-learn", "scipy")

SEED = 0


class ClassifierCard(TypedDict):
    """What a classifier was trained on: rows, their labels, the classes it knows, the regularisation that was chosen."""

    rows: int
    labels: dict[str, int]
    classes: list[str]
    strength: float
    seed: int


def train(completions: pd.DataFrame, world: Path, folder: Path) -> ClassifierCard:
    """Train and write the classifier.

    Args:
        completions: unedited models' answers; only those to prompts of the fit split are used.
        world: folder with the planted truth.
        folder: where the classifier goes.

    Returns:
        A card: rows used, labels, the regularisation chosen.
    """
    rows = completions[completions["phase"] == "fit"]
    truth = judge_completions(rows, ["truth"], world)
    truth = truth[truth["judge"] == "truth"]
    keys = ["model", "variant", "phase", "set", "id", "sample"]
    labelled = rows.merge(truth[[*keys, "label"]], on=keys, suffixes=("_prompt", ""), validate="one_to_one")
    classifier = train_refusal_classifier(labelled, "label", SEED)
    classifier.save(folder)
    return {
        "rows": len(labelled),
        "labels": labelled["label"].value_counts().to_dict(),
        "classes": list(classifier.classes),
        "strength": classifier.strength,
        "seed": SEED,
    }
