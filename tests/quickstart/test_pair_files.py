"""A file of pairs as people have them: rows, or the sentence that says what to do."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from prompt_files import (
    HARMFUL,
    HARMLESS,
    LABELLED,
    PAIRS,
    PREAMBLE,
    groups_by_prompt,
    json_lines,
    splits_by_group,
    spreadsheet,
    write,
)

from anatomy.errors import DataError
from anatomy.quickstart.pairs import read_pairs

FRENCH = [(f"Où est le café « {a} » ?", f"C’est l’été à {b}") for a, b in PAIRS]
FLAGS = [(prompt, int(label == "harmful")) for prompt, label in LABELLED]
READ = {
    "semicolons": ("a.csv", spreadsheet(PAIRS, separator=";")),
    "tabs": ("a.csv", spreadsheet(PAIRS, separator="\t")),
    "commas in a TSV": ("a.tsv", spreadsheet(PAIRS)),
    "an announced separator": ("a.csv", "sep=;\r\n" + spreadsheet(PAIRS, separator=";")),
    "an announced separator, saved anew": ("a.csv", '"sep=,",\r\n' + spreadsheet(PAIRS)),
    "Unicode text of Excel": ("a.tsv", spreadsheet(PAIRS, separator="\t").encode("utf-16")),
    "UTF-16 from a Mac": ("a.csv", b"\xfe\xff" + spreadsheet(PAIRS).encode("utf-16-be")),
    "UTF-8 with its mark": ("a.csv", spreadsheet(PAIRS).encode("utf-8-sig")),
    "two marks": ("a.csv", "\ufeff\ufeff" + spreadsheet(PAIRS)),
    "empty rows": ("a.csv", spreadsheet([*PAIRS[:9], ("", " "), *PAIRS[9:], *[("", "")] * 30])),
    "capitals and blanks": ("a.csv", spreadsheet(PAIRS, (" Harmful ", "HARMLESS"))),
    "an index": ("a.csv", spreadsheet([(n, *row) for n, row in enumerate(PAIRS)], ("", "harmful", "harmless"))),
    "empty columns": ("a.csv", spreadsheet([(*row, "", "") for row in PAIRS], ("harmful", "harmless", "", ""))),
    "empty cells beyond the header": ("a.csv", spreadsheet([*PAIRS[:5], *[(*row, "", "") for row in PAIRS[5:]]])),
    "line ends of an old Mac": ("a.csv", spreadsheet(PAIRS, end="\r")),
    "a header after empty rows": ("a.csv", ",\r\n,\r\n" + spreadsheet(PAIRS)),
    "objects by line": ("a.jsonl", json_lines(PAIRS)),
    "objects by line, with a mark and blank lines": ("a.jsonl", "\ufeff\n" + json_lines(PAIRS, end="\n \n")),
    "objects by line, carriage returns": ("a.jsonl", json_lines(PAIRS, end="\r")),
    "objects by line from a console": ("a.jsonl", json_lines(PAIRS).encode("utf-16")),
    "objects by line, called JSON": ("a.json", json_lines(PAIRS)),
    "an array, called JSON lines": ("a.jsonl", json.dumps([{"harmful": a, "benign": b} for a, b in PAIRS], indent=1)),
    "an object of lists": ("a.json", json.dumps({"harmful": HARMFUL, "harmless": HARMLESS})),
    "an object of columns": ("a.json", pd.DataFrame(PAIRS, columns=["harmful", "harmless"]).to_json()),
    "labels": ("a.csv", spreadsheet(LABELLED, ("Prompt", "Label"))),
    "labels in other words": (
        "a.csv",
        spreadsheet([(p, {"harmful": "Unsafe"}.get(x, "SAFE")) for p, x in LABELLED], ("prompt", "label")),
    ),
    "flags": ("a.csv", spreadsheet(FLAGS, ("prompt", "is_harmful"))),
    "flags of the other side": ("a.csv", spreadsheet([(p, ("yes", "no")[n]) for p, n in FLAGS], ("prompt", "Harmless"))),
    "flags as JSON": ("a.jsonl", json_lines([(p, n == 1) for p, n in FLAGS], ("prompt", "Is harmful"))),
    "rows with other keys": (
        "a.jsonl",
        json_lines([(b, "safe") for b in HARMLESS], ("prompt", "label")) + "\n"
        + json_lines([("x", a, "harmful") for a in HARMFUL], ("note", "Prompt", "label")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_whatever_program_wrote_a_file_its_prompts_are_the_same(tmp_path, case):
    pairs = read_pairs(write(tmp_path / READ[case][0], READ[case][1]))
    assert [prompt for _, prompt in pairs.harmful] == HARMFUL and [prompt for _, prompt in pairs.harmless] == HARMLESS
    if "prompt" not in str(READ[case][1][:60]).lower() and "rows" not in case:
        assert [group for group, _ in pairs.harmful] == [group for group, _ in pairs.harmless]


def test_windows_letters_are_read_and_said(tmp_path):
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet(FRENCH, separator=";").encode("cp1252")))
    assert [prompt for _, prompt in pairs.harmful] == [a for a, _ in FRENCH]
    assert any("Windows-1252" in note and "'Où'" in note for note in pairs.notes)


@pytest.mark.parametrize(
    ("word", "encoding"), [("Привет", "cp1251"), ("żółć", "cp1250"), ("ışık", "cp1254"), ("你好世界", "gbk")]
)
def test_letters_that_windows_1252_would_garble_are_refused(tmp_path, word, encoding):
    path = write(tmp_path / "a.csv", spreadsheet([(f"{word} {a}", b) for a, b in PAIRS]).encode(encoding))
    with pytest.raises(DataError, match=r"(?s)byte 0x.*UTF-8"):
        read_pairs(path)


def test_cells_of_any_length_with_quotes_and_line_ends_are_kept_to_the_letter(tmp_path):
    odd = 'Say "stop";\nthen,\r\n' + "x " * 200_000
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet([(odd, HARMLESS[0]), *PAIRS[1:]])))
    assert pairs.harmful[0][1] == odd


def changed(row, number=3, pairs=PAIRS):
    return [*pairs[:number], row, *pairs[number + 1 :]]


REFUSED = {
    "a header alone": ("a.csv", "harmful,harmless\n", "no rows below a header"),
    "nothing": ("a.csv", " \n", "an empty file"),
    "a workbook under another name": ("a.csv", b"PK\x03\x04", "Excel"),
    "prompts one a line, of one side": ("a.txt", "Open the gate\n", "one list.*two lists.*--pairs"),
    "a table called text": ("a.txt", "harmful\tharmless\n", "line 1.*a prompt a line.*tsv"),
    "UTF-16 without a mark": ("a.csv", spreadsheet(PAIRS).encode("utf-16-le"), "zero bytes"),
    "a column named twice": ("a.csv", spreadsheet([(a, b, b) for a, b in PAIRS], ("harmful",) + ("harmless",) * 2), "repeated"),
    "a column named twice in other letters": (
        "a.csv",
        spreadsheet([(a, b, b) for a, b in PAIRS], ("harmful", "harmless", "Harmless")),
        "one column harmless",
    ),
    "a comma without quotation marks": ("a.csv", spreadsheet(PAIRS) + "one,two,three\r\n", "line 58.*3 fields.*quotation marks"),
    "a quotation mark that is not closed": ("a.csv", 'harmful,harmless\n"a,b\nc,d\n', "line 2.*begins here"),
    "a blank cell": ("a.csv", spreadsheet(changed((HARMFUL[3], " \u200b"))), "line 5.*no text in column 'harmless'"),
    "a blank cell, below a cell of two lines": (
        "a.csv",
        spreadsheet(changed((HARMFUL[3], ""), pairs=changed(("one\ntwo", HARMLESS[1]), 1))),
        r"row 5 \(line 6 of the file\).*no text",
    ),
    "null": ("a.jsonl", json_lines(changed((None, HARMLESS[3]))), "line 4.*no text in column 'harmful'"),
    "NaN": ("a.jsonl", json_lines(changed((float("nan"), HARMLESS[3]))), "line 4.*no text in column 'harmful'"),
    "NaN as text": ("a.csv", spreadsheet(changed(("nan", HARMLESS[3]))), "line 5.*no text in column 'harmful'"),
    "a number": ("a.jsonl", json_lines(changed((7, HARMLESS[3]))), "line 4.*'7' as a prompt"),
    "a number in a spreadsheet": ("a.csv", spreadsheet(changed((7, HARMLESS[3]))), "line 5.*'7' as a prompt"),
    "a formula": ("a.csv", spreadsheet(changed(("#NAME?", HARMLESS[3]))), "line 5.*formula.*apostrophe"),
    "messages": ("a.jsonl", json_lines(changed(([{"role": "user", "content": "a"}], HARMLESS[3]))), "line 4.*a list in prompt"),
    "an object": ("a.jsonl", json_lines(changed(({"text": "a"}, HARMLESS[3]))), "line 4.*a dict in prompt"),
    "NUL": ("a.jsonl", json_lines(changed(("a\0b", HARMLESS[3]))), "line 4.*NUL"),
    "half a surrogate": ("a.jsonl", json_lines(changed(("a\ud800", HARMLESS[3]))), "line 4.*surrogate"),
    "a key twice": ("a.jsonl", json_lines(PAIRS[:3]) + '\n{"harmful": "a", "harmful": "c"}', "line 4.*'harmful' twice"),
    "a key twice in an array": ("a.json", '[{"harmful": "a", "harmful": "c"}]', "row 1.*'harmful' twice"),
    "labels of 1 and 0": ("a.csv", spreadsheet(FLAGS, ("prompt", "label")), "line 2.*label '1'.*is_harmful"),
    "a label that contradicts a flag": (
        "a.csv",
        spreadsheet([(p, x, 1) for p, x in LABELLED], ("prompt", "label", "is_harmful")),
        "line 58.*harmless by 'label', harmful by 'is_harmful'",
    ),
    "text for a flag": ("a.csv", spreadsheet([(p, "very") for p in HARMFUL], ("prompt", "harmful")), "'very' in column"),
    "no label": ("a.csv", spreadsheet(changed((HARMFUL[3], ""), pairs=LABELLED), ("prompt", "label")), "line 5.*no label"),
    "lists of lists": ("a.json", '{"harmful": [["a"]], "harmless": [["b"]]}', "a dict"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_with_its_place_and_what_to_do(tmp_path, monkeypatch, case):
    name, content, message = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, content)
    with pytest.raises(DataError, match=f"(?s){message}") as caught:
        read_pairs(Path(name))
    assert caught.value.where.startswith(name) and caught.value.remedy


@pytest.mark.parametrize("cells", ["categories", "nothing", "lists"])
def test_parquet_cells_of_every_kind(tmp_path, cells):
    table = pd.DataFrame(PAIRS, columns=["harmful", "harmless"])
    if cells == "categories":
        table = table.astype("category")
    else:
        table["harmful"] = table["harmful"].astype("object")
        table.at[3, "harmful"] = None
        if cells == "lists":
            table["harmful"] = table["harmful"].map(lambda prompt: [prompt])
    table.to_parquet(tmp_path / "a.parquet")
    if cells == "categories":
        assert [prompt for _, prompt in read_pairs(tmp_path / "a.parquet").harmful] == HARMFUL
        return
    with pytest.raises(DataError, match="(?s)row 4.*no text" if cells == "nothing" else "(?s)row 1.*a list in prompt"):
        read_pairs(tmp_path / "a.parquet")


def test_a_shorter_list_ends_before_the_other_and_that_is_said(tmp_path):
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet([*PAIRS[:45], *[(a, "") for a in HARMFUL[45:]]])))
    assert (len(pairs.harmful), len(pairs.harmless)) == (56, 45)
    assert any("last 11 harmful prompts" in note for note in pairs.notes)


@pytest.mark.parametrize("value", [0, 0.0, "0", False, -1, " x "])
def test_a_pair_of_any_name_ties_its_sides(tmp_path, value):
    rows = [(p, x, value if n % 56 == 5 else f"p{n % 56}") for n, (p, x) in enumerate(LABELLED)]
    pairs = read_pairs(write(tmp_path / "a.jsonl", json_lines(rows, ("prompt", "label", "pair"))))
    group = groups_by_prompt(pairs, tmp_path)
    assert group[HARMFUL[5]] == group[HARMLESS[5]] and len(set(group.values())) == 56


def test_numbers_of_pairs_are_the_same_however_a_program_wrote_them(tmp_path):
    rows = [(p, x, float(n % 56) if x == "harmful" else str(n % 56)) for n, (p, x) in enumerate(LABELLED)]
    pairs = read_pairs(write(tmp_path / "a.jsonl", json_lines(rows, ("prompt", "label", "Pair"))))
    assert len(set(groups_by_prompt(pairs, tmp_path).values())) == 56


@pytest.mark.parametrize("value", [None, "", "nan", float("nan")])
def test_no_name_ties_nothing(tmp_path, value):
    rows = [(p, x, value) for p, x in LABELLED]
    pairs = read_pairs(write(tmp_path / "a.jsonl", json_lines(rows, ("prompt", "label", "pair"))))
    assert len(set(groups_by_prompt(pairs, tmp_path).values())) == 112


@pytest.mark.parametrize("column", ["pair", "group"])
def test_a_column_of_ties_counts_beside_the_pairs_of_a_row(tmp_path, column):
    rows = [(*row, "x" if n in (3, 9) else "") for n, row in enumerate(PAIRS)]
    group = groups_by_prompt(read_pairs(write(tmp_path / "a.csv", spreadsheet(rows, ("harmful", "harmless", column)))), tmp_path)
    assert len({group[prompt] for n in (3, 9) for prompt in PAIRS[n]}) == 1 and len(set(group.values())) == 55


@pytest.mark.parametrize("again", [HARMLESS[0], f"  {HARMLESS[0].upper()}\n", HARMLESS[0].replace(" ", "\u00a0")])
def test_a_repeated_prompt_is_kept_once_and_ties_all_its_pairs(tmp_path, again):
    rows = [(a, again if 0 < n < 4 else b) for n, (a, b) in enumerate(PAIRS)]
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet(rows)))
    assert len(pairs.harmless) == 53 and len(pairs.harmful) == 56
    group = groups_by_prompt(pairs, tmp_path)
    assert len({group[prompt] for prompt in (HARMLESS[0], *HARMFUL[:4])}) == 1 and len(set(group.values())) == 53
    (note,) = pairs.notes
    assert re.search(r"3 of 112 prompts .*red gate.* in .*line 3 \(first in .*line 2\)", note, re.IGNORECASE)
    assert splits_by_group(pairs, tmp_path).map(len).max() == 1


def test_harmless_prompts_that_are_reused_are_counted_once(tmp_path):
    path = write(tmp_path / "a.csv", spreadsheet([(a, HARMLESS[n % 20]) for n, a in enumerate(HARMFUL)]))
    with pytest.raises(DataError, match="20 different harmless prompts, and 36 that repeat one"):
        read_pairs(path)
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet([(a, HARMLESS[n % 42]) for n, a in enumerate(HARMFUL)])))
    assert (len(pairs.harmful), len(pairs.harmless)) == (56, 42)
    assert splits_by_group(pairs, tmp_path).map(len).max() == 1


@pytest.mark.parametrize("other", [HARMFUL[7], HARMFUL[7].lower() + " ", HARMFUL[7].rstrip("?") + "!"])
def test_a_prompt_on_both_sides_is_refused_with_both_rows(tmp_path, other):
    path = write(tmp_path / "a.csv", spreadsheet(changed((HARMFUL[3], other))))
    with pytest.raises(DataError, match=r"(?s)line 9:.*harmful here and harmless in .*line 5"):
        read_pairs(path)


@pytest.mark.parametrize("form", [f"{PREAMBLE}{{}}", f"{{}} {PREAMBLE}", f"{PREAMBLE}{{}} {PREAMBLE[::-1]}"])
def test_what_all_prompts_share_makes_no_near_duplicates(tmp_path, form):
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet([(form.format(a), form.format(b)) for a, b in PAIRS])))
    assert len(set(groups_by_prompt(pairs, tmp_path).values())) == 56
    assert [note.split(":")[0] for note in pairs.notes] == ["harmful", "harmless"]
    assert splits_by_group(pairs, tmp_path).map(len).max() == 1


def test_near_duplicates_of_one_side_keep_their_pairs_together(tmp_path):
    rows = [(f"{a} Please write the answer as {'one' if n % 2 else 'two'}" if n < 6 else a, b) for n, (a, b) in enumerate(PAIRS)]
    rows = [
        (rows[n - n % 2][0].replace("two", "one") + "." * (n % 2) + "s" * (n % 2) if n < 6 else a, b)
        for n, (a, b) in enumerate(rows)
    ]
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet(rows)))
    group = groups_by_prompt(pairs, tmp_path)
    assert len(set(group.values())) == 53 and all(group[HARMLESS[n]] == group[HARMLESS[n + 1]] for n in (0, 2, 4))
    assert splits_by_group(pairs, tmp_path).map(len).max() == 1
    assert any("56 groups of prompts became 53" in note for note in pairs.notes)


def test_too_few_groups_name_the_merging_a_pair_of_prompts_and_the_lever(tmp_path):
    rows = [(a.replace("break", f"break {PREAMBLE}"), b) for a, b in PAIRS]
    path = write(tmp_path / "a.csv", spreadsheet([(f"{n} {a}", b) for n, (a, b) in enumerate(rows)]))
    with pytest.raises(DataError, match=r"(?s)rows in split.*near_duplicate.* and .*--near-duplicate") as caught:
        read_pairs(path)
    value = float(re.search(r"--near-duplicate ([\d.]+)", caught.value.remedy).group(1))
    pairs = read_pairs(path, value)
    assert pairs.options["near_duplicate"] == value and len(pairs.harmful) == 56


def test_as_few_prompts_as_are_asked_for_are_split_so_that_every_split_has_enough(tmp_path):
    rows = [(p, x, f"{'abc'[n % 3]}{n % 40}") for n, (p, x) in enumerate(LABELLED[:40] + LABELLED[56:96])]
    pairs = read_pairs(write(tmp_path / "a.csv", spreadsheet(rows, ("prompt", "label", "pair"))))
    assert splits_by_group(pairs, tmp_path).map(len).max() == 1


def test_a_file_whose_columns_are_called_otherwise_is_read_by_the_names_given(tmp_path):
    header = ("Positive", "negative", "harmful")
    path = write(tmp_path / "a.csv", spreadsheet([(a, b, "yes") for a, b in PAIRS], header))
    pairs = read_pairs(path, columns={"harmful": "positive", "harmless": "negative"})
    assert [prompt for _, prompt in pairs.harmful] == HARMFUL and [prompt for _, prompt in pairs.harmless] == HARMLESS


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"harmful": "bad"}, r"(?s)also 'bad'.*correct --columns"),
        ({"evil": "positive"}, r"(?s)evil=positive.*one of harmful, harmless"),
    ],
)
def test_names_that_do_not_fit_are_refused_in_words(tmp_path, columns, said):
    path = write(tmp_path / "a.csv", spreadsheet(PAIRS, ("positive", "negative")))
    with pytest.raises(DataError, match=said):
        read_pairs(path, columns=columns)
