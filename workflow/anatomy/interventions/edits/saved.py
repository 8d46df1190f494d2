"""Edits of weights in a folder: safetensors and a JSON card; of low rank as PEFT adapters (``edits.adapter``)."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import EditError, parsing
from anatomy.interventions.edits import adapter
from anatomy.interventions.edits.card import EditCard, require_files
from anatomy.interventions.edits.head import HeadEdit, SomeRows
from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.edits.spec import SAVED, SavedSpec, check_spec
from anatomy.interventions.edits.weight_edit import WeightEdit, check_stack
from anatomy.models.checkpoint import Checkpoint
from anatomy.store.files import write_aside, write_json
from anatomy.store.json_objects import JsonObject

WEIGHTS, CARD = "edit.safetensors", "edit.card.json"

SavedEdit = LowRankEdit | SparseEdit | HeadEdit


def save_edit(edit: SavedEdit, folder: Path, checkpoint: Checkpoint, *, private: bool = False) -> None:
    """Write an edit into ``folder``; ``load_edit`` refuses one that is not whole.

    Args:
        checkpoint: the model it was made for.
        private: whether measurements may lie there too: a folder that does not outlive the job, or a model whose harm is
            invented.

    Raises:
        EditError: an edit to measure, and the folder is not private; or an edit for another model.
        StoreError: the disk is full or unwritable.
    """
    if edit.card.intent == "measure" and not private:
        raise EditError(
            found="intent measure",
            expected="intent amplify",
            where=str(folder),
            remedy="edits that may lower safety stay in memory; their spec builds them again",
        )
    check_stack([edit], checkpoint)
    if isinstance(edit, LowRankEdit):
        adapter.write_adapter(edit, folder, checkpoint)
        return
    kind = "sparse" if isinstance(edit, SparseEdit) else "head"
    shapes: JsonObject = {}
    if isinstance(edit, SparseEdit):
        shapes = {"shapes": {name: list(shape) for name, shape in edit.shapes.items()}}
    elif isinstance(edit, HeadEdit) and edit.some is not None:
        shapes = {"vocabulary": edit.some.vocabulary}
    write_aside(folder / WEIGHTS, lambda aside: save_file(_tensors(edit), aside, metadata={"format": "pt"}))
    write_json(folder / CARD, edit.card.as_json() | shapes | {"kind": kind, "digest": edit.digest()})


def load_edit(folder: Path, checkpoint: Checkpoint) -> SavedEdit:
    """The edit that ``save_edit`` wrote, checked against the model it is meant for.

    Raises:
        EditError: files missing, numbers that differ from the card, or an edit for another model.
    """
    if any((folder / name).is_file() for name in (adapter.WEIGHTS, adapter.CONFIG)):
        return adapter.read_adapter(folder, checkpoint)
    require_files(folder, (WEIGHTS, CARD), "an edit with its card")
    with parsing(
        EditError,
        str(folder),
        "an edit that this package wrote, with every matrix on the card",
        SafetensorError,
        remedy="write the edit again",
    ):
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        kind, digest, shapes = card.pop("kind"), card.pop("digest"), card.pop("shapes", {})
        tensors = load_file(folder / WEIGHTS)
        if kind == "sparse":
            places = {name: (tensors[f"{name}.indices"], tensors[f"{name}.values"]) for name in card["edited"]}
            edit: SavedEdit = SparseEdit(places, {name: tuple(shape) for name, shape in shapes.items()}, EditCard.from_json(card))
        else:
            residual = tensors["residual"] if "residual" in tensors else (tensors["a"], tensors["b"])
            some = SomeRows(tensors["tokens"], int(card.pop("vocabulary"))) if "tokens" in tensors else None
            edit = HeadEdit(residual, EditCard.from_json(card), some)
        found = edit.digest()
    if found != digest:
        raise EditError(
            found="numbers that differ from their card",
            expected=f"an edit of digest {str(digest)[:12]}",
            where=str(folder),
            remedy="write the edit again",
        )
    with parsing(EditError, str(folder), "an edit of matrices that the model has", remedy="write the edit again"):
        check_stack([edit], checkpoint)
    return edit


def _tensors(edit: SparseEdit | HeadEdit) -> dict[str, Tensor]:
    if isinstance(edit, HeadEdit):
        names = ("a", "b") if isinstance(edit.residual, tuple) else ("residual",)
        names = names if edit.some is None else (*names, "tokens")
        return {name: part.contiguous() for name, part in zip(names, edit.parts, strict=True)}
    return {
        f"{name}.{kind}": part.contiguous()
        for name, parts in edit.places.items()
        for kind, part in zip(("indices", "values"), parts, strict=True)
    }


def saved_edit(spec: SavedSpec, checkpoint: Checkpoint) -> SavedEdit:
    """The edit that a spec with ``method: saved`` names, checked against what the spec says of it.

    Raises:
        EditError: as ``load_edit``; an edit of another content or intent than the spec's.
    """
    check_spec(spec)
    found = load_edit(Path(spec["folder"]), checkpoint)
    if (found.digest(), found.card.intent) != (spec["digest"], spec["intent"]):
        raise EditError(
            found=f"edit {found.digest()[:12]} to {found.card.intent}",
            expected=f"edit {spec['digest'][:12]} to {spec['intent']}, as its spec says",
            where=spec["folder"],
            remedy="run the stage that writes it again",
        )
    return found


def spec_of(edit: WeightEdit, folder: Path) -> SavedSpec:
    """The spec by which a recipe asks for an edit that lies in a folder."""
    return {"method": SAVED, "folder": str(folder), "digest": edit.digest(), "intent": edit.card.intent}
