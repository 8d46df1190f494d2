"""Paths of a command line as the run has to write them."""

from pathlib import Path

import pytest

from anatomy.config.places import placed, seen_from
from anatomy.errors import ConfigError
from anatomy.recipes.configuration import load_config

HERE, RUN = Path("/caller/stands/here"), Path("/run/folder")


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("a.csv", "/caller/stands/here/a.csv"),
        ("../a b/c", "/caller/stands/a b/c"),
        ("/data/x", "/data/x"),
        ("/run/folder/results/q", "results/q"),
        ("../../../run/folder", "."),
        (".", "/caller/stands/here"),
        ("r//q/", "/caller/stands/here/r/q"),
    ],
)
def test_a_path_is_the_same_file_in_the_folder_of_the_run(path, written):
    assert placed(path, HERE, RUN) == written


def test_options_that_hold_paths_are_placed_and_others_are_not(tmp_path):
    (tmp_path / "judge").mkdir()
    given = {
        "results": "r",
        "seeds": [1],
        "recipes": ["rosi"],
        "export": {"to": "../out", "push": {"hub": "org/name"}},
        "data": {"folder": "d", "mirror": None},
        "benchmarks": {"data": "b", "tasks": ["mmlu"]},
        "models": {
            "file": {"folder": "m", "kind": "base"},
            "hub": {"hub": "org/name", "revision": "a" * 40},
            "quantised": {"gguf": "m.gguf"},
            "packaged": {"packages": ["a==1.0/a/m.gguf"]},
        },
        "prompt_sets": {"x": {"split_files": {"fit": "f.csv"}}, "y": {"dataset": "xstest/safe", "published": True}},
        "pasta": {"pairwise": {"judge": "judge"}, "own_detectors": {"n": {"scorer": "an-id", "adapter": "lora"}}},
    }
    base = str(tmp_path)
    assert seen_from(given, tmp_path, RUN) == {
        "results": f"{base}/r",
        "seeds": [1],
        "recipes": ["rosi"],
        "export": {"to": str(tmp_path.parent / "out"), "push": {"hub": "org/name"}},
        "data": {"folder": f"{base}/d", "mirror": None},
        "benchmarks": {"data": f"{base}/b", "tasks": ["mmlu"]},
        "models": {
            "file": {"folder": f"{base}/m", "kind": "base"},
            "hub": {"hub": "org/name", "revision": "a" * 40},
            "quantised": {"gguf": f"{base}/m.gguf"},
            "packaged": {"packages": ["a==1.0/a/m.gguf"]},
        },
        "prompt_sets": {"x": {"split_files": {"fit": f"{base}/f.csv"}}, "y": {"dataset": "xstest/safe", "published": True}},
        "pasta": {"pairwise": {"judge": f"{base}/judge"}, "own_detectors": {"n": {"scorer": "an-id", "adapter": f"{base}/lora"}}},
    }


def test_where_the_caller_stands_in_the_folder_of_the_run_nothing_changes():
    given = {"results": "results/quick", "export": {"to": "out"}}
    assert seen_from(given, RUN, RUN) == given


@pytest.mark.parametrize(("written", "read"), [("results/", "results"), ("./a//b/../c", "a/c"), ("/x/", "/x")])
def test_a_folder_of_results_has_one_spelling(tmp_path, written, read):
    path = tmp_path / "mine.yaml"
    path.write_text(f"results: {written}\n")
    assert load_config(path).results == read


@pytest.mark.parametrize(
    "given",
    [
        "results: 'a{b}'",
        "models: {mine: {folder: 'x/{set}'}}",
        "prompt_sets: {mine: {file: 'a{b,c}.csv'}}",
        "prompt_sets: {mine: {split_files: {fit: '{model}.csv'}}}",
        "data: {folder: '}'}",
        "benchmarks: {data: '{x}'}",
        "model_judges: {guard: {kind: llama_guard, folder: '{judge}'}}",
    ],
)
def test_a_path_that_snakemake_reads_as_a_pattern_is_refused_by_name(tmp_path, given):
    path = tmp_path / "mine.yaml"
    path.write_text(given + "\n")
    with pytest.raises(ConfigError, match=r"expected a path without braces[\s\S]*a link to it"):
        load_config(path)
