"""What a recipe asks a stage to answer in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from anatomy.interventions.edits.spec import Edit
from anatomy.interventions.variant import Variant

Manner = Literal["document", "chat", "request"]
"""How a prompt is put: a prefix as the beginning of a plain ``document``, a prefix as a ``chat`` request for one, or a
``request`` as it is, under the rendering and decoding of the evaluation."""


@dataclass(frozen=True)
class GenerationRequest:
    """One variant's answers to its prompt sets.

    Args:
        variant: who answers, and which sets; its edits are concrete.
        manner: how prefixes are put; other sets are requests.
        category: only prefixes of this domain; None for all.
    """

    variant: Variant
    manner: Manner
    category: str | None = None

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The variant's edits, first edit first."""
        return self.variant.edits
