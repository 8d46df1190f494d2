"""How large the models of a run are, the organism's and one's own, before any of them need be here."""

from __future__ import annotations

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.models.size import ModelSize
from anatomy.organism.recipe import RECIPES
from anatomy.runs.resources.size import known_size

ORGANISM_VOCABULARY = 1100
"""Tokens of an organism's vocabulary, which differs a little from seed to seed."""


def subject_size(config: Config, subject: Subject) -> ModelSize | None:
    """A model's size; None where nothing says it before it is fetched."""
    return organism_size(config.organism.recipe) if subject.is_organism else known_size(config, subject.id)


def organism_size(recipe: str) -> ModelSize:
    """Of every member: ``layers * (4 width^2 + 3 width feed_forward) + 2 vocabulary * width`` parameters, in float32."""
    shape = RECIPES[recipe].architecture
    count = shape.layers * (4 * shape.width**2 + 3 * shape.width * shape.feed_forward) + 2 * ORGANISM_VOCABULARY * shape.width
    return ModelSize(
        parameters=count,
        floating=count,
        bytes_by_dtype={"F32": 4 * count},
        layers=shape.layers,
        d_model=shape.width,
        intermediate=shape.feed_forward,
        vocabulary=ORGANISM_VOCABULARY,
        kv_heads=shape.heads,
        head_dim=shape.width // shape.heads,
    )
