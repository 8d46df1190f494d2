"""From a model folder and a file of pairs to a study, or to the first thing that would have failed later."""

import csv

import pytest
import yaml
from tiny_model import make_tiny_model

from anatomy.config.load import load_config
from anatomy.errors import DataError
from anatomy.quickstart.__main__ import main
from anatomy.quickstart.pairs import read_pairs, write_sets

THINGS = [f"{colour} {thing}" for colour in ("red", "green", "blue", "grey", "pale", "dark", "small", "tall")
          for thing in ("gate", "river", "bridge", "garden", "market", "kite", "tower")]


def write_pairs(path):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["harmful", "harmless"])
        writer.writerows((f"How do I break the {thing} at night?", f"Who painted the {thing} by the sea?") for thing in THINGS)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def call(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    pairs = write_pairs(tmp_path / "pairs.csv")

    def run(*more, name="mine", pairs=pairs, source=str(model)):
        return main(["--name", name, "--model", source, "--pairs", str(pairs), "--dtype", "float32", "--directory", ".", *more])
    return run


def test_it_writes_a_configuration_that_checks_and_says_what_will_run(call, tmp_path, capsys):
    assert call() == 0
    config = load_config(tmp_path / "config" / "mine.yaml")
    assert list(config.models) == ["mine"] and config.rosi.headline == config.selection.headline == ["mine"]
    said = capsys.readouterr().out
    for stage in ("extract", "localize", "screen", "select", "test", "measure", "all"):
        assert f"  {stage} " in said
    assert "--configfile config/mine.yaml" in said and "results/mine/report.html" in said


def test_both_sides_of_a_pair_fall_into_one_split(tmp_path):
    sets = write_sets(read_pairs(write_pairs(tmp_path / "pairs.csv")), tmp_path)
    groups = [[row["group"] for row in csv.DictReader(path.open(encoding="utf-8"))] for path in sets.values()]
    assert groups[0] == groups[1] and len(set(groups[0])) == len(THINGS)


def test_prompts_with_labels_are_read_too(tmp_path):
    path = tmp_path / "labelled.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "label"])
        writer.writerows((f"Question {number} about the {thing}?", label) for number, thing in enumerate(THINGS)
                         for label in ("harmful", "benign"))
    pairs = read_pairs(path)
    assert len(pairs.harmful) == len(pairs.harmless) == len(THINGS)


@pytest.mark.parametrize(("content", "message"), [
    ("question,answer\na,b\n", "harmful and harmless"), ("harmful,harmless\na,\n", "no text in column 'harmless'"),
    ("prompt,label\na,evil\n", "label 'evil'"), ("harmful,harmless\na,b\n", "1 harmful prompts")])
def test_bad_pairs_are_refused_with_their_place(tmp_path, content, message):
    path = tmp_path / "pairs.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_pairs(path)


def test_nothing_is_overwritten_unasked(call, tmp_path, capsys):
    (tmp_path / "config" / "mine.yaml").write_text("results: mine\n")
    assert call() == 1 and "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "config" / "mine.yaml").read_text() == "results: mine\n"
    assert call("--overwrite") == 0
    assert "models" in yaml.safe_load((tmp_path / "config" / "mine.yaml").read_text())


def test_a_hub_model_needs_a_commit_and_is_not_asked_for(call, capsys):
    assert call(source="org/name") == 1 and "revision" in capsys.readouterr().err
    assert call("--revision", "a" * 40, source="org/name") == 0
    assert "prefetch" in capsys.readouterr().out


def test_a_folder_that_is_no_model_is_refused_before_anything_is_written(call, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert call(source=str(tmp_path / "empty")) == 1
    assert "config.json" in capsys.readouterr().err and not (tmp_path / "config" / "mine.yaml").exists()
