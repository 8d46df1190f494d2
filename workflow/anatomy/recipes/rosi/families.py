"""Families: the searches of ROSI. Each method has controls that search in the same way with a direction that means nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from anatomy.config.methods import Controls, Form
from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.interventions.edits.spec import LowRankSpec, Sign
from anatomy.recipes.rosi.options import Rosi

POSITION = -1
"""ROSI reads its direction at the last prompt token (section 3.1 of the paper)."""


@dataclass(frozen=True)
class Family:
    """One search space with a pick of its own.

    Args:
        method: name of the search, such as ``row_mean_signed``; with ``@system`` where the contrast is not the main one.
        form: what the edit does.
        signs: signs that are tried: the paper's alpha > 0, or both (ours).
        contrast: what the directions are extracted under.
        control: family of control directions; empty for the method itself.
        control_seed: which draw.
    """

    method: str
    form: Form
    signs: tuple[Sign, ...]
    contrast: str
    control: str = ""
    control_seed: int = -1

    @property
    def name(self) -> str:
        return f"{self.method}~{self.control}-{self.control_seed}" if self.control else self.method


def families(config: Config, subject: Subject) -> list[Family]:
    """Every family of a model: methods first, then their controls."""
    main, *others = subject.contrasts
    found = [family for family in _methods(config.rosi, main)]
    for contrast in others:
        found += [
            Family(f"{family.method}@{contrast}", family.form, family.signs, contrast)
            for family in _methods(config.rosi, contrast)
            if family.form != "mean_input"
        ]
    controls = screened_controls(config, subject)
    for kind in ("isotropic", "covariance", "shuffled"):
        for number in range(getattr(controls, kind)):
            found += [
                Family(family.method, family.form, family.signs, main, kind, number)
                for family in _methods(config.rosi, main)
                if family.method in config.rosi.controlled
            ]
    return found


def is_headline(config: Config, subject: Subject) -> bool:
    """Whether a model's edits are ranked among controls."""
    return (subject.member or subject.id) in config.rosi.headline


def screened_controls(config: Config, subject: Subject) -> Controls:
    """How many controls search beside a model's edits: all for a headline, the band of a curve for other aligned models.

    No curve is drawn for the rest, and no claim ranks their edits.
    """
    if is_headline(config, subject):
        return config.extraction.controls
    return config.extraction.controls_elsewhere if subject.kind == "aligned" else Controls(isotropic=0, covariance=0, shuffled=0)


def drawn_controls(config: Config, subject: Subject) -> Controls:
    """How many control directions are extracted: what the edits' searches screen, and all where the direction is ranked."""
    return config.extraction.controls if subject.direction_headline else screened_controls(config, subject)


def generated_families(config: Config, subject: Subject) -> list[Family]:
    """Families that go on from the screen to generation: methods, and for headline models their controls.

    Elsewhere controls are screened, which is cheap and gives dose-response curves their band; too few to rank a method
    among them, they would only cost generation.
    """
    return [family for family in families(config, subject) if is_headline(config, subject) or not family.control]


def _methods(rosi: Rosi, contrast: str) -> list[Family]:
    found = []
    for form in rosi.forms:
        found.append(Family(form, form, (1,), contrast))
        if form == "row_mean":
            found.append(Family("row_mean_signed", form, (1, -1), contrast))
    return found


def layers(rosi: Rosi, num_layers: int, layer_share: float) -> list[int]:
    """Layers whose direction is tried. Layer 0 is left out: it holds token embeddings alone.

    Args:
        num_layers: number of blocks of the model.
        layer_share: the cut of the selection rule, ``layer < int(share x num_layers)``.
    """
    if rosi.layers == "kept":
        return list(range(1, max(2, int(layer_share * num_layers))))
    return [layer for layer in rosi.layers if layer < num_layers]


def candidates(family: Family, rosi: Rosi, tried: list[int]) -> list[LowRankSpec]:
    """Concrete edits of a family, in the order of layers, strengths, signs."""
    return [
        {
            "method": family.form,
            "sign": sign,
            "strength": strength,
            "sites": list(rosi.sites),
            "direction": {
                "contrast": family.contrast,
                "position": POSITION,
                "layer": layer,
                "control": [family.control, family.control_seed] if family.control else None,
            },
        }
        for layer, strength, sign in product(tried, rosi.strengths[family.form], family.signs)
    ]
