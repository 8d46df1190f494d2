"""Pairs of an aligned model and its base, and models of another organism family, which their detectors are built on."""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import Subject, organism_subject, subjects

OTHER_FAMILY = ("base", "aligned")
SCORER_PHASES = ("fit", "test")
"""Phases whose texts of the other family the detectors are fitted on: nothing is judged on that family."""


@dataclass(frozen=True)
class Pair:
    """Two models whose difference is post-training, by their ids.

    Args:
        aligned: the model that is studied; the pair goes by its name.
        base: what it was trained from.
        scorers: base and aligned model of another family of the organism: the detectors' models. Empty for models of your own,
            whose detectors have models of theirs (``pasta.own_detectors``).
        null: another base model, for a contrast of two models that post-training has not touched; of the organism only, since
            models of your own rarely share their shape.
    """

    aligned: str
    base: str
    scorers: tuple[str, ...]
    null: str | None

    @property
    def roles(self) -> dict[str, str]:
        """Role to model, of those whose texts make the signature."""
        found = {"aligned": self.aligned, "base": self.base}
        return found if self.null is None else {**found, "null": self.null}


def pairs(config: Config) -> list[Pair]:
    """Every pair that can be studied: of organism members for each seed, then of your own models where prefixes are here."""
    lost = config.pasta.prefixes in config.evaluation.left_out
    return [pair for pair in asked_pairs(config) if not (lost and pair.aligned in config.models)]


def asked_pairs(config: Config) -> list[Pair]:
    """Every pair that the configuration asks for: claims about those that cannot be studied are *not testable here*."""
    other = tuple(f"{member}.s{config.pasta.scorers_seed}" for member in OTHER_FAMILY)
    members, wanted = config.organism.members, config.pasta.pairs.items()
    found = [
        Pair(f"{aligned}.s{seed}", f"{base}.s{seed}", other, other[0])
        for seed in config.seeds
        for aligned, base in wanted
        if aligned in members and base in members
    ]
    return found + [
        Pair(aligned, base, (), None) for aligned, base in wanted if aligned in config.models and base in config.models
    ]


def detectors_of(config: Config, aligned: str) -> list[str]:
    """Detectors that select a layer for a pair, the first of them for its controls too."""
    return config.pasta.selecting(aligned not in config.models)


def measuring_detectors(config: Config, aligned: str) -> list[str]:
    """Detectors that measure a pair's test split: those that select, and closed ones read from a file."""
    return list(config.pasta.own_detectors) if aligned in config.models else detectors_of(config, aligned)


def relatives(config: Config) -> list[Subject]:
    """Models that pairs need and no other recipe studies: two members of another family."""
    known = {subject.id for subject in subjects(config)}
    needed = {name for pair in pairs(config) for name in pair.scorers} - known
    return [
        organism_subject(config, member, config.pasta.scorers_seed)
        for member in OTHER_FAMILY
        if f"{member}.s{config.pasta.scorers_seed}" in needed
    ]


def template_lender(config: Config, subject: Subject) -> str | None:
    """The aligned model whose chat template a base without one is spoken to through in the template control.

    The first of its pairs, where it has several; None for a model with a template of its own, and for one that is no base.
    """
    if subject.template:
        return None
    wanted = config.pasta.pairs.items()
    return next((aligned for aligned, base in wanted if base == subject.id and aligned in config.models), None)


def roles(config: Config, model: str) -> set[str]:
    """What a model is in the pairs of a run: ``aligned``, ``base``, ``null``, and ``scorer`` for the detectors' aligned model."""
    found = {role for pair in pairs(config) for role, name in pair.roles.items() if name == model}
    return found | {"scorer" for pair in pairs(config) if pair.scorers and pair.scorers[1] == model}
