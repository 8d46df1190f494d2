"""Papers in folders of one's own, which then count as packages beside those of the library."""

from __future__ import annotations

import pkgutil
import re
import sys
import types
from functools import cache
from importlib import import_module
from pathlib import Path

from anatomy import recipes
from anatomy.config.schema import Config
from anatomy.costs.job_kinds import SHARED
from anatomy.errors import ConfigError
from anatomy.recipes.recipe import Recipe
from anatomy.store.fingerprint import also_in

FOLDERS: dict[str, Path] = {}
"""Papers of one's own to the folders that hold them."""

FILES = ("recipe.py", "rules.smk")

OF_RESULTS = frozenset(
    {
        *("store", "provenance", "controller", "private", "logs", "prompts", "judges", "claims", "figures", "tables", "human"),
        *(
            "extract",
            "answers",
            "localize",
            "screen",
            "edit",
            "evaluate",
            "generate",
            "judge",
            "measure",
            "benchmark",
            "page",
            "ledger",
            "all",
            "plan",
        ),
        *("status", "disk", "verify", "garbage", "prefetch"),
    }
)
"""Folders of results, stages and targets."""


@cache
def taken_names() -> frozenset[str]:
    """Names that no paper of one's own can have: each names something else already."""
    modules = {one.name for one in pkgutil.iter_modules([str(Path(recipes.__file__).parent)])}
    return frozenset(modules | set(Config.model_fields) | set(SHARED) | OF_RESULTS)


def adopt(name: str, folder: Path) -> None:
    """Let a folder count as the package ``anatomy.recipes.<name>``.

    Raises:
        ConfigError: it lacks a file, or its name is taken or no name.
    """
    here = folder.absolute()
    lacking = [file for file in FILES if not (here / file).is_file()]
    if lacking or not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or name in taken_names():
        raise ConfigError(
            found=f"no {' and no '.join(lacking)}" if lacking else f"a folder called {name!r}",
            expected=f"a folder with {' and '.join(FILES)}, whose name is in small letters and names nothing else here: "
            "no paper, section, stage, rule or folder of results",
            where=f"recipes: {folder} (in {Path.cwd()})",
            remedy="mend the path, which is relative to the folder of the run, or rename the folder",
        )
    if FOLDERS.get(name) == here:
        return
    package = f"{recipes.__name__}.{name}"
    for module in [one for one in sys.modules if f"{one}.".startswith(f"{package}.")]:
        del sys.modules[module]
    made = types.ModuleType(package)
    made.__path__ = [str(here)]
    sys.modules[package] = made
    FOLDERS[name] = here
    also_in(package, here)


def loaded(name: str) -> Recipe:
    """The recipe of a paper that is here.

    Raises:
        ConfigError: its module cannot be imported, holds no ``RECIPE``, or one of another name.
    """
    module = f"{recipes.__name__}.{name}.recipe"
    where = str(FOLDERS[name] / "recipe.py") if name in FOLDERS else module
    try:
        found = import_module(module).RECIPE
    except (ImportError, AttributeError, SyntaxError) as error:
        raise ConfigError(
            found=f"{type(error).__name__}: {error}",
            expected="a module with a RECIPE, whose imports are found",
            where=where,
            remedy=f"mend it; the folder counts as the package {recipes.__name__}.{name}",
        ) from error
    if found.name != name:
        raise ConfigError(
            found=f"a recipe called {found.name!r}",
            expected=f"{name!r}, the name of its folder",
            where=where,
            remedy=f"call it so, in its imports ({recipes.__name__}.{name}) and in rules.smk too",
        )
    return found
