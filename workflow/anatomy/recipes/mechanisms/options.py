"""Options of the mechanism battery."""

from __future__ import annotations

from pydantic import Field

from anatomy.config.section import Identifier, Section
from anatomy.recipes.mechanisms.circuit_options import Interchange, Paths


class Lens(Section):
    """How the maps of the tuned lens are trained."""

    learning_rate: float = Field(0.001, gt=0, description="of Adam")
    epochs: int = Field(20, ge=1, description="most passes over the streams")
    patience: int = Field(3, ge=1, description="epochs without a lower held-out divergence after which a layer's training stops")
    batch: int = Field(64, ge=1, description="streams a step")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of the prompts' groups that are held out")


class Mechanisms(Section):
    """Where alignment sits, seen by every instrument."""

    models: list[Identifier] = Field(
        ["aligned", "base"],
        description="organism members or models that are looked into; those that a run lacks are left out. A base shows what "
        "instruments find where there is no refusal",
    )
    prompts: int = Field(64, ge=4, description="most prompts of each kind for probes and lenses")
    pairs: int = Field(
        12, ge=1, description="most pairs of a harmful and a harmless prompt of equal length whose activations are exchanged"
    )
    few: int = Field(8, ge=1, description="features of the sparse probe")
    lens: Lens | None = Field(Lens(), description="the tuned lens; null for the logit lens alone")
    doses: list[float] = Field(
        [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0],
        min_length=1,
        description="multiples of the picked direction that are added, 1 being the distance of harmful from harmless requests "
        "along it; 0, 1 and -1 are what claims are about, and are always asked",
    )
    paths: Paths = Field(Paths(), description="heads whose paths are followed, to later heads and past them")
    interchange: Interchange = Field(
        Interchange(),
        description="a subspace of the stream that is learned on fit pairs and exchanged in test pairs, at the picked "
        "direction's place",
    )
    seed: int = Field(0, ge=0, description="of shuffled labels, random tokens and directions, and what is held out")
    causal: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="share of the metric that a patch at the picked direction's place has to bring back in claims",
    )
    alike: float = Field(
        0.5, gt=0, lt=1, description="rank correlation above which attribution patching stands for patching in claims"
    )
