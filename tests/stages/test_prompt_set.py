"""Prompt sets of the configuration from files as people have them: rows and what was said, or the sentence that mends it."""

import json

import pandas as pd
import pytest
from prompt_files import HARMFUL, HARMLESS, LABELLED, PREAMBLE, json_lines, prompt_set, spreadsheet, write

from anatomy.errors import DataError
from anatomy.sources.prompts.contrast import check_contrast

OWN = {"derive_ids": True, "label": "harmful", "minimum": 1}
ONE = [(prompt,) for prompt in HARMFUL]
READ = {
    "semicolons and capitals": ("a.csv", spreadsheet([(p, "x") for p in HARMFUL], ("Prompt", "Category"), ";")),
    "one column": ("a.csv", spreadsheet(ONE, ("prompt",))),
    "an announced separator": ("a.csv", "sep=;\n" + spreadsheet([(p, "") for p in HARMFUL], ("prompt", "note"), ";")),
    "Unicode text of Excel": ("a.tsv", spreadsheet([(p, "") for p in HARMFUL], ("PROMPT", "note"), "\t").encode("utf-16")),
    "an index and empty rows": (
        "a.csv",
        spreadsheet([*[(n, p) for n, p in enumerate(HARMFUL)], *[("", "")] * 9], ("", " prompt")),
    ),
    "objects by line, carriage returns": ("a.jsonl", json_lines(ONE, ("prompt",), end="\r")),
    "an object of columns": ("a.json", pd.DataFrame(ONE, columns=["prompt"]).to_json()),
    "an object of lists": ("a.json", json.dumps({"prompt": HARMFUL})),
}


@pytest.mark.parametrize("case", READ)
def test_whatever_program_wrote_a_file_its_prompts_are_the_same(tmp_path, case):
    table, _ = prompt_set(write(tmp_path / READ[case][0], READ[case][1]), **OWN)
    assert sorted(table["prompt"]) == sorted(HARMFUL) and "place" not in table


def test_a_mapped_column_is_found_in_any_letters(tmp_path):
    table, _ = prompt_set(write(tmp_path / "a.csv", spreadsheet(ONE, ("Goal",))), columns={"goal": "prompt"}, **OWN)
    assert sorted(table["prompt"]) == sorted(HARMFUL)


