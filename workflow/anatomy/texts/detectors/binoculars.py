"""Binoculars (Hans et al. 2024, arXiv 2401.12070): perplexity of a text over the cross-perplexity of two models on it.

    B(s) = log PPL_p(s) / log X-PPL_{q,p}(s)
    log PPL_p = - mean_t log p(x_t),    log X-PPL_{q,p} = - mean_t sum_v q(v) log p(v)

with the observer ``q`` and the performer ``p`` (equations 1 to 4). Lower is more machine-like. The released code takes the mean
of the cross-perplexity over one position more, that after the last token; ``as_released`` does so, and the published thresholds
belong to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anatomy.texts.detectors.detection import NAN, Calibration, Detection, detection
from anatomy.texts.detectors.pair import PairStatistics, Reading, ScorerPair, pair_statistics

LOW_FALSE_POSITIVES, BEST_F1 = 0.8536432310785527, 0.9015310749276843
"""Published thresholds, for falcon-7b and falcon-7b-instruct in bfloat16 on 512 tokens."""


def published_calibration(threshold: float = LOW_FALSE_POSITIVES) -> Calibration:
    """The threshold, and PASTA's mapping ``1 / (1 + exp(score - threshold))`` (its released code)."""
    return Calibration(-1.0, threshold, threshold, "Hans et al. 2024; mapping of arXiv 2605.30526")


def binoculars_score(statistics: PairStatistics, as_released: bool = True) -> float:
    """The score of one text; NaN where it is excluded or the cross-perplexity is zero."""
    if statistics.excluded or statistics.n_tokens == 0:
        return NAN
    perplexity = -statistics.logprob / statistics.n_tokens
    if as_released:
        cross = -(statistics.expected + statistics.after) / (statistics.n_tokens + 1)
    else:
        cross = -statistics.expected / statistics.n_tokens
    return perplexity / cross if cross > 0 else NAN


@dataclass(frozen=True)
class Binoculars:
    """Binoculars over a pair: the reference observes, the scorer performs."""

    pair: ScorerPair
    reading: Reading
    calibration: Calibration | None
    as_released: bool = True
    name: str = "binoculars"

    def detect(self, texts: Sequence[str]) -> list[Detection]:
        """One detection a text, in order."""
        return self.read(pair_statistics(self.pair, texts, self.reading))

    def read(self, statistics: Sequence[PairStatistics]) -> list[Detection]:
        """Detections from statistics that are there already."""
        return [
            Detection(NAN, n_tokens=one.n_tokens, excluded=one.excluded)
            if one.excluded
            else detection(binoculars_score(one, self.as_released), one.n_tokens, self.calibration)
            for one in statistics
        ]
