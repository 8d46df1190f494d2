"""Which papers there are: those of this package, and folders of one's own that a configuration names."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path

from anatomy import recipes
from anatomy.errors import ConfigError
from anatomy.recipes.recipe import Recipe
from anatomy.store.fingerprint import also_in

MODULE = "recipe"
"""Module of a paper's package that holds its ``RECIPE``."""


@cache
def built_in() -> tuple[str, ...]:
    """Names of the papers in this package."""
    home = Path(recipes.__file__).parent
    found = pkgutil.iter_modules([str(home)])
    return tuple(sorted(one.name for one in found if one.ispkg and (home / one.name / f"{MODULE}.py").exists()))


def name_of(entry: str) -> str:
    """A paper's name, of an entry of ``recipes``: the name itself, or a folder that ends in it."""
    return Path(entry).name if "/" in entry else entry


def recipe(entry: str) -> Recipe:
    """The paper that an entry of ``recipes`` names.

    Raises:
        ConfigError: there is no such paper, or no such folder.
    """
    name = name_of(entry)
    if "/" in entry:
        _adopt(Path(entry))
    elif name not in built_in():
        raise ConfigError(
            found=f"paper {entry!r}",
            expected=f"one of {', '.join(built_in())}, or a folder with a slash in it",
            where="recipes",
            remedy="mend the name, or give the folder that holds recipe.py and rules.smk",
        )
    return import_module(f"{recipes.__name__}.{name}.{MODULE}").RECIPE


def known(entries: Iterable[str] = ()) -> dict[str, Recipe]:
    """Every paper by its name: those of this package, then those in folders that ``entries`` name."""
    return {name_of(entry): recipe(entry) for entry in dict.fromkeys([*built_in(), *entries])}


def chosen(entries: Sequence[str]) -> list[Recipe]:
    """The papers of a run, in the order of the configuration."""
    return [recipe(entry) for entry in entries]


def rules_file(name: str, rules: Path) -> Path:
    """Where the chain of rules of a known paper stands.

    Args:
        rules: folder of the workflow's own rules.
    """
    if name in built_in():
        return rules / "papers" / f"{name}.smk"
    return Path(import_module(f"{recipes.__name__}.{name}.{MODULE}").__file__ or "").parent / "rules.smk"


def _adopt(folder: Path) -> None:
    """Let a folder of one's own count as a package among the papers."""
    lacking = [name for name in (f"{MODULE}.py", "rules.smk") if not (folder / name).is_file()]
    if lacking or not re.fullmatch(r"[a-z][a-z0-9_]*", folder.name) or folder.name in built_in():
        raise ConfigError(
            found=f"no {' and no '.join(lacking)}" if lacking else f"a folder called {folder.name!r}",
            expected="a folder with recipe.py and rules.smk, called by a name in small letters that no other paper has",
            where=f"recipes: {folder} (in {Path.cwd()})",
            remedy="mend the path, which is relative to the folder of the run; rules/papers shows what a paper consists of",
        )
    parent = str(folder.resolve().parent)
    if parent not in recipes.__path__:
        recipes.__path__.append(parent)
        also_in(recipes.__name__, Path(parent))
