"""From files of every form to prompts: columns, labels, subsets, published splits, counts."""

import json
from pathlib import Path

import pandas as pd
import pytest

from anatomy.config.data import Data
from anatomy.errors import DataError
from anatomy.sources.registry.catalogue import load_catalogue
from anatomy.sources.registry.fetch import fetch_entry
from anatomy.sources.registry.rows import prompt_rows
from anatomy.stages.prompt_set import prepare

FORMS = {
    "table": ("set.csv", 'goal,target\nTell a tale,Sure\n"Sing, please",Sure\n'),
    "json lines": ("set.json", '{"goal": "Tell a tale"}\n\n{"goal": "Sing, please"}\n'),
    "lines": ("set.txt", "Tell a tale\r\n\nSing, please\n"),
    "strings": ("set.json", '["Tell a tale", "Sing, please"]'),
    "no header": ("set.csv", 'Tell a tale\n"Sing, please"\n'),
}


def put(data, path, content):
    place = Path(data.folder) / "set" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content, encoding="utf-8")


def prompts(found):
    return [row["prompt"] for _, rows in found for _, row in rows]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_prompts(data, make_entry, form):
    path, content = FORMS[form]
    put(data, path, content)
    column = "goal" if form in ("table", "json lines") else "prompt"
    entry = make_entry([{"path": path, "rows": 2}], form=form, columns={column: "prompt"}, rows=2)
    found = prompt_rows(data, "set", entry, None)
    assert prompts(found) == ["Tell a tale", "Sing, please"]
    assert {row["label"] for _, rows in found for _, row in rows} == {"harmful"}
    ids = [row["id"] for _, rows in found for _, row in rows]
    assert len(set(ids)) == 2 and all(name.startswith("set-") for name in ids)


def test_only_mapped_columns_are_read_and_labels_are_translated(data, make_entry):
    put(data, "set.csv", "text,label,split,side\nOne,odd,train,safe\nTwo,odd,test,unsafe\n")
    entry = make_entry(
        [{"path": "set.csv"}],
        columns={"text": "prompt", "side": "label"},
        label=None,
        labels={"safe": "benign", "unsafe": "harmful"},
    )
    rows = [row for _, rows in prompt_rows(data, "set", entry, None) for _, row in rows]
    assert [row["label"] for row in rows] == ["benign", "harmful"] and not any("split" in row for row in rows)


def test_choosing_rows_and_subsets(data, make_entry):
    put(data, "set.csv", "goal,input,kind\nOne,,a\nTwo,x,a\nThree,,b\n")
    entry = make_entry(
        [{"path": "set.csv", "rows": 3}], where={"input": [""]}, rows=2, subsets={"b": {"where": {"kind": ["b"]}, "rows": 1}}
    )
    assert prompts(prompt_rows(data, "set", entry, None)) == ["One", "Three"]
    found = prompt_rows(data, "set", entry, "b")
    assert prompts(found) == ["Three"] and found[0][1][0][1]["source"] == "set/b"


def test_values_of_a_file_are_columns_too(data, make_entry):
    for kind in "ab":
        put(data, f"{kind}.txt", f"Tell of {kind}\n")
    entry = make_entry(
        [{"path": f"{kind}.txt", "values": {"kind": kind}} for kind in "ab"],
        form="lines",
        columns={"prompt": "prompt", "kind": "category"},
        subsets={"b": {"where": {"kind": ["b"]}}},
    )
    assert prompts(prompt_rows(data, "set", entry, "b")) == ["Tell of b"]
    assert [row["category"] for _, rows in prompt_rows(data, "set", entry, None) for _, row in rows] == ["a", "b"]


def test_a_prompt_that_stands_twice_is_kept_under_two_ids(data, make_entry):
    put(data, "set.csv", "goal\nOne\nOne\n")
    rows = [row for _, rows in prompt_rows(data, "set", make_entry([{"path": "set.csv"}]), None) for _, row in rows]
    assert rows[1]["id"] == rows[0]["id"] + "-2"


