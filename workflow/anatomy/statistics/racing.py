"""What the first few of many measurements already say about the mean of all of them, for many rows side by side."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.special import digamma, polygamma
from scipy.stats import t as student

SMALLEST = 1e-5
"""Share of the median variance that a smaller one counts as: the logarithm of zero says nothing."""


def mean_bounds(
    first: Float64[ndarray, "row n"], of: int, error: float
) -> tuple[Float64[ndarray, " row"], Float64[ndarray, " row"]]:
    """Bounds for the mean of all ``of`` values of each row, from ``n`` of them that were drawn without replacement.

    ``mean -+ t s sqrt((1 - n / N) / n)``, with the finite population's correction (Cochran 1977, section 2.6): once all are
    known nothing is left to guess. Variances of few values are poor guesses; they are moderated by those of the other rows
    (``moderated_variances``), whose degrees of freedom t gets.

    Args:
        first: values at hand, the same n for each row.
        of: how many there are in all, N.
        error: chance that a row's mean lies beyond one of its bounds, for each of the two.
    """
    n, mean = first.shape[1], first.mean(1)
    if n >= of:
        return mean, mean
    if n < 2:
        return np.full_like(mean, -np.inf), np.full_like(mean, np.inf)
    variance, freedom = moderated_variances(first.var(1, ddof=1), n - 1)
    half = student.ppf(1 - error, np.minimum(freedom, 1e6)) * np.sqrt(variance * (1 - n / of) / n)
    return mean - half, mean + half


def moderated_variances(variances: Float64[ndarray, " row"], freedom: int) -> tuple[Float64[ndarray, " row"], float]:
    """Each variance drawn towards what all of them have in common, and the degrees of freedom it then has.

    Empirical Bayes with a scaled inverse chi-square prior, estimated from the logarithms of the variances: ``(d0 s0^2 + d s^2) /
    (d0 + d)`` with d0 + d degrees of freedom (Smyth 2004, doi:10.2202/1544-6115.1027, sections 3 and 6.2). Fewer than three
    rows, or nothing but zeros, are left as they are.

    Args:
        variances: of the rows.
        freedom: degrees of freedom d of each.
    """
    middle = float(np.median(variances))
    if len(variances) < 3 or middle <= 0:
        return variances, float(freedom)
    logs = np.log(np.maximum(variances, SMALLEST * middle)) - digamma(freedom / 2) + np.log(freedom / 2)
    spread = logs.var(ddof=1) - polygamma(1, freedom / 2)
    if spread <= 0:
        return np.full_like(variances, np.exp(logs.mean())), float("inf")
    prior = 2 * _inverse_trigamma(float(spread))
    shared = np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2))
    return (prior * shared + freedom * variances) / (prior + freedom), float(prior + freedom)


def _inverse_trigamma(value: float) -> float:
    """Newton's method on 1 / trigamma, which is nearly straight (Smyth 2004, appendix)."""
    at = 0.5 + 1 / value
    for _ in range(50):
        here = polygamma(1, at)
        step = here * (1 - here / value) / polygamma(2, at)
        at += step
        if -step / at < 1e-8:
            break
    return float(at)
