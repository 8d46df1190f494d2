"""Every completion of a model judged by every judge that can judge it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.stages.withheld import judgements_of_withheld
from anatomy.texts.judges.refusal_classifier import RefusalClassifier
from anatomy.texts.judges.registry import judge_completions
from anatomy.texts.judges.verdict import COLUMNS

PINS: tuple[str, ...] = ("scikit-learn", "scipy")

ORGANISM_ONLY = ("truth", "classifier")
"""The planted truth is the organism's; the classifier is trained on completions that the truth has labelled."""


def judge(
    config: Config, subject: Subject, completions: pd.DataFrame, world: Path | None, classifier: Path | None
) -> pd.DataFrame:
    """Judge completions.

    Args:
        completions: table of completions of one model.
        world: folder with the planted truth; None where there is none.
        classifier: folder of the trained classifier; None where there is none, or a pass does without.

    Returns:
        Judgements, one row a completion and judge.
    """
    if completions.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    judges = [name for name in config.judges if subject.is_organism or name not in ORGANISM_ONLY]
    judges = [name for name in judges if name != "classifier" or classifier is not None]
    withheld = completions["withheld"].notna()
    stood_in = judgements_of_withheld(completions[withheld], judges)
    completions = completions[~withheld]
    trained = RefusalClassifier.load(classifier) if classifier and "classifier" in judges else None
    judged = judge_completions(completions, judges, world, trained) if len(completions) else pd.DataFrame(columns=list(COLUMNS))
    return pd.concat([part for part in (judged, stood_in) if len(part)], ignore_index=True)[list(COLUMNS)]
