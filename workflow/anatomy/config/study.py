"""What a configuration asks for, spelled out: every model under study and where its things lie."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import cast, get_args

from anatomy.config.methods import Contrast
from anatomy.config.schema import Config
from anatomy.config.subjects import Dtype, Kind, member_kind
from anatomy.store.digest import digest


@dataclass(frozen=True)
class Subject:
    """One model under study.

    Args:
        id: name in paths; an organism member carries its seed, as in ``weak.s0``.
        kind: what its post-training was meant to do.
        seed: organism seed, None for a model of your own.
        member: organism member, None for a model of your own.
        contrasts: what its directions are extracted under, the main one first; then the names of foreign directions.
        direction_headline: whether its selected direction is ranked among controls.
        dtype: number format for loading and serving.
        template: whether it is spoken to through its chat template.
        date: ISO day shown to templates that print today's date.
        thinking: thinking span on or off; None leaves it to the template.
        fold_system: whether system prompts are written into the user's turn.
    """

    id: str
    kind: Kind
    seed: int | None
    member: str | None
    contrasts: tuple[str, ...]
    direction_headline: bool
    dtype: Dtype
    template: bool = True
    date: str | None = None
    thinking: bool | None = None
    fold_system: bool = False
    refusal_tokens: tuple[int, ...] | None = None

    @property
    def foreign(self) -> tuple[str, ...]:
        """Names of the directions among its contrasts that other tools made."""
        return tuple(name for name in self.contrasts if name not in get_args(Contrast))

    @property
    def extracted(self) -> tuple[Contrast, ...]:
        """Contrasts that its own directions are extracted under, the main one first."""
        return tuple(cast("Contrast", name) for name in self.contrasts if name in get_args(Contrast))

    @property
    def without_foreign(self) -> Subject:
        """The same model with the contrasts alone that its own directions are extracted under."""
        return replace(self, contrasts=self.extracted)

    @property
    def is_organism(self) -> bool:
        return self.seed is not None


def subjects(config: Config) -> list[Subject]:
    """Every model under study: organism members for each seed, then models of your own."""
    found = [organism_subject(config, member, seed) for seed in config.seeds for member in config.organism.members]
    found += [
        Subject(
            name,
            model.kind,
            None,
            None,
            tuple(config.extraction.contrasts[model.kind]),
            name in config.selection.headline,
            model.dtype,
            model.template,
            model.date,
            model.thinking,
            model.fold_system,
            None if model.refusal_tokens is None else tuple(model.refusal_tokens),
        )
        for name, model in config.models.items()
    ]
    return [_with_foreign(config, subject) for subject in found]


def _with_foreign(config: Config, subject: Subject) -> Subject:
    """The model with the directions among its contrasts that the configuration brings for it."""
    mine = subject.member or subject.id
    names = tuple(name for name, one in config.directions.items() if mine in one.models)
    return replace(subject, contrasts=(*subject.contrasts, *names)) if names else subject


def organism_subject(config: Config, member: str, seed: int) -> Subject:
    """One member of an organism's family, of a studied seed or of another that recipes need beside it."""
    kind = member_kind(member)
    return Subject(
        f"{member}.s{seed}",
        kind,
        seed,
        member,
        tuple(config.extraction.contrasts[kind]),
        member in config.selection.headline,
        "float32",
    )


def target_names(ids: Iterable[str]) -> dict[str, str]:
    """For each id the word that names its targets on the command line: lower case, digits and underscores.

    Ids that come out alike, such as ``a.b`` and ``a-b``, get four digits of their digest behind.
    """
    plain = {one: re.sub("[^a-z0-9]", "_", one.lower()) for one in ids}
    words = list(plain.values())
    return {one: f"{word}_{digest(one)[:4]}" if words.count(word) > 1 else word for one, word in plain.items()}


@dataclass(frozen=True)
class Layout:
    """Where everything under ``results`` lies; the one place that knows."""

    results: str

    def organism(self, seed: int | str) -> str:
        return f"{self.results}/organism/s{seed}"

    def world(self, seed: int | str) -> str:
        return f"{self.organism(seed)}/world.json"

    def member(self, seed: int | str, member: str) -> str:
        return f"{self.organism(seed)}/models/{member}/card.json"

    def model(self, subject: str) -> str:
        return f"{self.results}/models/{subject}.json"

    def converted(self, subject: str) -> str:
        """What is known of a model that was converted from a GGUF file."""
        return f"{self.converted_folder(subject)}.json"

    def converted_folder(self, subject: str) -> str:
        """The model folder that it was converted into."""
        return f"{self.results}/converted/{subject}"

    def tuned(self, subject: str) -> str:
        """What is known of a model that was trained from another one."""
        return f"{self.tuned_folder(subject)}.json"

    def tuned_folder(self, subject: str) -> str:
        """The model folder that the training ended in."""
        return f"{self.results}/tuned/{subject}"

    def prompts(self, subject: Subject, name: str) -> str:
        return (
            f"{self.organism(subject.seed)}/prompts/{name}.parquet"
            if subject.seed is not None
            else f"{self.results}/prompts/{name}.parquet"
        )

    def stage(self, stage: str, subject: str, file: str) -> str:
        """A file of a stage that works on one model."""
        return f"{self.results}/{stage}/{subject}/{file}"

    @property
    def store(self) -> str:
        return f"{self.results}/store"
