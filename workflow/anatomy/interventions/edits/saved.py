"""Sparse and head edits in a folder: safetensors and a JSON card. Low-rank edits are PEFT adapters (``edits.adapter``)."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import EditError, parsing
from anatomy.interventions.edits.card import EditCard, require_files
from anatomy.interventions.edits.head import HeadEdit
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.edits.weight_edit import check_stack
from anatomy.models.checkpoint import Checkpoint
from anatomy.store.files import write_aside, write_json

WEIGHTS, CARD = "edit.safetensors", "edit.card.json"


def save_edit(edit: SparseEdit | HeadEdit, folder: Path, *, private: bool = False) -> None:
    """Write an edit into ``folder``, its card last.

    Args:
        private: whether the folder is a private one that does not outlive the job, where measurements may lie too.

    Raises:
        EditError: an edit to measure, and the folder is not private.
        StoreError: the disk is full or unwritable.
    """
    if edit.card.intent == "measure" and not private:
        raise EditError(
            found="intent measure",
            expected="intent amplify",
            where=str(folder),
            remedy="edits that may lower safety stay in memory; their spec builds them again",
        )
    kind = "sparse" if isinstance(edit, SparseEdit) else "head"
    shapes = {"shapes": {name: list(shape) for name, shape in edit.shapes.items()}} if isinstance(edit, SparseEdit) else {}
    write_aside(folder / WEIGHTS, lambda aside: save_file(_tensors(edit), aside, metadata={"format": "pt"}))
    write_json(folder / CARD, edit.card.as_json() | shapes | {"kind": kind, "digest": edit.digest()})


def load_edit(folder: Path, checkpoint: Checkpoint) -> SparseEdit | HeadEdit:
    """The edit that ``save_edit`` wrote, checked against the model it is meant for.

    Raises:
        EditError: files missing, numbers that differ from the card, or an edit for another model.
    """
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
        edit: SparseEdit | HeadEdit
        if kind == "sparse":
            places = {name: (tensors[f"{name}.indices"], tensors[f"{name}.values"]) for name in card["edited"]}
            edit = SparseEdit(places, {name: tuple(shape) for name, shape in shapes.items()}, EditCard.from_json(card))
        else:
            residual = tensors["residual"] if "residual" in tensors else (tensors["a"], tensors["b"])
            edit = HeadEdit(residual, EditCard.from_json(card))
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
        return {name: part.contiguous() for name, part in zip(names, edit.parts, strict=True)}
    return {
        f"{name}.{kind}": part.contiguous()
        for name, parts in edit.places.items()
        for kind, part in zip(("indices", "values"), parts, strict=True)
    }
