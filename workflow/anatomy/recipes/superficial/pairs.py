"""Pairs of an aligned model and its base, and the heads that are distilled from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from anatomy.config.schema import Config
from anatomy.config.study import Subject, subjects
from anatomy.interventions.edits.spec import Intent

Control = Literal["", "shuffled", "random"]
POOLED = "pooled"
IN_CONTEXT, FINE_TUNED = "in-context", "fine-tuned"
"""The baselines, by the names of their variants."""


@dataclass(frozen=True)
class Pair:
    """Two models whose difference is post-training, by their ids.

    Args:
        aligned: whose answers and distributions are distilled.
        base: whose head gets the residual.
        label: the aligned model's name without its seed.
        is_control: whether the first model is no aligned one, such as a placebo.
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
        order: how aligned model and base are spoken to, where that is not as always.
    """

    pair: Pair
    kind: str
    tasks: tuple[str, ...] = ()
    rank: int | None = None
    control: Control = ""
    order: str = ""

    @property
    def name(self) -> str:
        """Its name among the edits of the base."""
        return f"{self.pair.label}-{self.kind}"

    @property
    def intent(self) -> Intent:
        """What it is meant for: nothing is amplified from a model that is not aligned, or by a control."""
        return "measure" if self.pair.is_control else "control" if self.control else "amplify"


def pairs(config: Config) -> list[Pair]:
    """Every pair of a run: of organism members for each seed, then of models of one's own."""
    found = [pair for subject in subjects(config) for pair in pairs_around(config, subject) if pair.aligned == subject.id]
    known = {subject.id for subject in subjects(config)}
    return [pair for pair in found if pair.base in known]


def pairs_around(config: Config, subject: Subject) -> list[Pair]:
    """The pairs that a model is in, by the paper's own section alone: jobs that ask see no other models."""
    wanted, name = config.superficial, subject.member or subject.id

    def named(model: str) -> str:
        return f"{model}.s{subject.seed}" if subject.is_organism else model

    return [
        Pair(named(aligned), named(base), aligned, is_control)
        for side, is_control in ((wanted.pairs, False), (wanted.controls, True))
        for aligned, base in side.items()
        if name in (aligned, base)
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


def orders(config: Config, pair: Pair) -> list[str]:
    """Other ways to speak to aligned model and base: those asked for that both can be spoken to in. A base without a chat
    template is spoken to through its partner's."""
    both = [model not in config.models or config.models[model].template for model in (pair.aligned, pair.base)]
    own = "-".join("chat" if one else "plain" for one in both)
    asked = dict.fromkeys(config.superficial.orders)
    chats = (both[0], any(both))
    able = [name for name in asked if all(one or way == "plain" for one, way in zip(chats, name.split("-"), strict=True))]
    return [] if pair.is_control else [name for name in able if name != own]


def ordered_heads(config: Config, subject: Subject) -> list[Head]:
    """Heads of a base that are distilled while one of the pair is spoken to in another way."""
    mine = [pair for pair in pairs_around(config, subject) if pair.base == subject.id]
    return [Head(pair, order, order=order) for pair in mine for order in orders(config, pair)]


def ordered_around(config: Config, subject: Subject) -> list[str]:
    """The orders in which an aligned model takes part."""
    mine = [pair for pair in pairs_around(config, subject) if pair.aligned == subject.id]
    return [order for pair in mine for order in orders(config, pair)]


def way_of(order: str, role: str) -> Literal["plain", "template"]:
    """How a model of a pair is spoken to in an order."""
    aligned, base = order.split("-")
    return "template" if (aligned if role == "aligned" else base) == "chat" else "plain"


def template_lender(config: Config, subject: Subject) -> str | None:
    """The aligned model whose chat template a base without one is spoken to through, where an order asks for that: the first of
    its pairs, where it has several; None for a model with a template of its own."""
    if subject.template:
        return None
    asked = {head.pair.aligned for head in ordered_heads(config, subject) if way_of(head.order, "base") == "template"}
    return next((pair.aligned for pair in pairs_around(config, subject) if pair.aligned in asked), None)


def spoken_to(pair: Mapping[str, Subject], role: str, way: str) -> Subject:
    """A model of a pair, spoken to in a way: with the date and the switches of its partner where it has no template of its own.

    Args:
        pair: the models by role, ``aligned`` and ``base``, as far as they are known.
        way: ``template`` or ``plain``.
    """
    subject = pair[role]
    if way == "plain":
        return replace(subject, template=False, thinking=None, fold_system=False)
    lent = subject if subject.template else pair.get("aligned", subject)
    return replace(subject, template=True, date=lent.date, thinking=lent.thinking, fold_system=lent.fold_system)


def is_aligned_pairs_base(config: Config, subject: Subject) -> bool:
    """Whether a model is the base of an aligned one, not of a placebo alone."""
    return any(pair.base == subject.id and not pair.is_control for pair in pairs_around(config, subject))


def shows_examples(config: Config, subject: Subject) -> bool:
    """Whether a base is asked behind examples."""
    return config.superficial.baselines.demonstrations > 0 and is_aligned_pairs_base(config, subject)


def is_fine_tuned(config: Config, subject: Subject) -> bool:
    """Whether a base is trained on a few examples."""
    return config.superficial.baselines.examples > 0 and is_aligned_pairs_base(config, subject)


def asked_otherwise(config: Config, subject: Subject) -> bool:
    """Whether a model answers test prompts in a manner that is not its own."""
    own = "template" if subject.template else "plain"
    moved = any(way_of(order, "aligned") != own for order in ordered_around(config, subject))
    return moved or bool(ordered_heads(config, subject)) or shows_examples(config, subject)


def heads_of_base(config: Config, subject: Subject) -> list[Head]:
    """Every head that a base gets. A model of one's own keeps none that is meant to measure: such weights are not saved."""
    found = [head for pair in pairs_around(config, subject) if pair.base == subject.id for head in heads(config, pair)]
    return [head for head in found if subject.is_organism or head.intent != "measure"]


def aligned_pair(config: Config, subject: Subject) -> Pair:
    """The pair that goes by an aligned model."""
    return next(pair for pair in pairs_around(config, subject) if pair.aligned == subject.id)


def family(config: Config, pair: Pair) -> dict[str, str]:
    """Models that the transferable head of a pair meets, by name: its base, its aligned model, and those it is attached to."""
    wanted = config.superficial.transfer
    if wanted is None or pair.is_control or pair.label not in wanted.to:
        return {}
    known = {subject.id: subject.seed for subject in subjects(config)}
    if not {pair.aligned, pair.base} <= set(known):
        return {}  # a model that another paper needs beside those that are studied
    seed = known[pair.aligned]
    others = {name: name if seed is None else f"{name}.s{seed}" for name in wanted.to[pair.label]}
    here = {name: model for name, model in others.items() if model in known and model not in (pair.base, pair.aligned)}
    return {"base": pair.base, "aligned": pair.aligned, **here}


def roles(config: Config, subject: Subject) -> set[str]:
    """What a model is in the pairs of a run: ``aligned`` (the first of a pair), ``base``."""
    return {"aligned" if pair.aligned == subject.id else "base" for pair in pairs_around(config, subject)}
