"""Which recipes there are, and what each asks of a stage in a phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import ConfigError
from anatomy.recipes.asked import Asked
from anatomy.recipes.pasta import variants as pasta
from anatomy.recipes.rosi.variants import variants_on_select, variants_on_test
from anatomy.recipes.variant import Variant

ENGINE: dict[str, dict[str, Callable[[Config, Subject], list[Variant]]]] = {
    "rosi": {"select": variants_on_select, "test": variants_on_test},
    "pasta": {},
}
"""Recipe and phase to the variants that the engine answers for and benchmarks: edits of weights."""

IN_MEMORY: dict[str, Callable[[Config, Subject, str, dict[str, Any]], list[Asked]]] = {"pasta": pasta.asked}
"""Recipe to what is generated in memory in a phase: unedited models, interventions on activations."""


def engine_variants(config: Config, subject: Subject, phase: str) -> list[Variant]:
    """Variants of every enabled recipe; one that two recipes ask for answers the sets of both."""
    found: dict[str, Variant] = {}
    for recipe in config.recipes:
        for variant in ENGINE[recipe].get(phase, lambda _config, _subject: [])(config, subject):
            known = found.get(variant.id, variant)
            found[variant.id] = replace(
                variant,
                sets=tuple(dict.fromkeys([*known.sets, *variant.sets])),
                benchmarked=known.benchmarked or variant.benchmarked,
            )
    return list(found.values())


def asked_in_memory(config: Config, recipe: str, subject: Subject, phase: str, found: dict[str, Any]) -> list[Asked]:
    """What one recipe asks of a model in a phase, every variant once.

    Raises:
        ConfigError: the recipe asks nothing of this model.
    """
    wanted = IN_MEMORY[recipe](config, subject, phase, found)
    if not wanted:
        raise ConfigError(
            found=f"nothing asked of {subject.id}",
            expected=f"a model that {recipe} studies",
            where=f"phase {phase}",
            remedy=f"name it in {recipe}.pairs",
        )
    return wanted
