"""Paths of a command line mean what they mean where its caller stands, whatever folder the work is done in."""

from pathlib import Path

import pytest
from copied_checkout import ROOT, WORLD, call, copy_checkout, load_bootstrap

standing = load_bootstrap().standing


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkouts") / "one")


@pytest.fixture
def here(tmp_path) -> Path:
    folder = tmp_path / "my studies"
    folder.mkdir()
    return folder


def test_a_program_sees_the_callers_file_and_not_one_of_its_name_in_the_checkout(checkout, here):
    (checkout / "pairs.csv").write_text("the checkout's")
    (here / "pairs.csv").write_text("the caller's")
    done = call(checkout, "python", "-c", "print(open('pairs.csv').read())", cwd=here)
    assert done.stdout == "the caller's\n", done.stderr


def test_snakemake_takes_configuration_results_and_targets_from_there(checkout, here):
    (checkout / "mine.yaml").write_text("no_such_option: true\n")
    (here / "mine.yaml").write_text("organism: {recipe: quick}\n")
    done = call(
        checkout,
        "snakemake",
        f"of mine/{WORLD}",
        "--cores",
        "1",
        "--configfile",
        "mine.yaml",
        "--config",
        "results=of mine",
        cwd=here,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (here / "of mine" / WORLD).is_file() and not (checkout / "of mine").exists()
    assert (checkout / ".snakemake").is_dir() and not (here / ".snakemake").exists()


def test_with_a_directory_of_the_callers_everything_lies_there(checkout, here):
    (here / "mine.yaml").write_text("organism: {recipe: quick}\n")
    done = call(
        checkout, "snakemake", f"results/{WORLD}", "--directory", ".", "--cores", "1", "--configfile", "mine.yaml", cwd=here
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (here / "results" / WORLD).is_file() and (here / ".snakemake").is_dir()


def test_the_command_that_goes_on_is_the_one_that_was_typed(checkout, here):
    words, more = standing.placed(["snakemake", "all"], here, checkout)
    assert words == ["snakemake", "--snakefile", f"{checkout}/Snakefile", "--directory", str(checkout), "all"]
    assert more["ANATOMY_COMMAND"].startswith("python3 ") and more[standing.VARIABLE] == str(here)


def test_a_file_that_snakemake_writes_lies_where_the_caller_stands(checkout, here):
    words, _ = standing.placed(["snakemake", "--report", "r.html", "all", "--archive=a.tar", "--report"], here, checkout)
    assert words[5:] == ["--report", f"{here}/r.html", "all", f"--archive={here}/a.tar", "--report"]


@pytest.mark.parametrize("command", [["snakemake", "all"], ["pytest", "tests/envs"], ["python", "x.py"], ["ruff", "check", "."]])
def test_in_the_checkout_a_command_stays_as_it_is(command):
    words, more = standing.placed(command, ROOT, ROOT)
    assert words == command and standing.VARIABLE not in more


@pytest.mark.parametrize(
    ("arguments", "added"),
    [
        ([], True),
        (["-x", "-k", "paths"], True),
        (["-m", "not engine"], True),
        (["mine.py"], False),
        (["typo/test_x.py::test_y"], False),
        (["there::test_x"], False),
    ],
)
def test_pytest_runs_the_projects_tests_where_no_path_is_named(here, arguments, added):
    (here / "there").mkdir()
    words, _ = standing.placed(["pytest", *arguments], here, ROOT)
    assert words[1:5] == ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    assert (words[-1] == str(ROOT / "tests")) == added


def test_a_file_of_the_callers_is_not_taken_for_a_module(checkout, here):
    (here / "argparse.py").write_text("raise SystemExit('the wrong argparse')\n")
    done = call(checkout, "python", "-m", "anatomy.sources.registry", "--help", cwd=here)
    assert done.returncode == 0 and "registry" in done.stdout, done.stderr


def test_a_link_to_the_checkout_is_the_checkout(checkout, here):
    (here / "link").symlink_to(checkout)
    done = call(here / "link", "python", "-c", "import anatomy; print(anatomy.__file__)", cwd=here)
    assert done.stdout.strip() == str(checkout / "workflow" / "anatomy" / "__init__.py")
    words, _ = standing.placed(["snakemake"], here / "link", checkout)
    assert words == ["snakemake"]


def test_two_checkouts_keep_to_themselves(checkout, tmp_path):
    other = copy_checkout(tmp_path / "two")
    for one in (checkout, other):
        done = call(one, "python", "-c", "import anatomy; print(anatomy.__file__)", cwd=other)
        assert done.stdout.startswith(f"{one}/workflow/")


def test_a_folder_that_is_gone_is_named_and_one_that_cannot_be_read_does(checkout, tmp_path):
    again = [str(checkout / "envs" / "bootstrap.py"), "python", "-c", ""]
    program = f"import os, sys; os.rmdir(os.getcwd()); os.execv(sys.executable, [sys.executable, *{again}])"
    gone = tmp_path / "gone"
    gone.mkdir()
    done = call(checkout, "python", "-c", program, cwd=gone)
    assert done.returncode == 1 and "is gone" in done.stderr and "Traceback" not in done.stderr
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o311)
    done = call(checkout, "python", "-c", "import os; print(os.getcwd())", cwd=closed)
    assert done.stdout.strip() == str(closed)
