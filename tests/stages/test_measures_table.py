"""Summaries of every kind in one tidy table."""

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.recipes.pasta.stages.measures_table import MEASURE_COLUMNS, measures_table

VARIANTS = pd.DataFrame(
    {
        "variant": ["base", "orthogonal-0~1"],
        "slug": ["base", "orthogonal-0"],
        "role": ["base", "control"],
        "family": ["", "pasta"],
        "control": ["", "orthogonal"],
    }
)


def summary(measure, variants=("human", "base", "orthogonal-0~1"), domains=("all", "news")):
    return pd.DataFrame(
        [
            {
                "model": "m",
                "variant": variant,
                "category": domain,
                "measure": measure,
                "estimate": 0.5,
                "low": 0.4,
                "high": 0.6,
                "n": 3,
                "clusters": 3,
                "excluded": 1,
            }
            for variant in variants
            for domain in domains
        ]
    )


def test_every_summary_is_described_by_its_variant():
    table = measures_table("m", {"detector": summary("imbd"), "quality": summary("words")}, VARIANTS)
    assert tuple(table) == MEASURE_COLUMNS
    assert len(table) == 12
    assert not table.duplicated(["model", "variant", "domain", "measure"]).any()
    control = table[table["variant"] == "orthogonal-0~1"]
    assert (
        set(control["slug"]) == {"orthogonal-0"}
        and set(control["role"]) == {"control"}
        and set(control["control"]) == {"orthogonal"}
    )
    assert set(table.loc[table["variant"] == "human", "role"]) == set(table.loc[table["variant"] == "human", "slug"]) == {"human"}
    assert table.set_index(["measure", "variant", "domain"]).loc[("imbd", "base", "all"), "kind"] == "detector"


def test_a_detector_may_be_called_like_a_measure():
    assert len(measures_table("m", {"detector": summary("words"), "quality": summary("words")}, VARIANTS)) == 12


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(DataError, match="twice"):
        measures_table("m", {"quality": pd.concat([summary("words")] * 2)}, VARIANTS)
    with pytest.raises(DataError, match="other"):
        measures_table("m", {"detector": summary("imbd", variants=("other",))}, VARIANTS)
    with pytest.raises(DataError, match="kinds"):
        measures_table("m", {"taste": summary("imbd")}, VARIANTS)
