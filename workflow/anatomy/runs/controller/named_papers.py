"""Papers that a command names as its target join those of the run: the engine serves the variants of all papers together.

Jobs read the Snakefile anew, with no target of that name on their own command line; what the first reading found reaches them in
the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from anatomy.recipes.recipe import Recipe
from anatomy.recipes.registry import name_of
from anatomy.store.json_objects import JsonObject

VARIABLE = "ANATOMY_NAMED_PAPERS"
"""Papers that the command of a run named, with commas between them."""


def join_named_papers(config: JsonObject, arguments: Sequence[str], papers: Mapping[str, Recipe]) -> None:
    """Add papers that ask the engine and are named on the command line to ``recipes``, after those that stand there.

    A paper that asks nothing of the engine needs no place there: its target makes a page of its own.

    Args:
        config: the merged configuration; it is changed.
        arguments: of the command line.
        papers: every paper by its name.
    """
    entries = config.get("recipes")
    if not isinstance(entries, list):
        return  # what is wrong with it is said where the configuration is checked
    there = {name_of(entry) for entry in entries if isinstance(entry, str)}
    told = os.environ.get(VARIABLE, "").split(",")
    named = [name for name, paper in papers.items() if paper.engine and (name in arguments or name in told) and name not in there]
    if named:
        config["recipes"] = [*entries, *named]
        os.environ[VARIABLE] = ",".join(named)
