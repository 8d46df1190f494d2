"""Models, prompts and edits behind a result."""

import pytest

from anatomy.runs.provenance.ingredients import CHANGED, edits, models, prompt_tables
from anatomy.store.digest import file_digest
from anatomy.store.files import write_json

EDIT = {"method": "row_mean", "strength": 2.0}


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json(tmp_path / "results/models/weak.s0.json", {"digest": "d" * 64})
    write_json(
        tmp_path / "results/edit/weak.s0/selected.json", {"row_mean": EDIT, "projection": None, "row_mean~shuffled-0": EDIT}
    )
    made = {"model_card": "results/models/weak.s0.json", "pick": "results/edit/weak.s0/selected.json"}
    return [
        {
            "rule": rule,
            "wildcards": {"model": "weak.s0"},
            "inputs": {"results/prompts/a.parquet": "e" * 64, "a.csv": "f" * 64},
            "outputs": {file: file_digest(tmp_path / file)},
        }
        for rule, file in made.items()
    ]


def test_they_are_named_with_digests_and_parameters(records):
    assert models(records) == {"weak.s0": "d" * 64}
    assert prompt_tables(records) == {"results/prompts/a.parquet": "e" * 64}
    assert edits(records) == {"weak.s0, row_mean": '{"method":"row_mean","strength":2.0}', "weak.s0, projection": "nothing"}


def test_a_file_that_was_changed_since_is_not_taken_for_what_the_job_made(records, tmp_path):
    for record in records:
        for file in record["outputs"]:
            write_json(tmp_path / file, {"row_mean": {"strength": 99.0}, "digest": "0" * 64})
    assert models(records) == {"weak.s0": CHANGED} and edits(records) == {"weak.s0": CHANGED}
    (tmp_path / "results/models/weak.s0.json").unlink()
    assert models(records) == {"weak.s0": CHANGED}
