"""From files of documents to the prefix set that a run reads, by the command."""

import json
from random import Random

import pandas as pd
import pytest

from anatomy.stages.prompt_set import prepare
from anatomy.texts.continuations.__main__ import main

WORDS = ["river", "garden", "mill", "stand", "gate", "where", "people", "write", "short", "note", "cake", "honey", "moon", "salt"]
SMALL = [
    "--count",
    "18",
    "--shares",
    "0.35",
    "0.3",
    "0.35",
    "--minimum",
    "1",
    "--prefix-tokens",
    "20",
    "--continuation-tokens",
    "5",
    "--near-duplicate",
    "0.9",
]


@pytest.fixture
def documents(tmp_path):
    """Two domains, one with its documents in a column of another name."""

    def text(name):
        return " ".join(Random(name).choices(WORDS, k=60))

    pd.DataFrame({"text": [text(f"e{k}") for k in range(20)]}).to_json(tmp_path / "essays.jsonl", orient="records", lines=True)
    pd.DataFrame({"article": [text(f"n{k}") for k in range(20)]}).to_csv(tmp_path / "news.csv", index=False)
    return [f"essays={tmp_path / 'essays.jsonl'}", f"news={tmp_path / 'news.csv'}:article"]


def test_a_corpus_is_made_that_a_run_reads_as_it_is(documents, tiny_folder, tmp_path):
    out = tmp_path / "data" / "prefixes.parquet"
    call = ["--documents", *documents, "--tokenizer", str(tiny_folder), "--out", str(out), *SMALL]
    assert main(call) == 0
    made = pd.read_parquet(out)
    assert made.groupby("category").size().to_dict() == {"essays": 18, "news": 18}
    prepare("prefixes", {"file": str(out), "minimum": 2}, tmp_path / "read.parquet", print)
    read = pd.read_parquet(tmp_path / "read.parquet").set_index("id").sort_index()
    made = made.set_index("id").sort_index()
    for column in ("prompt", "response", "category", "split", "label"):
        assert read[column].tolist() == made[column].tolist(), column
    again = tmp_path / "again.parquet"
    assert main([*call[: call.index("--out")], "--out", str(again), *SMALL]) == 0
    assert pd.read_parquet(again).equals(pd.read_parquet(out))


@pytest.mark.parametrize(
    ("argument", "told"), [("essays", "domain=file"), ("essays=gone.csv", "gone.csv"), ("essays=FILE:author", "author")]
)
def test_what_cannot_be_read_is_named_and_nothing_is_written(argument, told, tiny_folder, tmp_path, capsys):
    (tmp_path / "few.jsonl").write_text(json.dumps({"text": "too short"}) + "\n")
    argument = argument.replace("FILE", str(tmp_path / "few.jsonl"))
    out = tmp_path / "prefixes.parquet"
    assert main(["--documents", argument, "--tokenizer", str(tiny_folder), "--out", str(out)]) == 2
    assert told in capsys.readouterr().err and not out.exists()


def test_too_few_long_documents_are_counted(documents, tiny_folder, tmp_path, capsys):
    out = tmp_path / "prefixes.parquet"
    assert main(["--documents", *documents, "--tokenizer", str(tiny_folder), "--out", str(out)]) == 2
    assert "0 documents long enough" in capsys.readouterr().err and not out.exists()
