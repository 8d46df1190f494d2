"""Directions that somebody else's tool wrote, put in the place where a model's own directions lie, and called theirs.

They become a contrast of the model's extraction under their own name, with a card of their own
(``extract/<model>/foreign.json``), so that edits along them are made, searched and measured by what does so along its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.errors import DataError
from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.extraction import WrittenContrast, write_contrast
from anatomy.interventions.directions.vector_files import Vectors, read_vectors
from anatomy.models.card import ModelCard
from anatomy.store.digest import file_digest

PINS: tuple[str, ...] = ("gguf", "torch")
NOT_PINNED = {"transformers": "imported with what names the files of a model; none is opened"}

POSITION = -1
"""Where a foreign direction stands beside the model's own: the last token of the prompt, at which edits read theirs."""


class ForeignContrast(WrittenContrast):
    """One foreign direction on the card.

    Attributes:
        file, digest: where it was read from, and its content.
        made_by: what made it, in words.
        layers: at which it has a direction.
        cosines: with the model's own difference in means at each of these layers, before it was turned.
        turned: layers at which it pointed away from the model's own direction.
    """

    file: str
    digest: str
    made_by: str
    layers: list[int]
    cosines: list[float]
    turned: list[int]


class ForeignCard(TypedDict):
    """The foreign directions of a model: its digest, and every one of them by name."""

    model: str
    contrasts: dict[str, ForeignContrast]


def fitting_vectors(name: str, path: Path, model: ModelCard, tried: Sequence[int]) -> Vectors:
    """The directions of a file, if they can be those of a model.

    Args:
        model: the model's card.
        tried: layers at which edits look for a direction.

    Raises:
        DataError: as ``read_vectors``; another width than the model's, a layer that it does not have, or none where edits look.
    """
    vectors = read_vectors(path)
    width, blocks = len(next(iter(vectors.values()))), model["num_layers"]
    where = f"direction {name}, {path}"
    if width != model["d_model"]:
        raise DataError(
            found=f"directions of width {width}",
            expected=f"the width {model['d_model']} of {model['id']}",
            where=where,
            remedy="the directions are of another model: name that one, or give another file",
        )
    if max(vectors) > blocks:
        raise DataError(
            found=f"a direction at layer {max(vectors)}",
            expected=f"layers 0 to {blocks}, as {model['id']} with its {blocks} blocks has",
            where=where,
            remedy="layer l is the input of block l; a control vector's direction.N is the output of block N, layer N + 1",
        )
    if not set(vectors) & set(tried):
        raise DataError(
            found=f"directions at layers {sorted(vectors)}",
            expected=f"one at layers {list(tried)}, where edits of {model['id']} look",
            where=where,
            remedy="write the directions of more layers, or let the paper that edits along them try some of these layers",
        )
    return vectors


def place_foreign(
    found: Mapping[str, tuple[Path, str]], model: ModelCard, own: Directions, folder: Path, say: Callable[[str], None]
) -> ForeignCard:
    """Write every foreign direction as a contrast beside the model's own.

    Its axis is theirs, its length the model's own at the layer (``oriented``).

    Args:
        found: name to the file and what made it.
        model: the model's card.
        own: candidates of the model's main contrast.
        folder: of the model's extraction.

    Raises:
        DataError: as ``fitting_vectors``.
    """
    card: ForeignCard = {"model": model["digest"], "contrasts": {}}
    for name, (path, made_by) in found.items():
        vectors = fitting_vectors(name, path, model, own.layers)
        directions, cosines = oriented(vectors, own)
        written = write_contrast(folder / name, directions, {}, {})
        turned = [layer for layer, cosine in cosines.items() if cosine < 0]
        card["contrasts"][name] = {
            **written,
            "file": str(path),
            "digest": file_digest(path),
            "made_by": made_by,
            "layers": list(cosines),
            "cosines": list(cosines.values()),
            "turned": turned,
        }
        said = f", turned round at layers {', '.join(map(str, turned))}" if turned else ""
        say(f"{model['id']}: direction {name} at {len(cosines)} layers{said}")
    return card


def oriented(vectors: Vectors, own: Directions) -> tuple[Directions, dict[int, float]]:
    """Foreign directions at the model's layers, each as long as the model's own and on its side.

    Edits of weights read an axis and a sign alone: strengths mean what they mean along the model's own direction. A positive sign
    amplifies what the model's own direction stands for, and an edit that does the opposite is one to measure, which leaves no
    texts of real models; so a direction that points away from the model's own is turned round. A layer at which one of the two
    has no direction has none.

    Returns:
        The directions at ``POSITION``, and the cosine with the model's own by layer, before turning.
    """
    rows: list[Float32[Tensor, " d_model"]] = []
    cosines: dict[int, float] = {}
    for layer in own.layers:
        mine = own.vector(POSITION, layer).double()
        theirs = vectors.get(layer, torch.zeros(0)).double()
        if not theirs.any() or not mine.any():
            rows.append(torch.zeros(len(mine)))
            continue
        cosines[layer] = float(torch.nn.functional.cosine_similarity(mine, theirs, dim=0))
        sign = -1.0 if cosines[layer] < 0 else 1.0
        rows.append((sign * theirs / theirs.norm() * mine.norm()).float())
    return Directions(torch.stack(rows)[None], (POSITION,), own.layers), cosines
