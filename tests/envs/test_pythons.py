"""Any CPython from 3.11 to 3.13 makes an environment of its own; others look for one that does."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest
from copied_checkout import ROOT, load_bootstrap

bootstrap = load_bootstrap()
pythons = bootstrap.pythons


def put_python(folder, name, answer, status=0):
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ("cpython 3 11", True),
        ("cpython 3 12", True),
        ("cpython 3 13", True),
        ("cpython 3 13 t", False),
        ("cpython 3 10", False),
        ("cpython 3 14", False),
        ("cpython 2 7", False),
        ("pypy 3 11", False),
    ],
)
def test_which_pythons_fit(found, good):
    assert pythons.fits(*found.split()) == good


def test_the_cuda_set_takes_those_that_its_lock_resolves_for():
    assert pythons.fits("cpython", 3, 12, versions=pythons.CUDA) and not pythons.fits("cpython", 3, 13, versions=pythons.CUDA)


def test_one_that_does_not_fit_hands_over_to_one_that_does(tmp_path, monkeypatch):
    put_python(tmp_path / "bin", "python3.11", "pyenv: python3.11: command not found", status=127)
    put_python(tmp_path / "bin", "python3.12", "cpython 3 13 t")
    fitting = put_python(tmp_path / "bin", "python3.13", "cpython 3 13 ")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(pythons, "this_fits", lambda _versions: False)
    started = []
    monkeypatch.setattr(pythons, "os", SimpleNamespace(execv=lambda *words: started.append(words)))
    pythons.go_on_with_one_that_fits()
    assert started == [(fitting, [fitting, *sys.argv])]


def test_where_none_fits_it_says_what_was_found_and_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(pythons, "this_fits", lambda _versions: False)
    with pytest.raises(SystemExit, match=r"found Python 3\..*expected CPython 3\.11, 3\.12, 3\.13.*python3\.12-venv"):
        pythons.go_on_with_one_that_fits()


def test_another_python_has_another_environment(monkeypatch):
    here = bootstrap.environment_folder("cpu")
    assert f"-py{sys.version_info[0]}.{sys.version_info[1]}-" in here.name
    with monkeypatch.context() as patched:
        patched.setattr(bootstrap, "sys", SimpleNamespace(version_info=(3, 99)))
        assert bootstrap.environment_folder("cpu").name.startswith("cpu-py3.99-")
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "cpython-311-another-machine")
    assert bootstrap.environment_folder("cpu") != here


def test_pyproject_and_readme_name_the_same_versions():
    lowest, highest = pythons.VERSIONS[0], pythons.VERSIONS[-1]
    wanted = f'requires-python = ">={lowest[0]}.{lowest[1]},<{highest[0]}.{highest[1] + 1}"'
    assert wanted in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"Python {lowest[0]}.{lowest[1]} to {highest[0]}.{highest[1]}" in (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.10", "3.14"])
def test_a_real_python_that_does_not_fit_hands_over(version, tmp_path):
    beside = Path(sys.base_prefix).parent.glob(f"{version}*/bin/python{version}")  # where several are installed side by side
    program = next((str(path) for path in beside), None) or bootstrap.shutil.which(f"python{version}")
    if program is None or subprocess.run([program, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"no Python {version} here")
    done = subprocess.run(
        [program, ROOT / "envs" / "bootstrap.py", "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]},
    )
    assert done.returncode == 0 and "--set" in done.stdout, done.stderr