REFUSED = {
    "a number": ("a.jsonl", json_lines([*ONE, (3,)], ("prompt",)), {}, "line 57.*'3' as a prompt"),
    "null": ("a.jsonl", json_lines([*ONE, (None,)], ("prompt",)), {}, "line 57.*empty prompt"),
    "messages": ("a.jsonl", json_lines([*ONE, ([{"role": "user"}],)], ("prompt",)), {}, "line 57.*a list in prompt"),
    "NUL": ("a.jsonl", json_lines([*ONE, ("a\0",)], ("prompt",)), {}, "line 57.*NUL"),
    "two columns of one name": ("a.csv", spreadsheet(LABELLED, ("prompt", "Prompt")), {}, "line 2.*one column prompt"),
    "labels of 1 and 0": (
        "a.csv",
        spreadsheet([(p, 1) for p in HARMFUL], ("prompt", "label")),
        {"label": None},
        "line 2.*label '1'.*write words",
    ),
    "one prompt with two labels": (
        "a.csv",
        spreadsheet([*LABELLED, (HARMFUL[2] + "!", "benign")], ("prompt", "label")),
        {"label": None},
        "line 114.*benign here and harmful in .*line 4",
    ),
    "a wording in two splits": (
        "a.csv",
        spreadsheet([*[(p, "fit") for p in HARMFUL], (HARMFUL[2], "test")], ("prompt", "split")),
        {"minimum": 1, "splits": {"fit": 1, "select": 0, "test": 0}},
        "line 4 and .*line 58",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place_and_what_to_do(tmp_path, case):
    name, content, options, message = REFUSED[case]
    with pytest.raises(DataError, match=f"(?s){name}.*{message}") as caught:
        prompt_set(write(tmp_path / name, content), **{**OWN, **options})
    assert caught.value.remedy and not list(tmp_path.glob("*.made.parquet"))


@pytest.mark.parametrize("ids", [None, "same", "own"])
def test_a_repeated_prompt_is_kept_once_whatever_its_ids(tmp_path, ids):
    rows = [(p, n) for n, p in enumerate(HARMFUL)] + [(HARMFUL[4].upper(), 4 if ids == "same" else 99)]
    path = write(tmp_path / "a.csv", spreadsheet(rows, ("prompt", "id" if ids else "note")))
    table, said = prompt_set(path, label="harmful", derive_ids=ids is None)
    assert sorted(table["prompt"]) == sorted(HARMFUL)
    assert any("1 of 57 prompts stand in an earlier row" in text and "line 58 (first in" in text for text in said)


def test_a_repeated_prompt_ties_whatever_its_rows_were_tied_to(tmp_path):
    rows = [(p, n % 28) for n, p in enumerate(HARMFUL)] + [(HARMFUL[0], 7)]
    table, _ = prompt_set(write(tmp_path / "a.csv", spreadsheet(rows, ("prompt", "pair"))), **OWN)
    group = table.set_index("prompt")["group"]
    assert len({group[HARMFUL[n]] for n in (0, 28, 7, 35)}) == 1 and table["group"].nunique() == 27


def test_answers_to_one_prompt_are_no_repeats(tmp_path):
    rows = [(p, answer) for p in HARMFUL for answer in ("one", "two")]
    table, _ = prompt_set(write(tmp_path / "a.csv", spreadsheet(rows, ("prompt", "response"))), **OWN)
    assert len(table) == 112 and table["group"].nunique() == 56


def test_two_files_with_one_name_for_a_pair_put_its_sides_into_one_split(tmp_path):
    numbers = range(1, 57)
    ids = spreadsheet([(f"h{n}", p, n) for n, p in zip(numbers, HARMFUL, strict=True)], ("id", "prompt", "pair"))
    other = spreadsheet([(f"b{n}", p, float(n)) for n, p in zip(numbers, HARMLESS, strict=True)], ("ID", "Prompt", "Pair"))
    harmful, _ = prompt_set(write(tmp_path / "h.csv", ids), label="harmful")
    harmless, _ = prompt_set(write(tmp_path / "b.csv", other), label="benign")
    assert harmful.set_index("pair")["split"].sort_index().equals(harmless.set_index("pair")["split"].sort_index())
    said = []
    check_contrast(harmful, harmless, ("h", "b"), said.append)
    assert not said
    harmless.loc[0, "split"] = next(split for split in ("fit", "test") if split != harmless.loc[0, "split"])
    check_contrast(harmful, harmless, ("h", "b"), said.append)
    assert "1 of 56 pairs" in said[0] and repr(harmless.loc[0, "pair"]) in said[0]


def test_a_prompt_on_both_sides_of_a_contrast_is_refused(tmp_path):
    harmful, _ = prompt_set(write(tmp_path / "h.csv", spreadsheet(ONE, ("prompt",))), **OWN)
    path = write(tmp_path / "b.csv", spreadsheet([*[(p,) for p in HARMLESS], (HARMFUL[3].lower(),)], ("prompt",)))
    harmless, _ = prompt_set(path, **{**OWN, "label": "benign"})
    with pytest.raises(DataError, match=r"how do i break.*1 such prompts.*'mine-\w+' in h, id 'mine-\w+' in b"):
        check_contrast(harmful, harmless, ("h", "b"), print)


@pytest.mark.parametrize("form", [f"{PREAMBLE}{{}}", f"{{}} {PREAMBLE}"])
def test_what_all_prompts_share_makes_no_near_duplicates(tmp_path, form):
    path = write(tmp_path / "a.csv", spreadsheet([(form.format(p),) for p in HARMFUL], ("prompt",)))
    table, said = prompt_set(path, **OWN)
    assert table["group"].nunique() == 56
    assert any("does not count when near-duplicates are looked for" in text for text in said)


def test_too_few_groups_name_the_merging_a_pair_of_prompts_and_the_lever(tmp_path):
    path = write(tmp_path / "a.csv", spreadsheet([(f"{p[-19:-8]} {PREAMBLE} {n}",) for n, p in enumerate(HARMFUL)], ("prompt",)))
    options = {**OWN, "near_duplicate": 0.7, "minimum": 8}
    with pytest.raises(DataError, match=r"(?s)a\.csv.*56 groups of prompts became \d+, .*\(near_duplicate\).* and '") as caught:
        prompt_set(path, **options)
    value = float(caught.value.remedy.partition("near_duplicate: ")[2].partition("`")[0])
    assert len(prompt_set(path, **{**options, "near_duplicate": value})[0]) == 56


def test_a_seed_that_does_is_named(tmp_path):
    rows = [(p,) for p in HARMFUL[:40]]
    path = write(tmp_path / "a.csv", spreadsheet(rows, ("prompt",)))
    for seed in range(40):
        try:
            prompt_set(path, seed=seed, **{**OWN, "minimum": 8})
        except DataError as error:
            named = int(error.remedy.partition("`seed: ")[2].partition("`")[0])
            assert len(prompt_set(path, seed=named, **{**OWN, "minimum": 8})[0]) == 40
            return
    pytest.fail("every seed gave each split enough")


def test_labels_that_nobody_knows_are_said_to_count_as_harmful(tmp_path):
    rows = [(p, "harmles") for p in HARMLESS] + [(p, "Harmful") for p in HARMFUL]
    table, said = prompt_set(write(tmp_path / "a.csv", spreadsheet(rows, ("prompt", "label"))), derive_ids=True)
    assert set(table["label"]) == {"harmles", "harmful"}
    assert [text for text in said if "56 prompts with the label 'harmles' count as harmful" in text]


REAL = {
    "refusal_direction/harmful_train.json": (260, {"columns": {"instruction": "prompt"}, **OWN}),
    "xstest/xstest_prompts.csv": (450, {}),
    "jailbreakbench/harmful_behaviors.csv": (100, {"columns": {"goal": "prompt", "index": "id"}, "label": "harmful"}),
    "or_bench/or_bench_hard_1k.csv": (1319, {"derive_ids": True, "label": "benign"}),
    "alpaca/alpaca_no_input.jsonl": (None, {"columns": {"instruction": "prompt", "alpaca_index": "id"}, "label": "harmless"}),
}


@pytest.mark.parametrize("name", REAL)
def test_published_files_lose_no_row_and_share_no_wording(tmp_path, shared_data, name):
    count, options = REAL[name]
    path = tmp_path / name.rpartition("/")[2]
    path.symlink_to(shared_data / name)
    table, said = prompt_set(path, **options)
    assert count is None or len(table) == count
    assert not any("left out" in text or "does not count" in text for text in said)