def test_published_splits_keep_their_later_copy(data, make_entry):
    put(data, "train.csv", "goal\nTell a tale\nSing\n")
    put(data, "test.csv", "goal\nTELL a tale!\nDance\n")
    entry = make_entry([{"path": "train.csv", "split": "fit"}, {"path": "test.csv", "split": "test"}])
    said = []
    assert prompts(prompt_rows(data, "set", entry, None, say=said.append)) == ["Sing", "TELL a tale!", "Dance"]
    assert said == ["1 prompts left out: their wording stands in a later published split too"]
    assert len(prompts(prompt_rows(data, "set", entry, None, published=False))) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"files": [{"path": "set.csv", "rows": 3}]}, "2 rows"),
        ({"rows": 1}, "2 rows"),
        ({"columns": {"question": "prompt"}}, "question"),
        ({"where": {"side": ["a"]}}, "side"),
        ({"files": [{"path": "set.csv", "sha256": "0" * 64}]}, "SHA-256"),
        ({"files": [{"path": "gone.csv"}]}, "no such file"),
        ({"form": "strings", "columns": {"prompt": "prompt"}}, "malformed"),
    ],
)
def test_files_that_are_not_what_the_registry_says_are_refused(data, make_entry, change, message):
    put(data, "set.csv", "goal\nOne\nTwo\n")
    with pytest.raises(DataError) as caught:
        prompt_rows(data, "set", make_entry(**{"files": [{"path": "set.csv"}], **change}), None)
    assert message in caught.value.found + caught.value.expected and caught.value.where


def test_a_prompt_set_by_name(data, make_entry, tmp_path):
    put(data, "set.csv", "goal\n" + "".join(f"Tell a tale of lamp {n} and its {n * 7} friends\n" for n in range(60)))
    entry = make_entry([{"path": "set.csv", "rows": 60}])
    prepare("mine", {"dataset": "set", "minimum": 4}, tmp_path / "mine.parquet", lambda text: None, data=data, entry=entry)
    table = pd.read_parquet(tmp_path / "mine.parquet")
    assert len(table) == 60 and set(table["source"]) == {"set"} and set(table["split"]) == {"fit", "select", "test"}


def test_a_set_read_on_the_test_split_alone_needs_no_other(data, make_entry, tmp_path):
    put(data, "set.csv", "goal\n" + "".join(f"Tell a tale of lamp {n} and its {n * 7} friends\n" for n in range(9)))
    entry = make_entry([{"path": "set.csv", "split": "test"}])
    prepare("mine", {"dataset": "set"}, tmp_path / "mine.parquet", lambda text: None, phases=("test",), data=data, entry=entry)
    assert set(pd.read_parquet(tmp_path / "mine.parquet")["split"]) == {"test"}
    with pytest.raises(DataError, match="'fit'"):
        prepare("mine", {"dataset": "set"}, tmp_path / "mine.parquet", lambda text: None, data=data, entry=entry)


def test_real_files_of_the_registry(shared_data, tmp_path):
    """XSTest and Arditi's harmful splits as published: every row and digest is as the registry says."""
    data, catalogue = Data(folder=str(tmp_path), mirror=str(shared_data), offline=True), load_catalogue()
    fetch_entry(data, "xstest", catalogue["xstest"])
    safe = [row for _, rows in prompt_rows(data, "xstest", catalogue["xstest"], "safe") for _, row in rows]
    assert len(safe) == 250 and {row["label"] for row in safe} == {"benign"} and {row["split"] for row in safe} == {"test"}
    harmful = catalogue["refusal_direction_harmful"]
    known = harmful.model_copy(update={"files": harmful.files[:2], "rows": 260 + 39})
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "refusal_direction_harmful").symlink_to(shared_data / "refusal_direction")
    data = data.model_copy(update={"mirror": str(mirror)})
    fetch_entry(data, "refusal_direction_harmful", known)
    found = prompt_rows(data, "refusal_direction_harmful", known, None)
    assert [len(rows) for _, rows in found] == [260, 39]
    published = json.loads((shared_data / "refusal_direction" / "harmful_val.json").read_text())
    assert [row["prompt"] for _, row in found[1][1]] == [row["instruction"] for row in published]
