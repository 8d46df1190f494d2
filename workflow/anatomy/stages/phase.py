"""A phase of a model: its variants with their edits made concrete, and the table that says what each is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import Edit
from anatomy.interventions.variant import Found, Variant, resolve
from anatomy.store.digest import canonical_json

VARIANT_COLUMNS = [
    "model",
    "variant",
    "slug",
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


def phase_variants(named: Sequence[Variant], phase: str, buckets: int, bucket: int, found: Found) -> Phase:
    """Variants of a phase and bucket whose searches found something.

    A control whose search ended without a pick changes nothing: it stands on the test split as the unedited model, so that
    the controls a method is ranked among are not the survivors alone.

    Args:
        named: every variant of the phase.
        buckets: how many jobs they are spread over; this one takes those of ``bucket``.
        found: what searches and makers of edits ended with: shortlists in phase select, picks in phase test.
    """
    concrete = []
    for variant in named:
        if variant.bucket(buckets) != bucket:
            continue
        edits = [edit for one in variant.edits if (edit := resolve(one, found)) is not None]
        if len(edits) == len(variant.edits):
            concrete.append((variant, edits))
        elif phase == "test" and variant.role == "control":
            concrete.append((variant, []))
    return Phase(phase, concrete, tuple(one for one in named if one.role == "base" and one.bucket(buckets) != bucket))


def describe(subject: Subject, phase: Phase) -> pd.DataFrame:
    """The variants table: what each variant of a phase is.

    Place, layer, position, strength and sign of a stack are those that its edits agree on, as far as they have any; where they
    differ the row has what an unedited variant has. ``detail`` holds every edit.
    """
    rows = []
    for variant, concrete in phase.variants:
        directions = [edit["direction"] for edit in concrete if "direction" in edit]
        rows.append(
            {
                "model": subject.id,
                "variant": variant.id,
                "slug": variant.slug,
                "phase": phase.name,
                "role": variant.role,
                "family": variant.family,
                "form": variant.form,
                "contrast": variant.contrast,
                "control": variant.control,
                "control_seed": variant.control_seed,
                "place": _agreed(variant.edits, "place", 0),
                "layer": _agreed(directions, "layer", -1),
                "position": _agreed(directions, "position", 0),
                "strength": _agreed(concrete, "strength", 0.0),
                "sign": _agreed(concrete, "sign", 0),
                "detail": canonical_json(concrete),
            }
        )
    return pd.DataFrame(rows, columns=VARIANT_COLUMNS)


def _agreed(parts: Iterable[Mapping[str, Any]], name: str, otherwise: Any) -> Any:
    """The one value under a name among parts that have it."""
    values = [part[name] for part in parts if name in part]
    return values[0] if values and all(value == values[0] for value in values) else otherwise
