"""A result made again beside the stored one."""

import numpy as np
import pandas as pd
import pytest

from anatomy.errors import StoreError
from anatomy.runs.provenance.comparison import compare, graded, read_values

STORED = pd.DataFrame({"model": ["a", "b"], "rate": [0.5, np.nan], "n": [3, 4], "values": [[1.0, 2.0], [3.0]]})


def record(rule="figures", code="0", torch="2.13.0", processor="x"):
    return {"rule": rule, "parameters": {"code": code}, "software": {"torch": torch}, "hardware": {"processor": processor}}


def test_equal_tables_agree_and_missing_values_are_equal():
    assert compare(STORED, STORED.copy(), 0.0, 0.0) == ([], 0, 8)


def test_tolerance_is_relative_to_the_stored_number():
    again = STORED.assign(rate=[0.5 * (1 + 5e-7), np.nan])
    assert compare(STORED, again, 1e-6, 0.0)[1] == 0
    cells, differing, _ = compare(STORED, again, 1e-7, 0.0)
    assert differing == 1 and cells[0].startswith("row 0, rate: 0.5,")


@pytest.mark.parametrize(
    "again",
    [
        STORED.assign(model=["a", "c"]),
        STORED.assign(values=[[1.0, 2.0], [3.1]]),
        STORED.assign(values=[[1.0], [3.0]]),
        STORED.assign(rate=[0.5, 0.1]),
        STORED.head(1),
        STORED.rename(columns={"n": "m"}),
    ],
)
def test_every_kind_of_difference_is_seen(again):
    assert compare(STORED, again, 1e-6, 0.0)[1] == 1


@pytest.mark.parametrize(
    ("again", "grade"),
    [
        (record(), "numbers"),
        (record(torch="2.14.0"), "versions"),
        (record(code="1"), "versions"),
        (record(processor="y"), "hardware"),
        (record(torch="2.14.0", processor="y"), "versions"),
    ],
)
def test_a_mismatch_is_graded_by_what_may_explain_it(again, grade):
    found = graded((["row 0"], 1, 8), [record()], [again])
    assert found.grade == grade and bool(found.surroundings) == (grade != "numbers")
    assert graded(([], 0, 8), [record()], [again]).grade == "same"


def test_a_picture_is_compared_by_its_data(tmp_path):
    STORED[["model", "n"]].to_csv(tmp_path / "a.csv", index=False)
    assert list(read_values(tmp_path / "a.svg")["n"]) == [3, 4]
    with pytest.raises(StoreError, match=r"\.log"):
        read_values(tmp_path / "a.log")
