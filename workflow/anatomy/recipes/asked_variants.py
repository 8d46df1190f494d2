"""What the papers of a run ask of a model in a phase."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from anatomy.config.methods import Controls
from anatomy.config.options import options
from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.errors import ConfigError
from anatomy.interventions.variant import Variant
from anatomy.recipes.recipe import Recipe
from anatomy.recipes.registry import chosen, known, name_of
from anatomy.stages.generation_request import GenerationRequest
from anatomy.store.json_objects import JsonObject

EVERY_PAPERS = ("extraction", "evaluation", "benchmarks", "serving", "results")
"""Sections that what is asked may depend on, whichever paper asks."""


def asked_options(config: Config, papers: Collection[str], subject: Subject) -> JsonObject:
    """Options of what papers ask of a model: another paper in the run, which asks nothing of it, makes nothing stale."""
    own = [paper for paper in chosen(config.recipes) if paper.name in papers]
    sections = options(config, *(paper.name for paper in own), *EVERY_PAPERS)
    further = {name: value for paper in own for name, value in paper.told(config, subject).items()}
    return {**sections, **further, "recipes": [entry for entry in config.recipes if name_of(entry) in papers]}


def engine_variants(config: Config, subject: Subject, phase: str) -> list[Variant]:
    """Variants of every paper of a run; one that two papers ask for answers the sets of both."""
    found: dict[str, Variant] = {}
    for paper in chosen(config.recipes):
        for variant in paper.engine[phase](config, subject) if phase in paper.engine else []:
            earlier = found.get(variant.id, variant)
            found[variant.id] = replace(
                variant,
                sets=tuple(dict.fromkeys([*earlier.sets, *variant.sets])),
                benchmarked=earlier.benchmarked or variant.benchmarked,
            )
    return list(found.values())


def asked_in_memory(config: Config, paper: Recipe, subject: Subject, phase: str, found: JsonObject) -> list[GenerationRequest]:
    """What one paper asks of a model in a phase, every variant once.

    Raises:
        ConfigError: it asks nothing of this model.
    """
    wanted = paper.in_memory(config, subject, phase, found) if paper.in_memory is not None else []
    if not wanted:
        raise ConfigError(
            found=f"nothing asked of {subject.id}",
            expected=f"a model that {paper.name} studies",
            where=f"phase {phase}",
            remedy=f"name it in the section {paper.name}",
        )
    return wanted


def drawn_controls(config: Config, subject: Subject) -> Controls:
    """How many control directions are extracted of a model: as many as the paper that wants most, of each family."""
    wanted = [paper.controls(config, subject) for paper in known(config.recipes).values()]
    return Controls(**{family: max(getattr(one, family) for one in wanted) for family in Controls.model_fields})


def target_modules(config: Config) -> tuple[str, ...]:
    """Matrices that adapters of any paper of a run edit."""
    return tuple(dict.fromkeys(name for paper in chosen(config.recipes) for name in paper.target_modules(config)))


def inputs_at(config: Config) -> tuple[str, ...]:
    """Sites of matrices whose mean inputs edits of any paper of a run are made from."""
    return tuple(dict.fromkeys(name for paper in chosen(config.recipes) for name in paper.inputs_at(config)))


def tried_at(config: Config, num_layers: int) -> tuple[int, ...]:
    """Layers at which the search for edits of any known paper looks for a direction, of a model with so many blocks."""
    return tuple(sorted({layer for paper in known(config.recipes).values() for layer in paper.tried_at(config, num_layers)}))


def everyone(config: Config) -> list[Subject]:
    """Models under study, then those that papers need beside them."""
    found = {subject.id: subject for subject in subjects(config)}
    for paper in known(config.recipes).values():
        for subject in paper.beside(config):
            found.setdefault(subject.id, subject)
    return list(found.values())
