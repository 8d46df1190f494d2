"""The environment is built once, starts at once, survives an interruption, and needs Python's own library alone."""

import ast
import errno
import fcntl
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

ENVS = Path(__file__).resolve().parents[2] / "envs"
SCRIPT = ENVS / "bootstrap.py"
LOCKS = sorted(ENVS.glob("*.lock"))


@pytest.fixture
def bootstrap(tmp_path, monkeypatch):
    """The module itself, with environments in a folder of the test's own."""
    monkeypatch.setenv("ANATOMY_ENVIRONMENTS", str(tmp_path))
    spec = importlib.util.spec_from_file_location("bootstrap_under_test", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def put_program(folder, name, body):
    path = folder / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def complete(bootstrap):
    """A complete environment whose python only notes how it was called."""
    folder = bootstrap.environment_folder("cpu")
    put_program(folder, "python", f'echo "$@" >> {folder}/calls\necho "at $PWD set $ANATOMY_SET path $PYTHONPATH"')
    (folder / "complete.json").write_text("{}")
    return folder


def start(*arguments, **variables):
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )


@pytest.fixture
def fake_build(bootstrap, monkeypatch):
    """Builds that take no network: every call of pip and venv is noted, and python is a stub."""
    calls = []

    def run(command, **_options):
        calls.append([str(part) for part in command])
        if "venv" in calls[-1]:
            put_program(Path(calls[-1][-1]), "python", """echo '["9.9+cpu", null]'""")
        elif "-c" in calls[-1]:
            return subprocess.CompletedProcess(command, 0, '["9.9+cpu", null]', "")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(bootstrap, "subprocess", SimpleNamespace(run=run, CompletedProcess=subprocess.CompletedProcess))
    monkeypatch.setattr(bootstrap.surroundings, "pip_environment", lambda _python, environment: environment)
    return calls


@pytest.mark.parametrize("script", sorted(ENVS.glob("*.py")), ids=lambda path: path.name)
def test_the_scripts_import_the_standard_library_and_one_another_alone(script):
    tree = ast.parse(script.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    beside = {path.stem for path in ENVS.glob("*.py")}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names | beside


def test_what_an_older_python_reads_is_written_for_it():
    """``pythons.py`` and the head of ``bootstrap.py`` run before it is known which Python this is."""
    ast.parse((ENVS / "pythons.py").read_text(encoding="utf-8"), feature_version=(3, 6))
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_a_complete_environment_starts_without_pip(complete):
    done = start("--set", "cpu", "python", "-c", "anything")
    assert done.returncode == 0, done.stderr
    assert (complete / "calls").read_text() == "-c anything\n"
    assert f"at {Path.cwd()} set cpu path {ENVS.parent / 'workflow'}" in done.stdout
    assert "building" not in done.stderr


def test_without_a_command_it_says_where_the_environment_is(complete):
    assert start("--set", "cpu").stdout == f"{complete}\n"


def test_a_program_that_is_not_there_is_named(complete):
    done = start("--set", "cpu", "no-such-program")
    assert done.returncode == 1 and "no-such-program" in done.stderr and "Traceback" not in done.stderr


def test_a_forced_set_that_does_not_exist_is_named(complete):
    wrong = start("--set", "tpu", "python")
    assert wrong.returncode == 2 and "tpu" in wrong.stderr and "cuda" in wrong.stderr
    wrong = start("python", ANATOMY_SET="tpu")
    assert wrong.returncode == 1 and "ANATOMY_SET='tpu'" in wrong.stderr and "cpu, cuda" in wrong.stderr
    assert not (complete / "calls").exists()


def test_a_forced_set_wins_over_the_machine(bootstrap, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap, "machine_set", lambda: "cpu")
    monkeypatch.setenv("ANATOMY_SET", "cuda")
    for chosen, expected in (([], "cuda"), (["--set", "cpu"], "cpu")):
        folder = bootstrap.environment_folder(expected)
        put_program(folder, "python", "")
        (folder / "complete.json").write_text("{}")
        assert bootstrap.main(chosen) == 0
        assert capsys.readouterr().out.strip() == str(folder)


def test_an_interrupted_build_is_built_again_from_nothing(bootstrap, fake_build, capsys):
    folder = bootstrap.environment_folder("cpu")
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "half-written").write_text("x")
    (folder / "complete.json.partial").write_text("{")
    bootstrap.create(folder, "cpu", dict(os.environ))
    assert not (folder / "lib").exists() and not (folder / "complete.json.partial").exists()
    record = json.loads((folder / "complete.json").read_text())
    assert record["set"] == "cpu"
    assert record["lock_sha256"] == hashlib.sha256((ENVS / "cpu.lock").read_bytes()).hexdigest()
    assert str(folder) in capsys.readouterr().err


