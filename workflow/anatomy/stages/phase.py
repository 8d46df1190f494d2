"""A phase of a model: its variants with their edits made concrete, and the table that says what each is."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from anatomy.config.study import Subject
from anatomy.recipes.variant import Edit, Variant
from anatomy.store.digest import canonical_json

VARIANT_COLUMNS = [
    "model",
    "variant",
    "phase",
    "role",
    "family",
    "form",
    "contrast",
    "control",
    "control_seed",
    "place",
    "layer",
    "position",
    "strength",
    "sign",
    "detail",
]


@dataclass(frozen=True)
class Phase:
    """What a phase asks of a model: variants with their edits made concrete.

    Attributes:
        unedited_elsewhere: unedited variants of the phase that another job serves; edited ones are compared with their answers.
    """

    name: str
    variants: list[tuple[Variant, list[Edit]]]
    unedited_elsewhere: tuple[Variant, ...] = ()


def describe(subject: Subject, phase: Phase) -> pd.DataFrame:
    """The variants table: what each variant of a phase is."""
    rows = []
    for variant, concrete in phase.variants:
        edit = concrete[0] if concrete else {}
        direction = edit.get("direction", {})
        rows.append(
            {
                "model": subject.id,
                "variant": variant.id,
                "phase": phase.name,
                "role": variant.role,
                "family": variant.family,
                "form": variant.form,
                "contrast": variant.contrast,
                "control": variant.control,
                "control_seed": variant.control_seed,
                "place": variant.edits[0].get("place", 0) if variant.edits else 0,
                "layer": direction.get("layer", -1),
                "position": direction.get("position", 0),
                "strength": edit.get("strength", 0.0),
                "sign": edit.get("sign", 0),
                "detail": canonical_json(concrete),
            }
        )
    return pd.DataFrame(rows, columns=VARIANT_COLUMNS)
