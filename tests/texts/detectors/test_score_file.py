"""Closed detectors: scores that a person brings, tied to the text they were given for."""

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.texts.detectors.score_file import read_score_file, text_digest


def write(tmp_path, rows, name="s.csv"):
    table = pd.DataFrame(rows)
    path = tmp_path / name
    table.to_parquet(path) if name.endswith("parquet") else table.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_scores_find_their_texts_and_missing_ones_are_named(tmp_path, name):
    rows = [
        {"digest": text_digest("one"), "score": 0.9},
        {"digest": text_digest("two"), "score": 0.2},
        {"digest": text_digest("three"), "score": None},
    ]
    pangram = read_score_file(write(tmp_path, rows, name), "pangram")
    found = pangram.detect(["one ", "two", "three", "four", "four"])
    assert [one.flagged for one in found] == [True, False, None, None, None]
    assert [one.excluded for one in found] == ["", "", "missing", "missing", "missing"]


def test_texts_may_stand_in_the_file_themselves(tmp_path):
    detector = read_score_file(write(tmp_path, [{"text": "a text", "p": 1.0}]), "gptzero", column="p")
    assert detector.detect(["a text"])[0].score == 1.0


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"digest": "x", "score": 87}], "87"),
        ([{"digest": "x", "score": "high"}], "high"),
        ([{"digest": "x", "p": 0.1}], "score"),
        ([{"score": 0.1}], "digest"),
        ([{"digest": "x", "score": 0.1}, {"digest": "x", "score": 0.2}], "one score a text"),
    ],
)
def test_bad_files_say_where(tmp_path, rows, message):
    with pytest.raises(DataError, match=message) as error:
        read_score_file(write(tmp_path, rows), "pangram")
    assert "s.csv, line" in str(error.value)
