import json
from pathlib import Path

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.sources.prompts.table import COLUMNS, read_prompts

ROWS = [
    {"id": "1", "prompt": "Wie heißt du?", "label": "benign"},
    {"id": "2", "prompt": 'Say "hi",\nthen stop.', "label": "harmful"},
]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def jsonl(*records: object) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_every_format_gives_the_same_table(tmp_path, kind):
    path = tmp_path / f"set.{kind}"
    frame = pd.DataFrame(ROWS)
    match kind:
        case "csv":
            frame.to_csv(path, index=False)
        case "tsv":
            frame.to_csv(path, index=False, sep="\t")
        case "jsonl":
            path.write_text(jsonl(*ROWS), encoding="utf-8")
        case "json":
            path.write_text(json.dumps(ROWS), encoding="utf-8")
        case "parquet":
            frame.to_parquet(path)
    table = read_prompts(path)
    assert tuple(table.columns) == (*COLUMNS, "place")
    assert table["prompt"].tolist() == [row["prompt"] for row in ROWS]
    assert table["group"].tolist() == ["1", "2"]
    assert table[["response", "category", "source", "pair"]].isna().all(axis=None)
    assert (table.dtypes == "str").all()


def test_table_survives_parquet_and_is_its_own_input(tmp_path):
    table = read_prompts(write(tmp_path, "a.jsonl", jsonl(*ROWS)), set_name="mine")
    table.to_parquet(tmp_path / "b.parquet", index=False)
    again = read_prompts(tmp_path / "b.parquet")
    pd.testing.assert_frame_equal(table.drop(columns="place"), again.drop(columns="place"))


def test_columns_are_mapped_and_a_mapped_column_wins_over_one_with_our_name(tmp_path):
    path = write(tmp_path, "a.jsonl", jsonl({"id": 7, "text": "the question", "prompt": "a note"}))
    table = read_prompts(path, {"text": "prompt"}, "s", values={"label": "harmful"})
    assert table.loc[0, ["id", "prompt", "label", "source"]].tolist() == ["7", "the question", "harmful", "s"]


def test_derived_ids_follow_content_not_position(tmp_path):
    first = read_prompts(write(tmp_path, "a.jsonl", jsonl({"prompt": "a"}, {"prompt": "b"})), derive_ids=True)
    second = read_prompts(write(tmp_path, "b.jsonl", jsonl({"prompt": "b"}, {"prompt": "a"})), derive_ids=True)
    assert first["id"].tolist() == second["id"].tolist()[::-1]


def test_raw_line_separators_inside_json_strings_are_text(tmp_path):
    path = write(tmp_path, "a.jsonl", jsonl({"id": "1", "prompt": "one\u2028two"}))
    assert read_prompts(path)["prompt"].tolist() == ["one\u2028two"]


def test_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = write(tmp_path, "a.csv", b"\xef\xbb\xbfid,prompt\n1,hello\n")
    assert read_prompts(path)["id"].tolist() == ["1"]


