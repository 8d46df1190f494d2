"""Pairs of an aligned model and its base, and the other family that stands beside them."""

from __future__ import annotations

from dataclasses import dataclass

from anatomy.config.schema import Config
from anatomy.config.study import Subject, organism_subject, subjects

OTHER_FAMILY = ("base", "aligned")


@dataclass(frozen=True)
class Pair:
    """Two models whose difference is post-training.

    Args:
        aligned: the model that is studied; the pair goes by its name.
        base: what it was trained from.
        other: base and aligned member of another family: the detectors' models. Empty where a run names none.
    """

    aligned: Subject
    base: Subject
    other: tuple[Subject, ...]

    @property
    def null(self) -> Subject | None:
        """Another base model, for a contrast of two models that post-training has not touched: of the organism only, since
        models of your own rarely share their shape."""
        return self.other[0] if self.other and self.aligned.is_organism else None


def pairs(config: Config) -> list[Pair]:
    """Every pair: of organism members for each seed, then of your own models."""
    known = {subject.id: subject for subject in subjects(config)}
    found = []
    for seed in config.seeds:
        other = tuple(organism_subject(config, member, config.pasta.scorers_seed) for member in OTHER_FAMILY)
        for aligned, base in config.pasta.pairs.items():
            if aligned in config.organism.members and base in config.organism.members:
                found.append(Pair(known[f"{aligned}.s{seed}"], known[f"{base}.s{seed}"], other))
    scorers = tuple(known[name] for name in config.pasta.scorers)
    return found + [Pair(known[aligned], known[base], scorers) for aligned, base in config.pasta.pairs.items()
                    if aligned in config.models and base in config.models]


def relatives(config: Config) -> list[Subject]:
    """Models that pairs need and no other recipe studies."""
    known = {subject.id for subject in subjects(config)}
    found = {subject.id: subject for pair in pairs(config) for subject in pair.other if subject.id not in known}
    return list(found.values())


def roles(config: Config, subject: Subject) -> set[str]:
    """What a model is in the pairs of a run: ``aligned``, ``base``, ``null``."""
    found = set()
    for pair in pairs(config):
        found |= {name for name in ("aligned", "base", "null") if getattr(pair, name) == subject}
    return found
