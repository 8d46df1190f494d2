"""Paths and folders of a reproduction; the whole of it runs in tests/workflow."""

import pandas as pd
import pytest

from anatomy.errors import ConfigError, StoreError
from anatomy.runs.provenance import reproduction
from anatomy.runs.provenance.reproduction import absolute_paths, again_path, keep_configuration
from anatomy.store.digest import canonical_json, file_digest
from anatomy.store.files import read_json


def test_paths_of_a_configuration_hold_elsewhere(tmp_path):
    (tmp_path / "pairs.csv").write_text("")
    (tmp_path / "models").mkdir()
    config = {
        "prompt_sets": {"mine": {"file": "pairs.csv"}},
        "models": {"m": {"folder": "models/../models", "kind": "models"}},
        "judges": {"folder": "models"},
        "tasks": ["pairs.csv", "arc_easy"],
        "max_kl": 0.1,
        "to": None,
    }
    found = absolute_paths(config, tmp_path)
    assert found["prompt_sets"]["mine"]["file"] == str(tmp_path / "pairs.csv")
    assert found["models"]["m"] == {"folder": str(tmp_path / "models"), "kind": "models"}
    assert found["judges"]["folder"] == str(tmp_path / "models")
    assert found["tasks"] == [str(tmp_path / "pairs.csv"), "arc_easy"] and found["max_kl"] == 0.1


def test_a_file_keeps_its_place_below_results(tmp_path):
    assert again_path(str(tmp_path / "mine" / "figures" / "a.csv"), tmp_path / "mine") == "results/figures/a.csv"
    with pytest.raises(StoreError, match="under"):
        again_path(str(tmp_path / "a.csv"), tmp_path / "mine")


def test_the_last_configuration_is_kept(tmp_path):
    for value in ({"seeds": [0]}, {"seeds": [1]}):
        keep_configuration(tmp_path, value)
        assert read_json(tmp_path / "provenance" / "configuration.json") == value


def test_a_folder_with_other_files_is_left_alone(tmp_path, monkeypatch):

    monkeypatch.setattr(reproduction, "chain", lambda *_: [])
    keep_configuration(tmp_path / "results", {})
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="no reproduction made"):
        reproduction.reproduce(
            str(tmp_path / "results" / "a.csv"), tmp_path / "results", tmp_path / "full", relative=0.0, absolute=0.0, cores=1
        )
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]


@pytest.mark.workflow
def test_a_figure_names_all_that_it_was_made_of(own_run, monkeypatch, capsys):
    from anatomy.runs.provenance.__main__ import main

    monkeypatch.chdir(own_run)
    assert main(["show", "results/figures/headline.models.csv"]) == 0
    shown = capsys.readouterr().out
    for raw in (
        "harmful.csv",
        "benign.csv",
        "model/model.safetensors",
        "guard/model.safetensors",
        "results/prompts/harmful_requests.parquet",
    ):
        assert f"{raw}  {file_digest(own_run / raw)[:16]}" in shown
    assert f"mine  {read_json(own_run / 'results/models/mine.json')['digest'][:16]}" in shown
    picked = read_json(own_run / "results/edit/mine/selected.json")["row_mean"]
    assert f"mine, row_mean  {canonical_json(picked)}" in shown and "shuffled" not in shown.split("edits")[1].split("seeds")[0]
    for word in ("options.evaluation.seed 0", "options.statistics.seed 0", "torch 2", "processor ", "MB", "tokens", "code "):
        assert word in shown


@pytest.mark.workflow
def test_a_table_is_made_again_from_raw_pairs_and_is_the_same(own_run, tmp_path, monkeypatch, capsys):
    from anatomy.runs.provenance.__main__ import main

    monkeypatch.chdir(own_run)
    file = "results/localize/mine/grid.parquet"
    assert main(["show", file]) == 0
    shown = capsys.readouterr().out
    assert "harmful.csv" in shown and "model.safetensors" in shown and "localize.mine" in shown
    assert main(["reproduce", file, "--to", str(tmp_path / "again"), "--cores", "1"]) == 0
    assert "same:" in capsys.readouterr().out
    stored = pd.read_parquet(own_run / file)
    altered = own_run / "results/localize/mine/altered.parquet"
    try:
        stored.assign(induce=stored["induce"] + 0.5).to_parquet(altered)
        found = reproduction.compare(
            reproduction.read_values(altered), reproduction.read_values(tmp_path / "again" / file), 1e-6, 1e-9
        )
        assert found[1] == stored["induce"].notna().sum() and "induce" in found[0][0]
    finally:
        altered.unlink()
