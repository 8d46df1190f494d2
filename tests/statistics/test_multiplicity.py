"""Holm's procedure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy.statistics.multiplicity import holm_adjust


def test_worked_example():
    # Aickin & Gensler 1996 style: sorted .01 .02 .03 .04 times 4 3 2 1, then made monotone
    got = holm_adjust(np.array([0.01, 0.04, 0.03, 0.02]))
    assert got == pytest.approx([0.04, 0.06, 0.06, 0.06])


def test_untested_claims_do_not_count():
    got = holm_adjust(np.array([0.02, np.nan, 0.04]))
    assert got[[0, 2]] == pytest.approx([0.04, 0.04]) and np.isnan(got[1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_between_the_raw_p_and_bonferroni_and_in_the_same_order(values):
    p = np.array(values)
    adjusted = holm_adjust(p)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(1, p * p.size) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()
