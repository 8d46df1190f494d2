"""What both programs of ours share: the model in memory, its directions with their controls, an edit and what it scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from speed.peers.budget import DIRECTION_PROMPTS, SEARCH_PROMPTS
from speed.peers.organism import SETS, Organism
from speed.peers.scoring import Ruler, scored, true_refusals
from torch import Tensor

from anatomy.interventions.directions.candidates import Directions, difference_in_means
from anatomy.interventions.directions.controls import relabelling_weights
from anatomy.interventions.directions.covariance_draws import gaussian_weights
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.interventions.edits.spec import LowRankSpec, Sign
from anatomy.models.activations.means import mean_activations
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.rendering import Rendering, render, template_positions
from anatomy.stages.extract import SEED, control_tensors
from anatomy.statistics.controls import compare_with_controls

CONTROLS = {"isotropic": 7, "covariance": 6, "shuffled": 6}
"""As the default configuration draws them."""

TOKENS = 4096
"""Most tokens of a batch."""


@dataclass(frozen=True)
class Model:
    """The organism's aligned member, opened once.

    Attributes:
        ids: rendered prompts by side and phase.
    """

    loaded: LoadedModel
    checkpoint: Checkpoint
    ids: dict[tuple[str, str], list[list[int]]]

    def under(self, spec: LowRankSpec, unit: torch.Tensor) -> AbstractContextManager[LoadedModel]:
        """The model under an edit, which is data: its factors are computed here, applied in memory and taken back."""
        return applied(self.loaded, build_edit(spec, self.checkpoint, unit))


def opened(organism: Organism) -> Model:
    """Weights, tokenizer and the prompts for directions and search."""
    loaded = load_model(organism.model, torch.float32, "cpu")
    limits = {"fit": DIRECTION_PROMPTS, "select": SEARCH_PROMPTS}
    ids = {
        (side, phase): render(loaded.tokenizer, list(organism.prompts(side, phase, limit)["prompt"]), Rendering())
        for side in SETS
        for phase, limit in limits.items()
    }
    return Model(loaded, Checkpoint(organism.model), ids)


def directions(model: Model, *, beside_mean: bool) -> tuple[Directions, list[Directions]]:
    """Differences in means at the template's positions, and the directions of the controls.

    Args:
        beside_mean: of each direction its share along the mean of the harmless prompts is left out.
    """
    positions = template_positions(model.loaded.tokenizer, Rendering())
    sides = [model.ids[side, "fit"] for side in SETS]
    sizes = [len(side) for side in sides]
    shuffled = relabelling_weights(*sizes, [SEED["shuffled"] + n for n in range(CONTROLS["shuffled"])], True)
    gaussian = gaussian_weights(*sizes, [SEED["covariance"] + n for n in range(CONTROLS["covariance"])])
    moments = [
        mean_activations(model.loaded, ids, positions, token_budget=TOKENS, weights=torch.cat([shuffled[n], gaussian[n]], 1))
        for n, ids in enumerate(sides)
    ]
    drawn = control_tensors(moments, gaussian, CONTROLS["shuffled"], CONTROLS["isotropic"])
    own = difference_in_means(*moments)
    controls = [Directions(one.contiguous(), own.positions, own.layers) for tensors in drawn.values() for one in tensors]
    if not beside_mean:
        return own, controls
    return without_share(own, moments[1].mean), [without_share(one, moments[1].mean) for one in controls]


def without_share(along: Directions, mean: Float64[Tensor, "position layer d_model"]) -> Directions:
    """Directions orthogonal to a mean: ``r - (r . m) m`` with m the unit mean of the cell.

    heretic and senbonzakura take their directions so. What all harmless prompts have in common stays where it is.
    """
    unit = torch.nn.functional.normalize(mean, dim=-1)
    vectors = along.vectors.double()
    rest = vectors - (vectors * unit).sum(-1, keepdim=True) * unit
    return Directions(rest.float(), along.positions, along.layers)


def spec_of(method: str, position: int, layer: int, **more: float) -> LowRankSpec:
    """An edit that takes a direction away."""
    place = {"contrast": "plain", "position": position, "layer": layer, "control": None}
    signed: dict[str, Sign] = {"sign": -1} if method == "projection" else {}
    return {"method": method, "direction": place, **signed, **more}  # type: ignore[typeddict-item]


Chosen = tuple[LowRankSpec, torch.Tensor]
"""An edit and the unit vector that it is made of."""


def beside_controls(model: Model, ruler: Ruler, chosen: Chosen, controls: Iterator[Chosen | None]) -> dict[str, object]:
    """The score of an edit with its interval, and its rank among controls that went through the same search.

    A control for which the search found no edit changes nothing.
    """
    unedited = true_refusals(model.loaded, ruler)
    with model.under(*chosen) as edited:
        found: dict[str, object] = dict(scored(edited, ruler))
        lowered = float(unedited.mean() - true_refusals(edited, ruler).mean())
    others = []
    for control in controls:
        if control is None:
            others.append(0.0)
            continue
        with model.under(*control) as edited:
            others.append(float(unedited.mean() - true_refusals(edited, ruler).mean()))
    compared = compare_with_controls(lowered, np.array(others), side="greater")
    return {
        **found,
        "lowered": lowered,
        "controls": {"n": compared.n, "p": compared.p, "median": compared.median, "most": compared.high},
        "edit": {key: value for key, value in chosen[0].items() if key != "direction"} | place_of(chosen[0]),
    }


def place_of(spec: LowRankSpec) -> dict[str, int]:
    return {"position": spec["direction"]["position"], "layer": spec["direction"]["layer"]}
