"""Conditional probability curvature: Fast-DetectGPT, and ImBD, which takes it under a scorer tuned for style.

Fast-DetectGPT (Bao et al. 2024, arXiv 2310.05130, equations 2 to 4 in their analytic form):

    d(x) = (log p(x) - mu) / sigma,    mu = sum_t sum_v q(v) log p(v),    sigma^2 = sum_t Var_{v ~ q_t} log p(v)

with the sampling model ``q`` and the scoring model ``p``. Higher is more machine-like. ImBD (Chen et al. 2024, arXiv 2412.10432)
is the same number with ``q = p``, a model tuned to prefer machine style (a LoRA on gpt-neo-2.7B; ``open_scorer(adapter=...)``).
Its released probability counts neighbours among scores that are not published with it, so it needs a calibration of one's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from anatomy.texts.detectors.detection import NAN, Calibration, Detection, detection
from anatomy.texts.detectors.pair import PairStatistics, Reading, ScorerPair, pair_statistics

PUBLISHED = {
    ("gpt-j-6B", "gpt-neo-2.7B"): (1.87, -2.19),
    ("gpt-neo-2.7B", "gpt-neo-2.7B"): (1.97, -1.47),
    ("falcon-7b", "falcon-7b-instruct"): (2.42, -2.83),
}
"""(sampling, scoring) to the slope and intercept of the probability, from the released code of Fast-DetectGPT."""


def published_calibration(sampling: str, scoring: str) -> Calibration:
    """The released mapping of a pair to a probability, with the decision at one half.

    Raises:
        KeyError: a pair without published numbers; fit a calibration then.
    """
    slope, intercept = PUBLISHED[sampling, scoring]
    return Calibration(slope, intercept, -intercept / slope, "Fast-DetectGPT, released code")


def curvature(statistics: PairStatistics) -> float:
    """The discrepancy of one text; NaN where it is excluded or nothing varies."""
    if statistics.excluded or statistics.variance <= 0:
        return NAN
    return (statistics.logprob - statistics.expected) / sqrt(statistics.variance)


@dataclass(frozen=True)
class Curvature:
    """Fast-DetectGPT over a pair (the reference samples), or ImBD over a tuned scorer paired with itself."""

    pair: ScorerPair
    reading: Reading
    calibration: Calibration | None
    name: str = "fast_detectgpt"

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """One detection a text, in order."""
        return self.read(pair_statistics(self.pair, texts, self.reading))

    def read(self, statistics: Sequence[PairStatistics]) -> list[Detection]:
        """Detections from statistics that are there already."""
        return [
            Detection(NAN, n_tokens=one.n_tokens, excluded=one.excluded)
            if one.excluded
            else detection(curvature(one), one.n_tokens, self.calibration)
            for one in statistics
        ]
