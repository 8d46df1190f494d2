"""Pairs of an aligned model and its base, and the heads that are distilled from each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.config.subjects import member_kind

Control = Literal["", "shuffled", "random"]
POOLED = "pooled"


@dataclass(frozen=True)
class Pair:
    """Two models whose difference is post-training, by their ids.

    Args:
        aligned: whose answers and distributions are distilled.
        base: whose head gets the residual.
        label: the aligned model's name without its seed.
        is_control: whether the first model is no aligned one.
    """

    aligned: str
    base: str
    label: str
    is_control: bool


@dataclass(frozen=True)
class Head:
    """One head of a pair.

    Args:
        pair: what it is distilled from.
        kind: what sets it apart from the pair's others.
        tasks: tasks whose answers it is trained on; empty for all.
        rank: None for full rank.
        control: targets in another order (``shuffled``), or random factors with a trained head's singular values.
    """

    pair: Pair
    kind: str
    tasks: tuple[str, ...] = ()
    rank: int | None = None
    control: Control = ""

    @property
    def name(self) -> str:
        """Its name among the edits of the base."""
        return f"{self.pair.label}-{self.kind}"

    @property
    def intent(self) -> Literal["amplify", "measure"]:
        """What it is meant for: nothing is amplified from a model that is not aligned, or by a control."""
        return "measure" if self.pair.is_control or self.control else "amplify"


def pairs(config: Config) -> list[Pair]:
    """Every pair of a run: of organism members for each seed, then of models of one's own."""
    members, wanted = config.organism.members, config.superficial.pairs.items()
    found = [
        Pair(f"{aligned}.s{seed}", f"{base}.s{seed}", aligned, member_kind(aligned) != "aligned")
        for seed in config.seeds
        for aligned, base in wanted
        if aligned in members and base in members
    ]
    return found + [
        Pair(aligned, base, aligned, config.models[aligned].kind != "aligned")
        for aligned, base in wanted
        if aligned in config.models and base in config.models
    ]


def heads(config: Config, pair: Pair) -> list[Head]:
    """The heads of a pair; of a control's only the pooled one."""
    wanted = config.superficial
    found = [Head(pair, POOLED)]
    if pair.is_control:
        return found
    found += [Head(pair, task, (task,)) for task in wanted.tasks]
    found += [Head(pair, f"rank{rank}", rank=rank) for rank in wanted.ranks]
    found += [Head(pair, "shuffled", control="shuffled"), Head(pair, "random", rank=wanted.control_rank, control="random")]
    return found


def heads_of_base(config: Config, base: str) -> list[Head]:
    """Every head that a base gets. A model of one's own keeps none that is meant to measure: such weights are not saved."""
    organism = {subject.id: subject.is_organism for subject in subjects(config)}
    found = [head for pair in pairs(config) if pair.base == base for head in heads(config, pair)]
    return [head for head in found if organism[base] or head.intent == "amplify"]


def aligned_pair(config: Config, model: str) -> Pair:
    """The pair that goes by an aligned model."""
    return next(pair for pair in pairs(config) if pair.aligned == model)


def roles(config: Config, subject: Subject) -> set[str]:
    """What a model is in the pairs of a run: ``aligned`` (the first of a pair), ``base``."""
    found = {"aligned" for pair in pairs(config) if pair.aligned == subject.id}
    return found | {"base" for pair in pairs(config) if pair.base == subject.id}
