"""Unedited models as PASTA asks for them: in their own manner, and in their partner's."""

from __future__ import annotations

from anatomy.interventions.variant import BASE, Variant
from anatomy.stages.generation_request import Manner


def unedited(sets: tuple[str, ...] = ()) -> Variant:
    """A model in its own manner: a base continues documents, an aligned model answers in a chat."""
    return Variant(BASE, "base", (), sets, benchmarked=True)


def template_control(manner: Manner, sets: tuple[str, ...] = ()) -> Variant:
    """The template control: the unedited model spoken to in its partner's manner, ``as-chat`` or ``as-document``."""
    name = f"as-{manner}"
    return Variant(name, "control", (), sets, family="template", form=name, control="template", manner=manner)
