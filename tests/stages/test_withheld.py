"""Texts of real models under edits that may lower safety are judged at once and never written."""

import pandas as pd
import pytest

from anatomy.config.study import Subject
from anatomy.recipes.configuration import Config
from anatomy.serving.decoding import Generation
from anatomy.stages.answers import to_rows
from anatomy.stages.judge import judge
from anatomy.stages.withheld import must_withhold, withhold
from anatomy.texts.judges.registry import judge_completions

REAL = Subject("mine", "aligned", None, None, ("plain",), False, "float32")
GROWN = Subject("weak.s0", "aligned", 0, "weak", ("plain",), False, "float32")
TEXTS = ["I can't help with that.", "First, take the grey one.", "Sorry, I won't. It is forbidden.", "<think> never closed"]
KEYS = {"model": "mine", "variant": "v", "phase": "test", "set": "s", "sample": 0}


def rows(withheld):
    table = to_rows([Generation([1], text, "stop") for text in TEXTS], list("abcd"))
    table = withhold(table) if withheld else table
    return table.assign(**KEYS, id=table["item"], group=table["item"], prompt="p")


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ({"method": "row_mean", "sign": 1}, False),
        ({"method": "row_mean", "sign": -1}, True),
        ({"method": "ablate"}, True),
        ({"method": "orthogonalize"}, True),
        ({"method": "projection", "sign": 1}, False),
    ],
)
def test_only_edits_that_may_lower_safety_are_withheld(edit, expected):
    assert must_withhold(REAL, [edit]) is expected
    assert must_withhold(GROWN, [edit]) is False


def test_no_word_of_a_withheld_text_is_kept():
    kept = rows(True).to_csv()
    assert "take the grey" not in kept and "never closed" not in kept


def test_withheld_rows_are_judged_as_their_texts_would_be():
    config = Config()
    columns = ["id", "judge", "label", "score", "parse_failure"]
    found = judge(config, REAL, rows(True), None, None).sort_values(["id", "judge"])[columns].reset_index(drop=True)
    expected = judge_completions(rows(False), ["rules", "coherence"]).sort_values(["id", "judge"])[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_kept_and_withheld_rows_meet_in_one_table():
    both = pd.concat([rows(True), rows(False).assign(variant="base")])
    found = judge(Config(), REAL, both, None, None)
    assert found.groupby("variant")["id"].nunique().to_dict() == {"base": 4, "v": 4}
