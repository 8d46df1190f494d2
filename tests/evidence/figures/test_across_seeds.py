"""One point a seed, after minus before."""

import pandas as pd
import pytest

from anatomy.evidence.figures.across_seeds import changes, draw


@pytest.fixture
def rates():
    rows = [(f"weak.s{seed}", "base", "", "harmful_requests", 0.2) for seed in (0, 1)]
    rows += [(f"weak.s{seed}", "method", "row_mean", "harmful_requests", 0.5 + 0.1 * seed) for seed in (0, 1)]
    rows += [("weak.s0", "control", "row_mean~isotropic-0", "harmful_requests", 0.9)]
    return pd.DataFrame(rows, columns=["model", "role", "family", "set", "rate"])


def test_seeds_are_not_pooled_and_controls_are_left_out(rates):
    table = changes(rates, {"weak.s0": ("weak", 0), "weak.s1": ("weak", 1)}, ["row_mean"], ["harmful_requests"])
    assert dict(zip(table["seed"], table["change"], strict=True)) == pytest.approx({"0": 0.3, "1": 0.4})
    assert draw(table, ["row_mean"]).to_dict()
