"""The card of a model under study, as ``stages.card`` writes it into the results and every later stage reads it."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from anatomy.config.subjects import Kind
from anatomy.errors import ModelError
from anatomy.models.machine.formats import Format
from anatomy.store.json_objects import JsonObject, checked_fields


class ModelSource(TypedDict):
    """Where weights come from, as the configuration's entry says, whose other options lie beside: a folder, or a revision of
    the hub."""

    folder: str | None
    hub: str | None
    revision: str | None
    measure_in_4bit: NotRequired[bool]


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
        converted: what is known of the GGUF file that it was converted from (``models.gguf.conversion``); None without one.
        tuned: what is known of its training from another model (``tuning.tuned_model``); None where it was not trained here.
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
    source: ModelSource | None
    grown: JsonObject | None
    converted: JsonObject | None
    tuned: JsonObject | None
    notes: list[str]


def source_in_words(card: ModelCard) -> str:
    """Where a model comes from, without the place on this machine, as it has to stand beside its numbers."""
    converted = card["converted"]
    if card["source"] is None:
        return f"{card['id']} (a model of the built-in organism)"
    if converted is not None:
        return f"{converted['file']} ({converted['in words']})"
    if card["tuned"] is not None:
        return f"{card['id']} ({card['tuned']['in_words']})"
    hub = hub_of(card["source"])
    return "{} at revision {}".format(*hub) if hub else f"{card['id']} (a local folder)"


def hub_of(source: ModelSource | None) -> tuple[str, str] | None:
    """Id and revision on the hub; None for a folder, a GGUF file, and a member of the organism."""
    if source is None or not source.get("hub"):
        return None
    return str(source["hub"]), str(source["revision"])


def measured_in_4bit(card: ModelCard) -> bool:
    """Whether its own answers, its directions and their selection are measured in weights rounded to four bits."""
    return card["source"] is not None and bool(card["source"].get("measure_in_4bit"))


class ComputedIn(TypedDict):
    """What of the machine shapes the numbers of a model: part of the key of every cell. One thread stands for itself."""

    dtype: Format
    threads: NotRequired[int]


def computed_in(card: ModelCard) -> ComputedIn:
    """The format and the threads that a model is computed in."""
    if card["threads"] == 1:
        return {"dtype": card["dtype"]}
    return {"dtype": card["dtype"], "threads": card["threads"]}


def checked_card(values: object, where: str) -> ModelCard:
    """A card as read from a file.

    Raises:
        ModelError: a field is missing or unknown; ``where`` names the file.
    """
    return checked_fields(ModelCard, values, "a model's card", where, ModelError)
