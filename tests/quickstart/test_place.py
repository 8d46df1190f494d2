"""Quickstart writes into places of its own, and replaces nothing that it did not write."""

import os
from pathlib import Path

import pytest
from quick_run import ROOT

from anatomy.errors import AnatomyError, ConfigError, StoreError
from anatomy.quickstart.place import MARK, mark_folder, study_file
from anatomy.quickstart.study import HEAD

OURS = "# A study of one model with prompt pairs of one's own, written by `python -m anatomy.quickstart`. Only\nmodels: {}\n"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config").mkdir()
    return tmp_path


def place(run, name="mine", overwrite=False):
    return study_file(name, run, ROOT, overwrite=overwrite)


def everything(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("config", "config.yaml of the checkout"),
        ("quick", "quick.yaml of the checkout"),
        ("datasets", "datasets.yaml of the checkout"),
        ("store", "folder of results"),
        ("controller", "folder of results"),
        ("organism", "folder of results"),
        ("rosi", "section"),
        ("extract", "stage"),
        ("plan", "target"),
        ("advbench", "published data set"),
        ("mmlu", "published data set"),
        ("mine.", "ends in a dot"),
        ("nul", "a device on Windows"),
        ("con.v2", "a device on Windows"),
        ("com7", "a device on Windows"),
        ("m" * 65, "65 letters"),
    ],
)
def test_a_name_of_something_else_is_refused_with_its_meaning(run, name, why, overwrite):
    with pytest.raises(ConfigError, match=why) as caught:
        place(run, name, overwrite)
    assert caught.value.where == "--name" and caught.value.remedy
    assert list(run.iterdir()) == [run / "config"]


@pytest.mark.parametrize("name", ["mine", "my-store", "llama3.2-1b", "console", "2026_run", "m" * 64])
def test_other_names_are_free(run, name):
    assert place(run, name) == Path("config") / f"{name}.yaml"


def test_the_workflows_own_files_have_names_that_are_taken():
    """Whatever the checkout brings in ``config``; a study in it, of a reader of this, is no part of it."""
    for path in (ROOT / "config").iterdir():
        if path.suffix == ".yaml" and "anatomy.quickstart`" not in path.read_text(encoding="utf-8").partition("\n")[0]:
            with pytest.raises(AnatomyError):
                place(ROOT, path.stem, True)


def write(path, text="theirs"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def their_configuration(run):
    write(run / "config" / "mine.yaml", "results: results/mine\n")


def a_link(run):
    write(run / "shared.yaml", OURS)
    (run / "config" / "mine.yaml").symlink_to(run / "shared.yaml")


def a_link_to_nothing(run):
    (run / "config" / "mine.yaml").symlink_to(run / "gone.yaml")


def a_folder_of_that_name(run):
    (run / "config" / "mine.yaml").mkdir()


def their_data(run):
    write(run / "data" / "mine" / "harmful.csv")


def a_file_for_data(run):
    write(run / "data" / "mine")


def a_link_for_data(run):
    (run / "elsewhere").mkdir()
    (run / "data").mkdir()
    (run / "data" / "mine").symlink_to(run / "elsewhere")


def their_results(run):
    write(run / "results" / "mine" / "store" / "rows")


def a_binary_file(run):
    (run / "config" / "mine.yaml").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "lying",
    [
        their_configuration,
        a_link,
        a_link_to_nothing,
        a_folder_of_that_name,
        a_binary_file,
        their_data,
        a_file_for_data,
        a_link_for_data,
        their_results,
    ],
    ids=lambda lying: lying.__name__,
)
def test_what_quickstart_did_not_write_stays_whatever_is_asked(run, lying, overwrite):
    lying(run)
    before = everything(run)
    with pytest.raises(StoreError) as caught:
        place(run, overwrite=overwrite)
    assert "mine" in caught.value.where and "--name" in caught.value.remedy and everything(run) == before


def test_what_quickstart_wrote_is_replaced_if_that_is_asked(run):
    write(run / "config" / "mine.yaml", OURS)
    their_data(run), their_results(run)
    with pytest.raises(StoreError, match="a study of this name"):
        place(run)
    assert place(run, overwrite=True) == Path("config/mine.yaml")


def test_prompt_sets_of_a_call_that_failed_later_are_replaced(run):
    """They are written before the model is examined."""
    mark_folder("mine", run)
    write(run / "data" / "mine" / "harmful.csv")
    assert place(run) and MARK in os.listdir(run / "data" / "mine")


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_of_the_run_that_is_none_is_named(tmp_path, there):
    if there:
        (tmp_path / "run").touch()
    with pytest.raises(ConfigError, match="--directory"):
        place(tmp_path / "run")


def test_a_folder_that_holds_no_configuration_yet_is_fine(tmp_path):
    assert place(tmp_path) == Path("config/mine.yaml")


def test_a_study_is_known_by_what_is_written_into_it(run):
    """The mark is the first line of every configuration that quickstart writes."""
    assert OURS.partition(". ")[0] == HEAD.partition(". ")[0]
