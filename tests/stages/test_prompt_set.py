"""A prompt set of one's own: what is wrong with it is said with its place, and an earlier table stays as it was."""

import json
import re

import pandas as pd
import pytest

from anatomy.errors import DataError
from anatomy.stages.prompt_set import prepare

THINGS = ("river", "stone", "cloud", "apple", "violin", "harbour", "pepper", "window")
GOOD = [{"id": f"{a}-{b}", "prompt": f"Tell a tale of {a} against {b}"} for a in THINGS for b in THINGS if a != b]


def jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def csv(rows):
    return pd.DataFrame(rows).to_csv(index=False).encode()


BAD = {
    "missing id": (jsonl([*GOOD, {"prompt": "x"}]), {}, r"line 57", "no id"),
    "duplicate id": (jsonl([*GOOD, GOOD[0]]), {}, "line 57", "already used in line 1"),
    "empty prompt": (jsonl([*GOOD[:2], {"id": "e", "prompt": " "}]), {}, "line 3", "empty prompt"),
    "another encoding": (jsonl(GOOD) + b'{"id": "e", "prompt": "caf\xe9"}\n', {}, "set.jsonl", r"0xe9 .* \(line 57\)"),
    "malformed line": (jsonl(GOOD) + b'{"id": "e", "prompt"}\n', {}, "line 57", "column"),
    "missing label": (jsonl([*GOOD, {"id": "e", "prompt": "x", "label": "harmful"}]), {"label": None}, "line 1", "no label"),
    "too small a split": (jsonl(GOOD), {"minimum": 40}, "split", "rows"),
    "no such file": (None, {}, "set.jsonl", "no such file"),
}


@pytest.fixture
def out(tmp_path):
    """A table of an earlier run."""
    path = tmp_path / "prompts" / "mine.parquet"
    path.parent.mkdir()
    path.write_bytes(b"earlier")
    return path


def source(**options):
    return {"label": "harmful", "minimum": 4, **options}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_its_place_and_nothing_is_lost(tmp_path, out, case):
    content, options, where, found = BAD[case]
    file = tmp_path / "set.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        prepare("mine", source(file=str(file), **options), out, lambda text: None)
    assert re.search(where, caught.value.where)
    assert re.search(found, caught.value.found)
    assert caught.value.expected and out.read_bytes() == b"earlier"
    assert [path.name for path in out.parent.iterdir()] == ["mine.parquet"]


def test_published_splits_that_overlap_are_refused(tmp_path, out):
    files = {}
    for phase, rows in (
        ("fit", GOOD[:20]),
        ("select", GOOD[20:40]),
        ("test", [*GOOD[40:], {"id": "again", "prompt": GOOD[0]["prompt"].upper()}]),
    ):
        path = tmp_path / f"{phase}.csv"
        path.write_bytes(csv(rows))
        files[phase] = str(path)
    with pytest.raises(DataError, match="same wording"):
        prepare("mine", source(split_files=files), out, lambda text: None)
    assert out.read_bytes() == b"earlier"


def test_a_good_set_is_written_with_its_label(tmp_path, out):
    file = tmp_path / "set.jsonl"
    file.write_bytes(jsonl(GOOD))
    said = []
    prepare("mine", source(file=str(file)), out, said.append)
    table = pd.read_parquet(out)
    assert len(table) == len(GOOD) and (table["label"] == "harmful").all()
    assert set(table["split"]) == {"fit", "select", "test"} and "56 prompts" in said[0]
