"""Rules on places that instruments choose: whether they agree, and would again."""

from itertools import combinations

import numpy as np

from anatomy.evidence.claims.claim import Finding, Verdict
from anatomy.evidence.claims.evidence import Choices, Places
from anatomy.evidence.claims.resampling import Resampling

LEAST_CLUSTERS = 5
"""Groups below which a place has no interval: draws of few groups are mostly the same ones, and of one group always."""


def same_choice(evidence: Choices, resampling: Resampling, *, share: float | int) -> Finding:
    """All instruments choose the same, and would again.

    Supported where all choose one option, each in at least `share` of its bootstrap draws. Not supported where two of them
    agree in at most 1 - `share` of the draws whatever way these are matched: the overlap of their shares bounds that. The
    smallest share of the commonest choice is shown.
    """
    common = max(set(evidence.chosen), key=evidence.chosen.count)
    sure = float(evidence.shares[:, common].min())
    overlap = min((float(np.minimum(a, b).sum()) for a, b in combinations(evidence.shares, 2)), default=1.0)
    agreed = len(set(evidence.chosen)) == 1
    verdict = Verdict.INCONCLUSIVE
    if agreed and sure >= share:
        verdict = Verdict.SUPPORTED
    elif not agreed and overlap <= 1 - share:
        verdict = Verdict.NOT_SUPPORTED
    named = ", ".join(
        f"{name} {evidence.options[place]} ({row[place]:.0%} of draws)"
        for name, place, row in zip(evidence.names, evidence.chosen, evidence.shares, strict=True)
    )
    reason = f"chosen: {named}; two agree in at most {overlap:.0%} of draws, against {share:.0%} for each"
    return Finding(verdict, reason, estimate=sure, n=len(evidence.names), clusters=len(evidence.names))


def place_near(evidence: Places, resampling: Resampling, *, reach: int) -> Finding:
    """A place lies within so many steps of another one, and would again.

    Supported where it does and the bootstrap interval of the distance lies within the reach; not supported where it does not and
    at most 1 - confidence of the draws do; undecided below `LEAST_CLUSTERS` groups, and not testable without a draw. The distance
    is shown; a share of draws is no p-value.
    """
    if not evidence.distances.size:
        return Finding(Verdict.NOT_TESTABLE, "no draw of groups gives a place")
    distance, tail = evidence.chosen - evidence.target, (1 - resampling.confidence) / 2
    low, high = (float(one) for one in np.quantile(evidence.distances, [tail, 1 - tail], method="inverted_cdf"))
    share = float((np.abs(evidence.distances) <= reach).mean())
    verdict, few = Verdict.INCONCLUSIVE, evidence.clusters < LEAST_CLUSTERS
    if not few and abs(distance) <= reach and -reach <= low and high <= reach:
        verdict = Verdict.SUPPORTED
    elif not few and abs(distance) > reach and share <= 1 - resampling.confidence:
        verdict = Verdict.NOT_SUPPORTED
    found = f"{evidence.chosen} against {evidence.target}: {distance:+d} [{low:+.0f}, {high:+.0f}]"
    reason = f"{found}, within {reach} in {share:.0%} of draws"
    if few:
        reason += f"; {evidence.clusters} groups, {LEAST_CLUSTERS} needed"
    return Finding(verdict, reason, float(distance), low, high, evidence.n, evidence.clusters)
