"""The card of a model under study: where it lies and what it contains, small enough for Snakemake to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from anatomy.config.study import Subject
from anatomy.errors import ModelError
from anatomy.models.card import ModelCard, ModelSource, checked_card
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.formats import resolved, warn_if_slow
from anatomy.models.preflight.number_format import formats_refused_in
from anatomy.models.sites import BLOCK_SITES
from anatomy.sources.registry.hub_models import HubModel, local_snapshot
from anatomy.store.files import read_json, write_json

PINS: tuple[str, ...] = ()
NOT_PINNED = {
    "torch": "names, shapes and configurations are read; nothing is computed",
    "transformers": "names, shapes and configurations are read; nothing is computed",
}


def write_model_card(
    subject: Subject,
    source: ModelSource | None,
    grown: Path | None,
    out: Path,
    sites: Sequence[str] = BLOCK_SITES,
    mirror: str | None = None,
    threads: int = 1,
    say: Callable[[str], None] = print,
    converted: Path | None = None,
    tuned: Path | None = None,
    inputs_at: Sequence[str] = (),
) -> None:
    """Describe one model.

    Args:
        source: the model's entry in the configuration; None for an organism member.
        grown: the member's own card, beside its weights.
        out: the card's path.
        sites: matrices that later jobs will edit.
        mirror: folder that stands in for the hub.
        threads: threads of a CPU that its jobs compute on.
        say: told where the format asked for is slow on this machine.
        converted: what is known of the model's conversion from a GGUF file, beside the folder that it became.
        tuned: what is known of its training from another model, beside the folder that it ended in.
        inputs_at: matrices whose mean inputs later jobs need.

    Raises:
        ModelError: the folder cannot be used, the hub model has not been fetched, or not as the configuration asks
            (``require_usable``).
        EditError: it could be read, but not edited at these sites (quantised, experts, tied).
        ConfigError: it could be edited, but vLLM cannot open it here.
    """
    if grown is not None:
        folder = grown.parent
    elif made := converted or tuned:
        folder = made.with_suffix("")
    elif source is not None:
        folder = find(source, mirror)
    else:
        raise ModelError(found="neither", expected="an entry of the configuration or a grown member", where=subject.id)
    checkpoint = Checkpoint(folder)
    # What the organism grows is a Llama, which computes in any format.
    dtype = resolved(subject.dtype) if grown is not None else resolved(subject.dtype, formats_refused_in(folder))
    notes: list[str] = []
    if grown is None:
        # What the organism grows is usable by construction; its many cards are spared importing torch and transformers.
        from anatomy.interventions.edits.inventory import editable_writers, require_inputs
        from anatomy.models.four_bits import require_roundable
        from anatomy.serving.limits import refuse_without_eyes
        from anatomy.stages.preflight import require_usable

        notes = require_usable(folder, subject)
        if source is not None and source.get("measure_in_4bit"):
            require_roundable(checkpoint)
            notes.append("directions are measured in weights rounded to four bits")
        if sites:
            editable_writers(checkpoint, sites)
            refuse_without_eyes(checkpoint)
        require_inputs(checkpoint, inputs_at)
        warn_if_slow(dtype, f"models.{subject.id}.dtype", say)
    card: ModelCard = {
        "id": subject.id,
        "kind": subject.kind,
        "folder": str(folder),
        "digest": checkpoint.digest(),
        "dtype": dtype,
        "threads": threads,
        "num_layers": checkpoint.num_layers,
        "d_model": checkpoint.d_model,
        "tied_embeddings": checkpoint.tied_embeddings,
        "source": source,
        "grown": read_json(grown) if grown else None,
        "converted": read_json(converted) if converted else None,
        "tuned": read_json(tuned) if tuned else None,
        "notes": notes,
    }
    write_json(out, card)


def find(source: ModelSource, mirror: str | None = None) -> Path:
    """The folder of a model of your own; a hub model is taken at its revision from the mirror or the local cache.

    Raises:
        ModelError: the hub model has not been fetched.
    """
    if source["folder"] is not None:
        return Path(source["folder"])
    return local_snapshot(HubModel(str(source["hub"]), str(source["revision"])), mirror)


def read_card(path: str | Path) -> ModelCard:
    """A model's card.

    Raises:
        ModelError: a field is missing or unknown, as in a card that another version wrote.
        StoreError: the file is missing or no JSON.
    """
    return checked_card(read_json(Path(path)), str(path))