BAD = {
    "missing id": ("a.jsonl", jsonl({"id": "1", "prompt": "a"}, {"prompt": "b"}), "line 2", "no id"),
    "blank id": ("a.csv", "id,prompt\n1,a\n ,b\n", "line 3", "no id"),
    "duplicate id": ("a.csv", "id,prompt\n1,a\n2,b\n1,c\n", "line 4", "already used in line 2"),
    "empty prompt": ("a.jsonl", jsonl({"id": "1", "prompt": "a"}, {"id": "2", "prompt": ""}), "line 2", "empty prompt"),
    "blank prompt": ("a.csv", 'id,prompt\n1,"a\nb"\n2,"  \t"\n', "line 4", "empty prompt"),
    "null prompt": ("a.json", '[{"id": 1, "prompt": null}]', "row 1", "empty prompt"),
    "no prompt column": ("a.csv", "id,question\n1,a\n", "a.csv", "question"),
    "prompt that is a list": ("a.jsonl", jsonl({"id": "1", "prompt": ["a"]}), "line 1", "a list in prompt"),
    "latin-1": ("a.jsonl", b'{"id": "1",\n "prompt": "caf\xe9"}', "a.jsonl", "0xe9 at byte offset 27 (line 2)"),
    "half surrogate": ("a.jsonl", '{"id": "1", "prompt": "\\ud800"}\n', "line 1", "surrogate"),
    "malformed line": ("a.jsonl", jsonl({"id": "1", "prompt": "a"}) + "\n{oops\n", "line 3", "column 2"),
    "line that is no object": ("a.jsonl", '{"id": "1", "prompt": "a"}\n[1]\n', "line 2", "a list"),
    "malformed array": ("a.json", '[{"id": 1,\n "prompt": }]', "line 2", "column"),
    "json that is no array": ("a.json", '{"id": 1}', "top level", "a dict"),
    "ragged csv": ("a.csv", "id,prompt\n1,a,b\n", "line 2", "3 fields"),
    "open quote": ("a.csv", 'id,prompt\n1,"a\n', "line 2", "unexpected end"),
    "repeated header": ("a.csv", "id,prompt,id\n1,a,2\n", "line 1", "repeated"),
    "no parquet": ("a.parquet", b"PAR1 but not really", "the file", ""),
    "unknown extension": ("a.docx", b"", "a.docx", "'.docx'"),
    "duplicate id in other letters": ("a.csv", "ID,Prompt\n1,a\n1,b\n", "line 3", "already used in line 2"),
    "no rows": ("a.csv", "id,prompt\n", "a.csv", "no rows"),
    "unknown split": ("a.csv", "id,prompt,split\n1,a,train\n", "line 2", "'train'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_with_their_place(tmp_path, case):
    name, content, where, found = BAD[case]
    with pytest.raises(DataError) as caught:
        read_prompts(write(tmp_path, name, content))
    assert where in caught.value.where
    assert found in caught.value.found


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_prompts(tmp_path / "absent.csv")


def test_missing_labels_are_counted_where_they_are_needed(tmp_path):
    path = write(tmp_path, "a.csv", "id,prompt,label\n1,a,x\n2,b,\n3,c,\n")
    assert read_prompts(path)["label"].isna().sum() == 2
    with pytest.raises(DataError) as caught:
        read_prompts(path, require_label=True)
    assert "line 3" in caught.value.where and "1 more" in caught.value.found


def test_paths_may_not_leave_the_root(tmp_path):
    (tmp_path / "in").mkdir()
    outside = write(tmp_path, "a.csv", "id,prompt\n1,a\n")
    with pytest.raises(DataError, match="leads outside"):
        read_prompts(tmp_path / "in" / ".." / "a.csv", root=tmp_path / "in")
    (tmp_path / "in" / "link.csv").symlink_to(outside)
    with pytest.raises(DataError, match="leads outside"):
        read_prompts(tmp_path / "in" / "link.csv", root=tmp_path / "in")
    assert len(read_prompts(outside, root=tmp_path)) == 1


def test_mapping_of_an_absent_column_says_what_there_is(tmp_path):
    path = write(tmp_path, "a.csv", "id,question\n1,a\n")
    with pytest.raises(DataError, match="question"):
        read_prompts(path, {"instruction": "prompt"})
    with pytest.raises(DataError, match="target columns"):
        read_prompts(path, {"question": "text"})


def test_two_file_columns_for_one_of_ours_are_refused(tmp_path):
    path = write(tmp_path, "a.csv", "id,question,text\n1,a,b\n")
    with pytest.raises(DataError, match="named twice"):
        read_prompts(path, {"question": "prompt", "text": "prompt"})


def test_a_configured_value_may_not_contradict_the_file(tmp_path):
    path = write(tmp_path, "a.csv", "id,prompt,label\n1,a,benign\n")
    with pytest.raises(DataError, match="benign"):
        read_prompts(path, values={"label": "harmful"})


REAL = {
    "refusal_direction/harmful_train.json": ({"instruction": "prompt"}, True, 260),
    "refusal_direction/harmful_val.json": ({"instruction": "prompt"}, True, 39),
    "refusal_direction/harmless_val.json": ({"instruction": "prompt"}, True, 6264),
    "xstest/xstest_prompts.csv": ({"type": "category"}, False, 450),
    "mmlu/anatomy_test.csv": ({"question": "prompt", "answer": "label"}, True, 135),
    "gsm8k/test.jsonl": ({"question": "prompt", "answer": "response"}, True, 1319),
    "truthfulqa/validation.json": ({"question": "prompt"}, False, 817),
}


@pytest.mark.parametrize("name", REAL)
def test_real_files_load_whole(shared_data, name):
    columns, derive_ids, n_rows = REAL[name]
    table = read_prompts(shared_data / name, columns, Path(name).stem, derive_ids=derive_ids)
    assert len(table) == n_rows
    assert table["id"].is_unique and table["prompt"].str.strip().ne("").all()
