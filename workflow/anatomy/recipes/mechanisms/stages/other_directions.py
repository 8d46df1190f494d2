"""Directions that other papers of a run leave of a model, by layer; a layer without one is zero."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.interventions.edits.head import HeadEdit
from anatomy.interventions.edits.saved import saved_edit
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.instruments.final_norm import final_norm
from anatomy.models.activations.answers import ALL
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import stored_transposed, writing_site
from anatomy.recipes.pasta.edits import SIGNATURE
from anatomy.stages.model_directions import ModelDirections
from anatomy.store.files import read_json

ByLayer = Float[Tensor, "layer d_model"]
PUBLISHED_FORM = "row_mean"
"""The search for an edit of the paper's form: the direction of its pick, which is one vector for all layers."""
WRITTEN_ALONG = ("style", "ROSI")
"""Directions beside the refusal direction that contributions are taken along."""


def others_directions(
    files: Mapping[str, str], known: ModelDirections, loaded: LoadedModel, base: Checkpoint | None
) -> dict[str, ByLayer]:
    """Every direction that is named by a file: the one that ``ROSI`` writes, the ``style`` of post-training, what a ``mask`` no
    longer writes, and what a ``head`` of superficial knowledge reads.

    Args:
        files: as ``neighbours.files_of_others`` names them.
        known: directions of the model, which ROSI's search picked from.
        base: whose head the residual belongs to.
    """
    found = {}
    if "rosi" in files and (edit := read_json(Path(files["rosi"])).get(PUBLISHED_FORM)) is not None:
        found["ROSI"] = known.unit(edit["direction"]).expand(loaded.num_layers + 1, -1)
    if "signature" in files:
        found["style"] = style_direction(Path(files["signature"]))
    if "mask" in files and (spec := next(iter(read_json(Path(files["mask"])).values()))) is not None:
        edit = saved_edit(spec, Checkpoint(loaded.folder))
        assert isinstance(edit, SparseEdit)
        found["mask"] = mask_direction(edit, Checkpoint(loaded.folder), loaded.num_layers, loaded.d_model)
    if "head" in files and base is not None:
        (spec,) = read_json(Path(files["head"])).values()
        edit = saved_edit(spec, base)
        assert isinstance(edit, HeadEdit)
        found["head"] = head_direction(edit.delta(), loaded)
    return found


def style_direction(card: Path) -> ByLayer:
    """The signature of post-training, means over all tokens of answers."""
    known = ModelDirections(card.parent).candidates(SIGNATURE)
    return known.vectors[known.positions.index(ALL)]


def mask_direction(edit: SparseEdit, checkpoint: Checkpoint, num_layers: int, d_model: int) -> ByLayer:
    """Where the most of what a block's matrices no longer write lies: first left singular vector of their changes, at the layer
    behind the block."""
    changes: dict[int, list[Tensor]] = {}
    for name in edit.places:
        if writing_site(name) is not None:
            layer = next(int(part) for part in name.split(".") if part.isdigit())
            weight = checkpoint.tensor(f"{name}.weight").float()
            change = edit.edited(f"{name}.weight", weight) - weight
            changes.setdefault(layer, []).append(change.T if stored_transposed(name) else change)
    found = torch.zeros(num_layers + 1, d_model)
    for layer, parts in changes.items():
        delta = torch.cat(parts, dim=1)
        if delta.any():
            found[layer + 1] = torch.linalg.svd(delta, full_matrices=False)[0][:, 0]
    return found


@torch.no_grad()
def head_direction(residual: Float[Tensor, "vocabulary d_model"], loaded: LoadedModel) -> ByLayer:
    """The line in the last stream that a residual on the output head reads most.

    The first right singular vector, taken back through the final norm.
    """
    found = torch.zeros(loaded.num_layers + 1, loaded.d_model)
    reads = torch.linalg.svd(residual.float().cpu(), full_matrices=False)[2][0]
    found[-1] = torch.nn.functional.normalize(final_norm(loaded).read_by(reads), dim=0)
    return found


def directions_at(
    vectors: pd.DataFrame, layer: int, names: Collection[str] = WRITTEN_ALONG
) -> dict[str, Float[Tensor, " d_model"]]:
    """Those of a run's directions that a model has at a layer, unit vectors by name.

    Args:
        vectors: the table ``vectors`` of the geometry; a direction that is zero at a layer is none there.
        names: which.
    """
    own = vectors[(vectors["layer"] == layer) & vectors["direction"].isin(names)].set_index("direction")["vector"]
    return {str(name): torch.tensor(list(vector)) for name, vector in own.items() if any(vector)}
