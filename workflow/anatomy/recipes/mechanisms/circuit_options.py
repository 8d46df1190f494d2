"""Options of what the mechanism battery asks about heads, their paths, and learned subspaces."""

from __future__ import annotations

from pydantic import Field

from anatomy.config.section import Section


class Paths(Section):
    """Heads whose paths are followed, to later heads and past them."""

    heads: int = Field(
        3,
        ge=1,
        description="heads that are followed: below the last block, those whose exchange on fit pairs moves most, the lesser of "
        "both ways; and as many random ones beside them",
    )
    mediated: float = Field(
        0.5, gt=0, lt=1, description="share of a gate's effect that has to go through attention of later blocks in claims"
    )
    direct: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="share of the refusal metric that a gate may bring with nothing after it noticing, in claims; under 1 % in "
        "arXiv 2604.04385",
    )


class Interchange(Section):
    """A subspace of the stream that is learned on fit pairs and exchanged in test pairs, at the picked direction's place."""

    rank: int = Field(1, ge=1, description="of the subspace")
    steps: int = Field(100, ge=1, description="steps of training, of the subspace and of the one with dealt outcomes")
    learning_rate: float = Field(0.03, gt=0, description="of Adam")
    batch: int = Field(8, ge=1, description="runs a step")
    draws: int = Field(5, ge=1, description="random subspaces of that rank")
