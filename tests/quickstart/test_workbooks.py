"""Pairs in a workbook: its one visible sheet with rows, or the sentence that says what to do."""

from pathlib import Path

import pytest
from prompt_files import HARMFUL, HARMLESS, LABELLED, PAIRS, workbook, write

from anatomy.errors import DataError
from anatomy.quickstart.pairs import read_pairs

SIDES = ("harmful", "harmless")
FLAGS = [(prompt, int(label == "harmful")) for prompt, label in LABELLED]
READ = {
    "pairs": workbook({"Sheet1": [SIDES, *PAIRS]}),
    "flags, an index, empty rows": workbook(
        {"Data": [(), (None, "Prompt", "is_harmful"), *((n, *row) for n, row in enumerate(FLAGS)), (), ()]}
    ),
    "flags that are true or false": workbook(
        {"Data": [("prompt", "is_harmful"), *((prompt, flag == 1) for prompt, flag in FLAGS)]}
    ),
    "an empty sheet and a hidden one": workbook(
        {"lists": [("x", "y")], "Sheet1": [SIDES, *PAIRS], "Sheet2": []}, hidden=("lists",)
    ),
}
REFUSED = {
    "an end too early": ("a.xlsx", workbook({"Sheet1": [SIDES, *PAIRS]})[:900], "save it again"),
    "two sheets": (
        "a.xlsx",
        workbook({"mine": [SIDES, *PAIRS], "theirs": [SIDES, *PAIRS]}),
        "2 sheets with rows, 'mine', 'theirs'.*of its own",
    ),
    "no rows": ("a.xlsx", workbook({"Sheet1": []}), "no rows below a header"),
    "a number": ("a.xlsx", workbook({"Sheet1": [SIDES, *PAIRS[:3], (7, HARMLESS[3]), *PAIRS[4:]]}), "row 5.*'7' as a prompt"),
    "a column named twice": ("a.xlsx", workbook({"Sheet1": [(*SIDES, "harmful"), *PAIRS]}), "row 1.*repeated|repeated.*row 1"),
    "one of a Mac": ("a.numbers", b"PK\x03\x04", "export"),
}


@pytest.mark.parametrize("case", READ)
def test_prompts_of_a_workbook_are_those_of_any_other_file(tmp_path, case):
    pairs = read_pairs(write(tmp_path / "a.xlsx", READ[case]))
    assert [prompt for _, prompt in pairs.harmful] == HARMFUL and [prompt for _, prompt in pairs.harmless] == HARMLESS


def test_which_sheet_was_read_is_said_where_there_are_others(tmp_path):
    notes = read_pairs(write(tmp_path / "a.xlsx", workbook({"mine": [SIDES, *PAIRS], "empty": []}))).notes
    assert any("'mine'" in note for note in notes)


@pytest.mark.parametrize("case", REFUSED)
def test_a_workbook_that_cannot_be_read_is_refused_with_what_to_do(tmp_path, monkeypatch, case):
    name, content, message = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, content)
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read_pairs(Path(name))
    assert caught.value.where.startswith(name) and caught.value.remedy
