"""Each rule reaches each verdict it can reach."""

import numpy as np
import pytest

from anatomy.evidence.claims.claim import Finding, Verdict, combine_findings
from anatomy.evidence.claims.evidence import Contrast, Count, Levels, Scores, Steps
from anatomy.evidence.claims.rules import RULES
from anatomy.statistics.clusters import Sample

YES, NO, OPEN, NONE = Verdict.SUPPORTED, Verdict.NOT_SUPPORTED, Verdict.INCONCLUSIVE, Verdict.NOT_TESTABLE


def outcomes(ones: int, n: int, minus: int = 0) -> Sample:
    values = np.zeros(n)
    values[:ones], values[ones : ones + minus] = 1.0, -1.0
    return Sample(values, np.arange(n), signed=minus > 0)


def controls(*means: float) -> np.ndarray:
    return np.array(means, dtype=np.float64)


QUIET = np.linspace(-0.05, 0.05, 19)
LOUD = np.linspace(0.0, 0.6, 19)


@pytest.mark.parametrize(
    ("rule", "evidence", "parameters", "verdict"),
    [
        ("difference_above", Contrast(outcomes(30, 100)), {"threshold": 0}, YES),
        ("difference_above", Contrast(outcomes(30, 100)), {"threshold": 0.3}, OPEN),
        ("difference_above", Contrast(outcomes(0, 100, 30)), {"threshold": 0}, NO),
        ("difference_above", Contrast(outcomes(0, 100)), {"threshold": 0}, OPEN),
        ("difference_above", Contrast(outcomes(0, 100)), {"threshold": 0.1}, NO),
        ("difference_above", Contrast(outcomes(60, 100), outcomes(10, 100)), {"threshold": 0.2}, YES),
        ("difference_below", Contrast(outcomes(0, 100, 80)), {"threshold": -0.5}, YES),
        ("difference_below", Contrast(outcomes(0, 100, 10)), {"threshold": -0.5}, NO),
        ("difference_within", Contrast(outcomes(1, 200, 1)), {"margin": 0.05, "side": "both"}, YES),
        ("difference_within", Contrast(outcomes(0, 200, 40)), {"margin": 0.05, "side": "both"}, NO),
        ("difference_within", Contrast(outcomes(4, 60, 4)), {"margin": 0.05, "side": "both"}, OPEN),
        ("difference_within", Contrast(outcomes(40, 200)), {"margin": 0.05, "side": "lower"}, YES),
        ("rate_above", Contrast(outcomes(99, 100)), {"threshold": 0.9}, YES),
        ("rate_above", Contrast(outcomes(92, 100)), {"threshold": 0.9}, OPEN),
        ("rate_above", Contrast(outcomes(50, 100)), {"threshold": 0.9}, NO),
        ("rate_below", Contrast(outcomes(0, 100)), {"threshold": 0.1}, YES),
        ("rate_below", Contrast(outcomes(8, 100)), {"threshold": 0.1}, OPEN),
        ("rate_below", Contrast(outcomes(40, 100)), {"threshold": 0.1}, NO),
        ("count_at_least", Count(3, 12, ""), {"minimum": 1}, YES),
        ("count_at_least", Count(0, 12, "12 induce below 0"), {"minimum": 1}, NO),
        ("controls_within", Contrast(outcomes(0, 9), controls=QUIET), {"margin": 0.1, "min_controls": 19}, YES),
        ("controls_within", Contrast(outcomes(0, 9), controls=LOUD), {"margin": 0.1, "min_controls": 19}, NO),
        ("controls_within", Contrast(outcomes(0, 9), controls=QUIET[:5]), {"margin": 0.1, "min_controls": 19}, NONE),
    ],
)
def test_verdicts(rule, evidence, parameters, verdict, resampling):
    found = RULES[rule](evidence, resampling, **parameters)
    assert found.verdict == verdict, found.reason
    if not np.isnan(found.low):
        assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize(
    ("beside", "verdict"), [(QUIET, YES), (LOUD, NO), (QUIET[:5], OPEN), (LOUD[:5], OPEN), (np.empty(0), OPEN)]
)
def test_an_effect_must_lie_beyond_enough_controls(beside, verdict, resampling):
    parameters = {"threshold": 0, "min_controls": 19, "control_level": 0.05}
    found = RULES["difference_above"](Contrast(outcomes(30, 100), controls=beside), resampling, **parameters)
    assert found.verdict == verdict, found.reason
    assert found.controls == beside.size
    mirrored = RULES["difference_below"](Contrast(outcomes(0, 100, 30), controls=-beside), resampling, **parameters)
    assert mirrored.verdict == verdict and mirrored.estimate == -found.estimate
    if beside.size:
        assert (mirrored.control_low, mirrored.control_high) == (-found.control_high, -found.control_low)
        assert mirrored.p_control == found.p_control


def test_a_task_at_chance_decides_nothing(resampling):
    same = Contrast(outcomes(0, 200), baseline=outcomes(52, 200))
    parameters = {"margin": 0.05, "side": "both"}
    assert RULES["difference_within"](same, resampling, **parameters, chance=0.25).verdict == NONE
    assert RULES["difference_within"](same, resampling, **parameters, chance=0.10).verdict == YES


@pytest.mark.parametrize(("rises", "verdict"), [((40, 40), YES), ((40, 0), OPEN), ((40, -40), NO)])
def test_ordering(rises, verdict, resampling):
    steps = tuple(Contrast(outcomes(max(r, 0), 100, max(-r, 0))) for r in rises)
    found = RULES["ordering"](Steps(("a", "b", "c"), steps), resampling, threshold=0)
    assert found.verdict == verdict and found.estimate == min(rises) / 100


@pytest.mark.parametrize(
    ("means", "verdict"), [((80, 50, 20), YES), ((50, 50, 50), OPEN), ((20, 50, 80), NO), ((90, 10, 60), NO)]
)
def test_monotone_trend(means, verdict, resampling):
    columns = np.stack([np.arange(100) < mean for mean in means], axis=1).astype(np.float64)
    levels = Levels(("mild", "middle", "deep"), columns, np.arange(100))
    found = RULES["monotone_trend"](levels, resampling, direction=-1)
    assert found.verdict == verdict, found.reason
    assert found.low <= found.estimate <= found.high


@pytest.mark.parametrize(("distance", "verdict"), [(4.0, YES), (1.8, OPEN), (0.0, NO)])
def test_auroc_above(distance, verdict, resampling):
    scores = np.random.default_rng(0).normal(size=160)
    scores[:80] += distance
    found = RULES["auroc_above"](Scores(scores, np.arange(160) < 80, np.arange(160)), resampling, threshold=0.9)
    assert found.verdict == verdict, found.reason


def test_parts_combine_to_the_worst():
    parts = [Finding(verdict, "r", n=1, p=p) for verdict, p in [(YES, 0.01), (OPEN, 0.2), (NONE, 0.1), (NO, 0.9)]]
    for count, verdict in enumerate([YES, OPEN, NONE, NO], 1):
        assert combine_findings(tuple(parts[:count])).verdict == verdict
    assert combine_findings(tuple(parts)).p == 0.9


def test_a_premise_is_asked_before_the_claim_and_gives_it_no_p_value():
    before, claimed, place = (Finding(YES, "r", n=1, p=p) for p in (0.04, 0.01, np.nan))
    assert combine_findings((before, claimed), (True, False)).p == 0.01
    assert np.isnan(combine_findings((before, place), (True, False)).p)
    assert combine_findings((before, before), (True, True)).p == 0.04 == combine_findings((before, claimed)).p
