"""Variants of ROSI in each phase."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.reference import EditReference, SelectedReference
from anatomy.interventions.edits.spec import HookMethod
from anatomy.interventions.variant import Variant
from anatomy.recipes.rosi.families import Family, generated_families

NEAREST = "nearest"
"""Begins the families of interventions along a direction that the published rule did not keep."""


def base(sets: list[str], benchmarked: bool = True) -> Variant:
    """The unedited model."""
    return Variant("base", "base", (), tuple(sets), benchmarked=benchmarked)


def is_benchmarked(config: Config, subject: Subject, family: Family) -> bool:
    """Whether a family's variants take the benchmarks: methods of the kinds of model that utility claims are about."""
    return not family.control and subject.kind in config.benchmarks.edited_kinds


def is_benchmarked_on_select(config: Config, subject: Subject, family: Family) -> bool:
    """The same of a shortlist: controls too where ``rosi.benchmarked_controls`` asks, for the band of what edits cost."""
    if not family.control:
        return is_benchmarked(config, subject, family)
    wanted = config.rosi.benchmarked_controls
    asked = wanted == "all" or (wanted == "organism" and subject.is_organism)
    return asked and subject.kind in config.benchmarks.edited_kinds


def _variant(family: Family, slug: str, edit: EditReference, sets: list[str], benchmarked: bool) -> Variant:
    return Variant(
        slug,
        "control" if family.control else "method",
        (edit,),
        tuple(sets),
        benchmarked,
        family.name,
        family.method,
        family.contrast,
        family.control,
        family.control_seed,
    )


def variants_on_select(config: Config, subject: Subject) -> list[Variant]:
    """The shortlist of every family on the select split."""
    sets = [config.extraction.harmful, config.extraction.harmless]
    return [base(sets)] + [
        _variant(
            family,
            f"{family.name}-{place}",
            {"shortlist": family.name, "place": place},
            sets,
            is_benchmarked_on_select(config, subject, family),
        )
        for family in generated_families(config, subject)
        for place in range(1, config.rosi.shortlist + 1)
    ]


def variants_on_test(config: Config, subject: Subject) -> list[Variant]:
    """The pick of every family on the test split, on the sets that are there for this model."""
    evaluation = config.evaluation
    sets = [name for name in evaluation.test_sets if subject.is_organism or name not in evaluation.left_out]
    return [base(sets)] + [
        _variant(
            family,
            family.name,
            {"pick": family.name},
            evaluation.pair if family.control else sets,
            is_benchmarked(config, subject, family),
        )
        for family in generated_families(config, subject)
    ]


def variants_in_memory(config: Config, subject: Subject) -> list[Variant]:
    """Interventions in memory on the test split: is the selected direction needed, is it enough?

    ``ablate`` and ``add`` as Arditi et al. 2024, section 3; ``clamp`` to the harmless mean instead of zero is ours;
    ``orthogonalize`` is the weight form of ``ablate``. The unedited model is not answered for again: its answers come from
    the engine, and both ways of generating agree token by token. Controls answer the side their claim is about.
    """
    sets = tuple(config.evaluation.pair)
    controls = config.extraction.controls.draws() if subject.direction_headline else []
    found = []
    sides: dict[Literal["orthogonalize"] | HookMethod, str | None] = {
        "ablate": config.evaluation.harmful,
        "clamp": config.evaluation.harmful,
        "add": config.evaluation.benign,
        "orthogonalize": None,
    }
    for form, side in sides.items():
        found.append(_measure(form, subject.contrasts[0], sets))
        if side is not None:
            found += [_measure(form, subject.contrasts[0], (side,), kind, number) for kind, number in controls]
    return found


def nearest(variant: Variant) -> Variant:
    """An intervention along the direction that comes nearest to the published rule where none passes it: ours, and named so."""
    return replace(variant, slug=f"{NEAREST}-{variant.slug}", family=f"{NEAREST} {variant.family}")


def _measure(
    form: Literal["orthogonalize"] | HookMethod, contrast: str, sets: tuple[str, ...], control: str = "", number: int = -1
) -> Variant:
    edit: SelectedReference = {
        "method": form,
        "direction": {"contrast": contrast, "selected": True, "control": [control, number] if control else None},
    }
    name = f"{form}~{control}-{number}" if control else form
    return Variant(name, "control" if control else "measure", (edit,), sets, False, name, form, contrast, control, number)
