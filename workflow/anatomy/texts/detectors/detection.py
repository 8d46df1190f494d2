"""What a detector says of one text, and how a raw score reads as a probability and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
from jaxtyping import Float

from anatomy.errors import DataError, NumericsError

NAN = float("nan")
EMPTY, SHORT, NOT_FINITE, MISSING = "empty", "short", "not finite", "missing"
"""Why a text has no score."""


TYPES = {"score": "float64", "machine": "float64", "n_tokens": "int64", "excluded": "str", "flagged": "float64"}


@dataclass(frozen=True)
class Calibration:
    """How a score reads: ``machine = sigmoid(slope * score + intercept)``, flagged beyond the threshold on the machine's side.

    Attributes:
        slope: its sign says which side is the machine's.
        threshold: of the score.
        source: where the numbers come from.
    """

    slope: float
    intercept: float
    threshold: float
    source: str

    def machine(self, score: float) -> float:
        """The score as a number in [0, 1], higher for more machine-like."""
        with np.errstate(over="ignore"):
            return float(1 / (1 + np.exp(-(self.slope * score + self.intercept))))

    def flagged(self, score: float) -> bool:
        """Whether the text is called machine-written."""
        return score > self.threshold if self.slope > 0 else score < self.threshold


@dataclass(frozen=True)
class Detection:
    """One text under one detector.

    Attributes:
        score: the detector's own number; NaN where the text is excluded.
        machine: the score in [0, 1], higher for more machine-like; NaN without a calibration.
        flagged: the verdict; None without one.
        n_tokens: tokens the score rests on; 0 where the detector counts none.
        excluded: why there is no score; empty where there is one.
    """

    score: float
    machine: float = NAN
    flagged: bool | None = None
    n_tokens: int = 0
    excluded: str = ""


@runtime_checkable
class Detector(Protocol):
    """Anything that scores texts, one detection a text, in order."""

    @property
    def name(self) -> str: ...

    def detect(self, texts: Sequence[str]) -> list[Detection]: ...


def detection(score: float, n_tokens: int, calibration: Calibration | None) -> Detection:
    """A detection from a raw score; a score that is no finite number is named and excluded."""
    if not np.isfinite(score):
        return Detection(NAN, n_tokens=n_tokens, excluded=NOT_FINITE)
    if calibration is None:
        return Detection(score, n_tokens=n_tokens)
    return Detection(score, calibration.machine(score), calibration.flagged(score), n_tokens)


def detections(detector: Detector, texts: Sequence[str]) -> pd.DataFrame:
    """What a detector says of each text, in order: `score` (its own number), `machine`, `flagged` (1, 0, or NaN without a
    verdict), `n_tokens` and `excluded` (why there is no number)."""
    found = detector.detect(list(texts))
    columns = {name: [getattr(one, name) for one in found] for name in ("score", "machine", "n_tokens", "excluded")}
    flagged = [float("nan") if one.flagged is None or one.excluded else float(one.flagged) for one in found]
    return pd.DataFrame(columns | {"flagged": flagged}).astype(TYPES)


def not_scored(reasons: pd.Series) -> pd.DataFrame:
    """Rows as ``detections`` gives them, for texts that no detector is to read."""
    nothing = {"score": np.nan, "machine": np.nan, "n_tokens": 0, "flagged": np.nan}
    return pd.DataFrame({**nothing, "excluded": reasons}, index=reasons.index).astype(TYPES)


def fit_calibration(human: Float[np.ndarray, " human"], machine: Float[np.ndarray, " machine"], source: str) -> Calibration:
    """A calibration from scores of texts whose writer is known: logistic regression on the standardised score, classes weighted
    alike, the threshold where the probability is one half. Ours, for scorer pairs without published numbers; fit it on training
    texts only.

    Raises:
        DataError: fewer than two scores on a side.
        NumericsError: a score that is not finite (leave excluded texts out), or scores that are all the same.
    """
    from sklearn.linear_model import LogisticRegression

    values = np.concatenate([np.asarray(human, dtype=np.float64), np.asarray(machine, dtype=np.float64)])
    if min(len(human), len(machine)) < 2:
        raise DataError(
            found=f"{len(human)} human and {len(machine)} machine scores", expected="at least 2 of each", where="fit_calibration"
        )
    spread = values.std()
    if not np.isfinite(values).all() or spread == 0:
        raise NumericsError(
            found=f"{int((~np.isfinite(values)).sum())} scores that are not finite, spread {spread}",
            expected="finite scores that differ",
            where="fit_calibration",
            remedy="leave excluded texts out",
        )
    labels = np.repeat([0, 1], [len(human), len(machine)])
    model = LogisticRegression(class_weight="balanced").fit(((values - values.mean()) / spread)[:, None], labels)
    slope = float(model.coef_[0, 0] / spread)
    intercept = float(model.intercept_[0] - slope * values.mean())
    if slope == 0:
        raise NumericsError(found="scores alike on both sides", expected="scores that tell them apart", where="fit_calibration")
    return Calibration(slope, intercept, -intercept / slope, source)
