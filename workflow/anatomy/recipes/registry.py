"""Which papers there are: those of this package, and folders of one's own that a configuration names."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from anatomy import recipes
from anatomy.errors import ConfigError
from anatomy.recipes.own_folders import FOLDERS, adopt, loaded
from anatomy.recipes.recipe import Recipe


@cache
def built_in() -> tuple[str, ...]:
    """Names of the papers in this package."""
    home = Path(recipes.__file__).parent
    found = pkgutil.iter_modules([str(home)])
    return tuple(sorted(one.name for one in found if one.ispkg and (home / one.name / "recipe.py").exists()))


def name_of(entry: str) -> str:
    """A paper's name, of an entry of ``recipes``: the name itself, or a folder that ends in it."""
    return Path(entry).name if "/" in entry else entry


def recipe(entry: str) -> Recipe:
    """The paper that an entry of ``recipes`` names.

    Raises:
        ConfigError: there is no such paper, or its folder holds none that can be used.
    """
    name = name_of(entry)
    if "/" in entry:
        adopt(name, Path(entry))
    elif name not in built_in():
        raise ConfigError(
            found=f"paper {entry!r}",
            expected=f"one of {', '.join(built_in())}, or a folder with a slash in it",
            where="recipes",
            remedy="mend the name, or give the folder that holds recipe.py and rules.smk",
        )
    return loaded(name)


def known(entries: Iterable[str] = ()) -> dict[str, Recipe]:
    """Every paper by its name: those of this package, then those in folders that ``entries`` name.

    Raises:
        ConfigError: as ``recipe``; or two entries are of one name.
    """
    folders = [one for one in dict.fromkeys(entries) if "/" in one]
    names = [name_of(one) for one in folders]
    if twice := [one for one in folders if names.count(name_of(one)) > 1]:
        raise ConfigError(
            found=f"two papers called {name_of(twice[0])!r}: {' and '.join(twice)}",
            expected="papers of different names",
            where="recipes",
            remedy="rename one of the folders",
        )
    return {name_of(entry): recipe(entry) for entry in [*built_in(), *entries]}


def chosen(entries: Sequence[str]) -> list[Recipe]:
    """The papers of a run, in the order of the configuration."""
    return [recipe(entry) for entry in entries]


def rules_file(name: str, rules: Path) -> Path:
    """Where the chain of rules of a known paper stands.

    Args:
        rules: folder of the workflow's own rules.
    """
    return rules / "papers" / f"{name}.smk" if name in built_in() else FOLDERS[name] / "rules.smk"
