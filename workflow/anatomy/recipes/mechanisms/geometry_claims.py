"""Sentences about the geometry of directions; rules were written before their first run."""

from __future__ import annotations

import functools

import numpy as np

from anatomy.config.study import Subject
from anatomy.evidence.claims.claim import Claim, Test
from anatomy.evidence.claims.evidence import Contrast
from anatomy.evidence.claims.tables import MissingEvidence, Tables
from anatomy.recipes.mechanisms.claims import Gather, stated
from anatomy.recipes.mechanisms.samples import picked_place, sample_of

LEVEL = 0.05
CONTROLS = 19
"""Deals of kinds that a rank p of 1 in 20 needs."""


def geometry_claims(subject: Subject) -> list[Claim]:
    """Claims about the directions of one model."""
    model = subject.id

    claim = functools.partial(stated, model)
    return [
        claim(
            "template_share",
            "What alignment moved on harmful prompts is nearer to the refusal direction once the template's share is out of it.",
            "arXiv 2605.24583, abstract",
            Test(
                "difference_above",
                nearer_without_template(model),
                {"threshold": 0},
                "cosine with the refusal direction at the picked layer, difference in differences minus aligned minus base",
            ),
        ),
        claim(
            "kinds_apart",
            "Kinds of harm have directions of their own, beyond kinds that are dealt at random.",
            "arXiv 2602.02132, abstract",
            Test(
                "difference_above",
                kinds_apart(model),
                {"threshold": 0, "min_controls": CONTROLS, "control_level": LEVEL},
                "cosine of a test prompt with its own kind's direction minus the mean with other kinds', at the picked layer",
            ),
        ),
    ]


def nearer_without_template(model: str) -> Gather:
    """Cosine of each harmful prompt's shift with the refusal direction, difference in differences minus naive."""

    def gather(tables: Tables) -> Contrast:
        if not (tables.named.get("shifts") is not None and (tables.named["shifts"]["model"] == model).any()):
            raise MissingEvidence(
                found="no shifts",
                expected="a base beside the model, and a chat template",
                where=model,
                because="this run has no base of the model, or no chat template, so that nothing can be taken away",
            )
        _, layer = picked_place(tables, model)
        rows = tables.rows("shifts", model=model, side="harmful", layer=layer)
        wide = rows.pivot_table(index=["id", "group"], columns="variant", values="cosine").reset_index()
        return sample_of(wide.assign(value=wide["difference"] - wide["naive"]), because="post-training moved nothing there")

    return gather


def kinds_apart(model: str) -> Gather:
    """Own kind's cosine minus the others', prompt by prompt, with the means under dealt kinds as controls."""

    def gather(tables: Tables) -> Contrast:
        if not (tables.named.get("kinds") is not None and (tables.named["kinds"]["model"] == model).any()):
            raise MissingEvidence(
                found="no kinds of harm",
                expected="a category at each harmful prompt, and at least two of them",
                where=model,
                because="the harmful prompts have no categories, or a single one",
            )
        _, layer = picked_place(tables, model)
        rows = tables.rows("kinds", model=model, layer=layer)
        found = sample_of(rows, because="no kind of harm among test prompts was among those of fit")
        controls = tables.rows("kind_controls", model=model, layer=layer)
        dealt = controls.loc[controls["draw"] >= 0, "value"].dropna().to_numpy(np.float64)
        return Contrast(found.sample, controls=dealt)

    return gather
