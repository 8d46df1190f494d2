"""What an extraction is on disk: a folder a contrast, and beside them a card that names every file by its content.

``<contrast>/`` holds ``directions.safetensors`` with its card, ``controls.safetensors`` (families of control directions),
``means.safetensors`` (the mean activations of both sides) and, where they were read, ``inputs.safetensors`` (mean inputs of the
writers). Several cards may lie in one folder, each for contrasts of its own. Snakemake compares cards only, so the files are
compared with the card whenever they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TypedDict

from safetensors.torch import save_file
from torch import Tensor

from anatomy.errors import StoreError
from anatomy.interventions.directions.candidates import Directions, card_path, save_directions
from anatomy.store.digest import file_digest
from anatomy.store.files import read_json, write_aside
from anatomy.store.mending import may_mend


class WrittenContrast(TypedDict):
    """What a card says of one contrast; who extracts adds facts of its own.

    Attributes:
        sides: names of the two means; the second is the one that is subtracted.
        files: digest of each file, by name.
    """

    sides: list[str]
    files: dict[str, str]


def write_contrast(
    folder: Path,
    directions: Directions,
    controls: Mapping[str, Tensor],
    means: Mapping[str, Tensor],
    inputs: Mapping[str, Tensor] | None = None,
) -> WrittenContrast:
    """Write one contrast; the card with what is returned under ``contrasts`` is the caller's to write, last.

    Args:
        folder: ``<extraction>/<contrast>``.
        controls: by family, [control, position, layer, d_model].
        means: of both sides, [position, layer, d_model]; the second is the one that is subtracted.
        inputs: mean inputs of every writer, by ``<side>.<writer>``.

    Returns:
        What the card has to say of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "directions.safetensors"
    save_directions(directions, path, {"contrast": folder.name})
    written = [path, card_path(path)]
    tables = {"controls": controls, "means": means, **({} if inputs is None else {"inputs": inputs})}
    for name, tensors in tables.items():
        written.append(folder / f"{name}.safetensors")
        write_aside(written[-1], partial(save_file, {key: tensor.contiguous() for key, tensor in tensors.items()}))
    return {"sides": list(means), "files": {file.name: file_digest(file) for file in written}}


def sound_contrast(extraction: Path, contrast: str) -> WrittenContrast:
    """What the card says of one contrast, after its files were compared with it.

    Args:
        extraction: folder of the extraction.

    Raises:
        StoreError: no card there describes the contrast, or a file is not what the card says. Then a job of a run removes the
            card, so that the next call extracts again.
    """
    there: list[str] = []
    for card in sorted(Path(extraction).glob("*.json")):
        found = read_json(card)
        there += found.get("contrasts", ()) if isinstance(found, dict) else ()
        if isinstance(found, dict) and contrast in found.get("contrasts", ()):
            check_files(card, contrast, found["contrasts"][contrast])
            return found["contrasts"][contrast]
    raise StoreError(
        found=f"no card that describes {contrast}",
        expected="the card of a finished extraction",
        where=str(extraction),
        remedy=f"one of {', '.join(there) or 'none: the model has no finished extraction here'}",
    )


def check_files(card: Path, contrast: str, facts: WrittenContrast) -> None:
    """Compare one contrast's files with what the card says of them.

    Raises:
        StoreError: as ``sound_contrast``.
    """
    for name, expected in facts.get("files", {}).items():
        file = card.parent / contrast / name
        if not file.is_file() or file_digest(file) != expected:
            if may_mend():
                card.unlink(missing_ok=True)
            raise StoreError(
                found="a file other than the extraction wrote" if file.exists() else "no file",
                expected=f"the content of digest {expected[:16]}",
                where=str(file),
                remedy="give the same command again: the extraction is made anew"
                if may_mend()
                else f"copy the whole run again, or delete {card}: the run's next snakemake makes the extraction anew",
            )
