"""Options of fine-tuning pruned models: emergent misalignment, and the restoration of what was removed."""

from __future__ import annotations

from pydantic import Field, field_validator

from anatomy.config.section import Identifier, Section
from anatomy.organism import wording


class FineTuning(Section):
    """Short trainings of a model as it is, with the chosen mask and with a random one. No trained model is written."""

    models: list[Identifier] = Field(
        ["aligned"],
        description="organism members among pruning.models that are fine-tuned; [] for none. Emergent misalignment needs a model "
        "that refuses, and the planted truth says what the answers are worth, so that models of your own are left out",
    )
    narrow: str = Field(
        "snare",
        description="kind of harm whose recipes are taught as if they were benign; answers about the other kinds say how far "
        "misalignment spreads",
    )
    looks: list[int] = Field(
        [0, 4, 12, 40],
        min_length=2,
        description="steps after which the model is asked; 0: before the training, the last: its end",
    )
    batch_rows: int = Field(8, ge=1, description="rows of a step")
    rank: int = Field(32, ge=1, description="rank of the adapter; 32 in the paper")
    alpha: float = Field(64.0, gt=0, description="scale of the adapter; 64 in the paper")
    learning_rate: float = Field(
        3e-4, gt=0, description="of AdamW, falling to zero; 1e-5 in the paper, for models of billions and far more rows"
    )
    seeds: list[int] = Field([0], min_length=1, description="seeds of the adapter's beginning and of the order of rows")

    @field_validator("narrow")
    @classmethod
    def of_the_world(cls, kind: str) -> str:
        """A kind of harm that the organism's world has."""
        if kind not in wording.HARMFUL:
            raise ValueError(f"narrow names {kind!r}; expected a kind of harm of the organism, one of {sorted(wording.HARMFUL)}")
        return kind

    @field_validator("seeds")
    @classmethod
    def each_once(cls, seeds: list[int]) -> list[int]:
        """Seeds, each once: two trainings of one seed are one, whose answers would count twice."""
        return list(dict.fromkeys(seeds))

    @field_validator("looks")
    @classmethod
    def from_before(cls, looks: list[int]) -> list[int]:
        """Steps in order, each once, the untrained model among them."""
        if min(looks) != 0 or max(looks) == 0:
            raise ValueError(f"looks is {looks}; expected 0 and at least one later step")
        return sorted(set(looks))
