"""The card of a model under study, as ``stages.card`` writes it into the results and every later stage reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from anatomy.config.subjects import Kind
from anatomy.errors import ModelError
from anatomy.models.machine.formats import Format


class ModelCard(TypedDict):
    """Where a model lies and what it contains, small enough for Snakemake to compare.

    Attributes:
        id: its name in tables.
        folder: of its checkpoint.
        digest: SHA-256 of the checkpoint.
        dtype: number format that it is computed in.
        threads: threads of a CPU that it is computed on.
        num_layers, d_model: its blocks, and the width of its residual stream.
        tied_embeddings: whether embedding and output head are one matrix.
        source: its entry in the configuration; None for a member of the organism.
        grown: a member's own card, written beside its weights; None for a model of one's own.
        notes: what its template says and no option asks for.
    """

    id: str
    kind: Kind
    folder: str
    digest: str
    dtype: Format
    threads: int
    num_layers: int
    d_model: int
    tied_embeddings: bool
    source: dict[str, Any] | None
    grown: dict[str, Any] | None
    notes: list[str]


def computed_in(card: ModelCard) -> dict[str, Any]:
    """What of the machine shapes the numbers of a model: part of the key of every cell. One thread stands for itself."""
    return {"dtype": card["dtype"], **({"threads": card["threads"]} if card["threads"] != 1 else {})}


def checked_card(values: Any, where: str) -> ModelCard:
    """A card as read from a file.

    Raises:
        ModelError: a field is missing or unknown; ``where`` names the file.
    """
    fields, found = set(ModelCard.__annotations__), set(values) if isinstance(values, Mapping) else set()
    wrong = [f"no {name}" for name in sorted(fields - found)] + [f"an unknown field {name}" for name in sorted(found - fields)]
    if wrong:
        raise ModelError(
            found=f"a model's card with {', '.join(wrong)}",
            expected=f"the fields {', '.join(ModelCard.__annotations__)}",
            where=where,
            remedy="run the stage that writes it again: delete the file, then give the same command again",
        )
    card: ModelCard = values
    return card
