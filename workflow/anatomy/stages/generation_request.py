"""What a recipe asks a stage to answer in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from anatomy.errors import EditError
from anatomy.interventions.edits.reference import is_concrete
from anatomy.interventions.edits.spec import Edit
from anatomy.interventions.variant import Variant

Manner = Literal["document", "chat", "request", "plain", "template", "in context"]
"""How a prompt is put: a prefix as the beginning of a plain ``document``, a prefix as a ``chat`` request for one, or a
``request`` as it is, under the rendering and decoding of the evaluation; a request as ``plain`` text or through the chat
``template`` whatever the model is spoken to in otherwise, or ``in context``, behind examples."""


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
        """The variant's edits, first edit first.

        Raises:
            EditError: one of them names a place in a search that is still to run.
        """
        if not all(map(is_concrete, self.variant.edits)):
            raise EditError(
                found=f"edits {self.variant.edits}",
                expected="concrete edits",
                where=f"variant {self.variant.id}, asked for in memory",
                remedy="resolve the names of searches before the variant is asked for",
            )
        return tuple(edit for edit in self.variant.edits if is_concrete(edit))


def at_all_positions(asked: Iterable[GenerationRequest]) -> list[GenerationRequest]:
    """Those whose edits act at every position. An edit of generated positions alone has no meaning where the text is given."""
    return [one for one in asked if all(edit.get("positions", "all") == "all" for edit in one.edits)]
