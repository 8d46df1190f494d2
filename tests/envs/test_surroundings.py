"""Variables that steer another Python, another Snakemake or another home: a run is as without them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from copied_checkout import WORLD, call, copy_checkout, load_bootstrap, make_world

surroundings = load_bootstrap().surroundings

READ_ONLY = "/proc"
"""A folder in which not even root can make a file."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkouts") / "ünï code")


@pytest.fixture
def foreign(tmp_path) -> Path:
    """Packages for another Python, and a file called like a module of the standard library."""
    folder = tmp_path / "python2"
    (folder / "numpy").mkdir(parents=True)
    for path in (folder / "numpy" / "__init__.py", folder / "argparse.py", folder / "sitecustomize.py"):
        path.write_text("raise ImportError('made for another Python')\n")
    return folder


def test_a_job_runs_under_variables_made_for_everything_else(checkout, foreign):
    shutil.rmtree(checkout / "results", ignore_errors=True)
    done = make_world(
        checkout,
        **{
            "PYTHONPATH": str(foreign),
            "PYTHONWARNINGS": "error",
            "PYTHONOPTIMIZE": "2",
            "PYTHONINSPECT": "1",
            "PYTHONSAFEPATH": "1",
            "PYTHONIOENCODING": "ascii",
            "PYTHONUTF8": "0",
            "PYTHONUSERBASE": str(foreign),
            "LC_ALL": "C",
            "LANG": "C",
            "PIP_USER": "1",
            "PIP_REQUIRE_VIRTUALENV": "1",
            "CONDA_PREFIX": "/no/conda",
            "CONDA_DEFAULT_ENV": "base",
            "CONDA_SHLVL": "1",
            "SNAKEMAKE_PROFILE": "/no/profile",
            "SNAKEMAKE_OUTPUT_CACHE": "/no/cache",
            "TMPDIR": "/no/tmp",
            "XDG_CACHE_HOME": f"{READ_ONLY}/x",
            "HF_HOME": f"{READ_ONLY}/x",
            "COLUMNS": "wide",
            "LINES": "-1",
            "TERM": "",
            "NO_COLOR": "1",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (checkout / "results" / WORLD).is_file()


def test_a_job_runs_without_a_home_that_can_be_written(checkout):
    shutil.rmtree(checkout / "results", ignore_errors=True)
    done = make_world(checkout, HOME=READ_ONLY)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("home", ["/nonexistent", READ_ONLY, "relative", "/etc/passwd"])
def test_a_home_that_is_none_is_replaced(tmp_path, home):
    assert surroundings.with_places({"HOME": home}, tmp_path)["HOME"] == str(tmp_path / f"home-{os.getuid()}")


@pytest.mark.parametrize("name", ["TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME"])
def test_a_place_that_takes_no_file_is_left_to_its_default(tmp_path, name):
    assert (name in surroundings.with_places({name: str(tmp_path / "new")}, tmp_path)) == name.startswith("XDG")
    assert name not in surroundings.with_places({name: READ_ONLY}, tmp_path)
    assert surroundings.with_places({name: str(tmp_path)}, tmp_path)[name] == str(tmp_path)


def test_a_user_without_an_entry_has_a_name_and_a_home(checkout):
    prefix = ("unshare", "--user", "--map-user=12345")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    shutil.rmtree(checkout / "results", ignore_errors=True)
    done = make_world(checkout, prefix=prefix, without=("HOME", "USER", "LOGNAME"))
    assert done.returncode == 0, done.stderr[-3000:]
    ask = "import getpass, os; print(getpass.getuser(), os.path.expanduser('~'))"
    done = call(checkout, "python", "-c", ask, prefix=prefix, without=("HOME", "USER", "LOGNAME"))
    assert done.stdout.split(" ", 1) == ["uid12345", f"{checkout}/.env/home-12345\n"]


def test_what_changes_nothing_is_passed_on():
    given = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "LD_PRELOAD": "x.so",
        "HF_TOKEN": "t",
        "PYTHONHOME": "/usr",
        "PYTHON_GIL": "0",
        "__PYVENV_LAUNCHER__": "x",
    }
    found = surroundings.without_other_pythons(given)
    assert {name for name in given if name not in found} == {"PYTHONHOME", "PYTHON_GIL", "__PYVENV_LAUNCHER__"}


def test_a_good_home_is_kept_and_a_token_in_a_read_only_one_is_found(tmp_path, monkeypatch):
    assert surroundings.with_places({"HOME": str(tmp_path)}, tmp_path / "beside")["HOME"] == str(tmp_path)
    token = tmp_path / ".cache" / "huggingface" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("t")
    monkeypatch.setattr(surroundings, "_writable", lambda folder: folder != str(tmp_path))
    found = surroundings.with_places({"HOME": str(tmp_path)}, tmp_path / "beside")
    assert found["HF_TOKEN_PATH"] == str(token)
    assert found["HOME"] == str(tmp_path / "beside" / f"home-{os.getuid()}")
    assert Path(found["HOME"]).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EACCES"])
def test_a_home_that_takes_no_byte_is_none(tmp_path, monkeypatch, name):
    """A full quota cannot be had here: the error comes from where the probe's file is made."""
    import errno

    def full(**_options):
        raise OSError(getattr(errno, name), name)

    monkeypatch.setattr(surroundings.tempfile, "TemporaryFile", full)
    assert not surroundings._writable(str(tmp_path))