def test_a_build_that_stops_half_way_is_never_taken_for_a_whole_one(bootstrap, fake_build, monkeypatch):
    folder = bootstrap.environment_folder("cpu")

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(bootstrap, "check_torch", killed)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.create(folder, "cpu", dict(os.environ))
    assert folder.exists() and not (folder / "complete.json").exists()
    bootstrap.create(folder, "cpu", dict(os.environ))
    assert (folder / "complete.json").exists()
    assert sum("venv" in call for call in fake_build) == 2


def test_a_failing_pip_stops_the_build_and_names_the_lock(bootstrap, fake_build, monkeypatch):
    tried = []

    def refuse(_folder, _environment, *arguments):
        tried.append(arguments)
        return subprocess.CompletedProcess([], 1 if "-r" in arguments else 0)

    monkeypatch.setattr(bootstrap, "pip", refuse)
    folder = bootstrap.environment_folder("cpu")
    with pytest.raises(SystemExit, match=r"could not install .*cpu\.lock"):
        bootstrap.create(folder, "cpu", dict(os.environ))
    assert not (folder / "complete.json").exists()
    assert all("--no-deps" in arguments for arguments in tried if "-r" in arguments)


def test_two_callers_at_once_build_once(bootstrap, fake_build, monkeypatch):
    folder = bootstrap.environment_folder("cpu")
    monkeypatch.setattr(bootstrap, "install", lambda *_arguments: time.sleep(0.2))
    callers = [threading.Thread(target=bootstrap.create, args=(folder, "cpu", dict(os.environ))) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert sum("venv" in call for call in fake_build) == 1


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, 524, errno.EBADF, errno.EIO, errno.ESTALE])
def test_a_disk_without_locks_is_named_with_a_way_on_that_works(bootstrap, fake_build, tmp_path, monkeypatch, code):
    """What the disk answers is put at ``fcntl.flock``, for files beside the environments alone."""
    folder, real = bootstrap.environment_folder("cpu"), fcntl.flock

    def flock(file, operation):
        if Path(file.name).parent == folder.parent:
            raise OSError(code, os.strerror(code))
        return real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.delenv("ANATOMY_LOCKS", raising=False)
    with pytest.raises(SystemExit, match=rf"errno {code}\).*ANATOMY_LOCKS"):
        bootstrap.create(folder, "cpu", {})
    assert not fake_build
    monkeypatch.setenv("ANATOMY_LOCKS", str(tmp_path / "local"))
    bootstrap.create(folder, "cpu", {})
    assert (folder / "complete.json").exists() and list((tmp_path / "local").rglob("*.lock"))


def test_a_folder_of_environments_that_cannot_be_made_is_told_in_a_sentence(bootstrap, fake_build, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ANATOMY_ENVIRONMENTS", str(tmp_path / "file"))
    with pytest.raises(SystemExit, match=r"expected a folder that can be written.*ANATOMY_ENVIRONMENTS"):
        bootstrap.main(["--set", "cpu"])


@pytest.mark.parametrize(("chosen", "cuda"), [("cpu", '"12.9"'), ("cuda", "null")])
def test_a_torch_of_the_other_set_is_refused(bootstrap, chosen, cuda):
    folder = bootstrap.environment_folder(chosen)
    put_program(folder, "python", f"""echo '["9.9", {cuda}]'""")
    with pytest.raises(SystemExit, match=f"the {chosen} set got torch 9.9"):
        bootstrap.check_torch(folder, chosen, dict(os.environ))


def test_a_changed_lock_makes_another_environment(bootstrap, tmp_path, monkeypatch):
    before = bootstrap.environment_folder("cpu")
    copied = tmp_path / "envs"
    (copied / "vllm-cpu-metadata").mkdir(parents=True)
    for name in ("cpu.lock", "vllm-cpu-metadata/pyproject.toml"):
        (copied / name).write_bytes((ENVS / name).read_bytes())
    monkeypatch.setattr(bootstrap, "ENVS", copied)
    assert bootstrap.environment_folder("cpu") == before
    with open(copied / "cpu.lock", "a") as lock:
        lock.write("# changed\n")
    assert bootstrap.environment_folder("cpu") != before


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_pins_everything_and_names_no_registry(lock):
    lines = [line.split(" #")[0].strip() for line in lock.read_text(encoding="utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert "://" not in lock.read_text(encoding="utf-8")
    assert all("==" in line and not line.startswith("-") for line in wanted)
    names = [line.split("==")[0].lower().replace("_", "-") for line in wanted]
    assert len(set(names)) == len(names) > 10
