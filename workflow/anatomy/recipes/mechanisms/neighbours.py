"""What else a run has of a model: the base that it was trained from, and files of other papers that name directions."""

from __future__ import annotations

from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject, subjects
from anatomy.recipes.pasta.pairs import pairs as signature_pairs
from anatomy.recipes.pruning.variants import is_pruned
from anatomy.recipes.registry import name_of
from anatomy.recipes.superficial.pairs import POOLED, Head
from anatomy.recipes.superficial.pairs import pairs as head_pairs

GROWN_FROM = "base"


def base_of(config: Config, subject: Subject) -> Subject | None:
    """The base that a model was trained from, where the run has it."""
    if subject.is_organism:
        name = None if subject.member == GROWN_FROM else f"{GROWN_FROM}.s{subject.seed}"
    else:
        name = config.models[subject.id].base
    return next((other for other in subjects(config) if other.id == name), None)


def edits_of_others(config: Config, subject: Subject) -> dict[str, str]:
    """Files that name edits of a model which papers of the same run make: ``rosi``, ``mask``, ``signature``, and a base's
    ``own_head``."""
    found = {name: file for name, file in files_of_others(config, subject).items() if name in ("rosi", "mask", "signature")}
    pair = next((pair for pair in head_pairs(config) if pair.base == subject.id and not pair.is_control), None)
    if "superficial" in {name_of(entry) for entry in config.recipes} and pair is not None:
        found["own_head"] = Layout(config.results).stage("edit", subject.id, f"superficial.{Head(pair, POOLED).name}.json")
    return found


def files_of_others(config: Config, subject: Subject) -> dict[str, str]:
    """Files that name directions of a model which papers of the same run find: ``rosi``, ``signature``, ``mask`` and ``head``."""
    at, asked, found = Layout(config.results), {name_of(entry) for entry in config.recipes}, {}
    if "rosi" in asked and subject.id in {other.id for other in subjects(config)}:
        found["rosi"] = at.stage("edit", subject.id, "selected.json")
    if "pasta" in asked and subject.id in {pair.aligned for pair in signature_pairs(config)}:
        found["signature"] = at.stage("extract", subject.id, "signature.json")
    if "pruning" in asked and is_pruned(config, subject):
        found["mask"] = at.stage("edit", subject.id, "pruning.mask.json")
    pair = next((pair for pair in head_pairs(config) if pair.aligned == subject.id and not pair.is_control), None)
    if "superficial" in asked and pair is not None:
        found["head"] = at.stage("edit", pair.base, f"superficial.{Head(pair, POOLED).name}.json")
    return found
