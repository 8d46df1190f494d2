"""Texts of real models under edits that lower safety, or may, are judged at once and never written."""

import pandas as pd
import pytest

from anatomy.config.study import Subject
from anatomy.recipes.configuration import Config
from anatomy.serving.decoding import Generation
from anatomy.stages.answers import to_rows, unchanged_variants
from anatomy.stages.judge import judge
from anatomy.stages.withheld import kept, must_withhold
from anatomy.texts.judges.registry import judge_completions

REAL = Subject("mine", "aligned", None, None, ("plain",), False, "float32")
GROWN = Subject("weak.s0", "aligned", 0, "weak", ("plain",), False, "float32")
TEXTS = ["I can't help with that.", "First, take the grey one.", "Sorry, I won't. It is forbidden.", "<think> never closed"]
KEYS = {"model": "mine", "variant": "v", "phase": "test", "set": "s", "sample": 0}


def rows(withheld):
    table = to_rows([Generation([1], text, "stop") for text in TEXTS], list("abcd"))
    table = kept(table, "everything" if withheld else "nothing", table[["item"]])
    return table.assign(**KEYS, id=table["item"], group=table["item"], prompt="p")


@pytest.mark.parametrize(
    ("edit", "in_test", "in_select"),
    [
        ({"method": "row_mean", "sign": 1}, "nothing", "help"),
        ({"method": "row_mean", "sign": -1}, "everything", "everything"),
        ({"method": "ablate"}, "everything", "everything"),
        ({"method": "orthogonalize"}, "everything", "everything"),
        ({"method": "projection", "sign": 1}, "nothing", "help"),
    ],
)
def test_edits_that_may_lower_safety_are_withheld_and_in_a_search_the_help_of_any_edit(edit, in_test, in_select):
    assert (must_withhold(REAL, [edit], "test"), must_withhold(REAL, [edit], "select")) == (in_test, in_select)
    for phase in ("select", "test"):
        assert must_withhold(GROWN, [edit], phase) == must_withhold(REAL, [], phase) == "nothing"


def test_in_a_search_only_help_with_harmful_requests_is_withheld():
    asked = rows(False)
    for label, gone in (("harmful", "bd"), ("benign", ""), (None, "bd"), ("unheard of", "bd")):
        table = kept(asked, "help", asked.assign(label=label))
        assert "".join(table.loc[table["withheld"].notna(), "item"]) == gone, label
        assert list(table["response"]) == ["" if item in gone else text for item, text in zip("abcd", TEXTS, strict=True)]
    # A prompt that stands in two sets is harmful if it is in one of them.
    twice = pd.concat([asked.assign(label="benign"), asked.assign(label="harmful")])
    assert kept(asked, "help", twice)["withheld"].notna().sum() == 2


def test_no_word_of_a_withheld_text_is_kept():
    kept = rows(True).to_csv()
    assert "take the grey" not in kept and "never closed" not in kept


def test_withheld_rows_are_judged_as_their_texts_would_be():
    config = Config()
    some = rows(False)
    some = kept(some, "help", some.assign(label="harmful"))
    columns = ["id", "judge", "label", "score", "parse_failure"]
    found = judge(config, REAL, rows(True), None, None).sort_values(["id", "judge"])[columns].reset_index(drop=True)
    expected = judge_completions(rows(False), ["rules", "coherence"]).sort_values(["id", "judge"])[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    found = judge(config, REAL, some, None, None).sort_values(["id", "judge"])[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_kept_and_withheld_rows_meet_in_one_table():
    both = pd.concat([rows(True), rows(False).assign(variant="base")])
    found = judge(Config(), REAL, both, None, None)
    assert found.groupby("variant")["id"].nunique().to_dict() == {"base": 4, "v": 4}


def test_an_edit_whose_help_is_withheld_is_unchanged_only_if_nothing_else_differs():
    base = rows(False).assign(variant="base", n_tokens=[1, 2, 3, 4])
    edited = kept(base.assign(variant="v"), "help", base.assign(label="harmful"))
    longer = edited.assign(variant="w", n_tokens=[1, 7, 3, 4])
    nothing_known = kept(base.assign(variant="x"), "everything", base)
    told = []
    table = pd.concat([base, edited, longer, nothing_known], ignore_index=True)
    assert unchanged_variants(table, ["base"], ["v", "w", "x"], told.append) == ["v"] and len(told) == 1
