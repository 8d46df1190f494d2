"""Options of the toy paper."""

from __future__ import annotations

from pydantic import Field

from anatomy.config.section import Identifier, Section


class Toy(Section):
    """Prune the weights that write most along the refusal direction."""

    model: Identifier = Field("aligned", description="member of the organism that is pruned (the edit is meant to measure)")
    beside: Identifier = Field("weak", description="member whose direction counts beside that of the pruned one")
    layer: int = Field(3, ge=1, description="layer whose direction is read")
    share: float = Field(0.02, gt=0, lt=1, description="share of each output matrix that is pruned")
    margin: float = Field(0.2, gt=0, description="largest change of benign refusals that counts as none")
