"""The name of a file in the records of its run, wherever its reader stands and the results have gone."""

import json
import os
from pathlib import Path

import pytest

from anatomy.runs.provenance.names import name_in_run, run_folder


@pytest.fixture
def run(tmp_path):
    def make(written, results):
        folder = tmp_path / results
        (folder / "provenance").mkdir(parents=True)
        (folder / "provenance" / "configuration.json").write_text(json.dumps({"results": written}))
        return folder

    return make


@pytest.mark.parametrize("stand", [".", "code", "code/results/figures", "elsewhere"])
def test_a_file_is_named_as_its_run_named_it(run, tmp_path, monkeypatch, stand):
    results = run("results", "code/results")
    for folder in ("code/results/figures", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path / stand)
    file = os.path.relpath(results / "figures" / "a.csv")
    for place in (Path(file), results / "figures" / "a.csv"):
        assert name_in_run(place, Path(os.path.relpath(results))) == "results/figures/a.csv"
    assert run_folder(Path(os.path.relpath(results))) == tmp_path / "code"


def test_results_with_an_absolute_name_keep_it(run, tmp_path, monkeypatch):
    results = run(str(tmp_path / "of mine"), "of mine")
    monkeypatch.chdir(tmp_path)
    assert name_in_run(results / "a.csv", results) == str(tmp_path / "of mine" / "a.csv")
    assert run_folder(results) == tmp_path


def test_moved_results_have_the_folder_around_them(run, tmp_path):
    results = run("results/quick", "moved/results/quick")
    assert name_in_run(results / "a.csv", results) == "results/quick/a.csv" and run_folder(results) == tmp_path / "moved"


@pytest.mark.parametrize("text", ["[]", "{", '{"results": 3}'])
def test_without_a_configuration_the_name_stays_as_typed(tmp_path, text):
    (tmp_path / "provenance").mkdir()
    (tmp_path / "provenance" / "configuration.json").write_text(text)
    assert name_in_run(Path("results/a.csv"), tmp_path) == "results/a.csv"
