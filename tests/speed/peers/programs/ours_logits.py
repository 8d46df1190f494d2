"""Ours, judged by the first token: the search of Arditi et al. 2024 (section 2.3) as the project runs it, raced, then their edit.

Their grid, their limits and their rule; the pick is taken out of every matrix that writes to the stream (section 4.1). 19
control directions search the same grid.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from speed.peers.organism import grown_organism
from speed.peers.programs.marks import PICKED, SEARCH, say, say_result
from speed.peers.programs.ours import TOKENS, Chosen, Model, beside_controls, directions, opened, spec_of
from speed.peers.scoring import ruler_of

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.nearest import nearest_cell
from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.search import search_control, search_directions
from anatomy.interventions.directions.selection import SelectionRule, select_direction
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE

RULE = SelectionRule(least_induce=0.0, most_kl=0.1, layer_fraction=0.8)
PACE, CONTROL_PACE = Pace(first=4, error=0.05, seed=0, regret=0.1), Pace(first=4, error=0.05, seed=0, regret=0.1)
"""The default configuration's."""


def main(results: Path, seed: int, tokens: Sequence[int]) -> None:
    torch.set_num_threads(1)
    organism = grown_organism(results, seed)
    model = opened(organism)
    own, controls = directions(model, beside_mean=False)
    say(SEARCH)
    grid = search_directions(model.loaded, own, **asked(model, tokens), pace=PACE, harmless_answers=None)
    pick = select_direction(grid, model.loaded.num_layers, RULE)
    cell = (pick.position, pick.layer) if pick.outcome == "picked" else nearest_cell(grid, model.loaded.num_layers, RULE)
    say(PICKED)
    others = (strongest(model, control, tokens) for control in controls)
    found = beside_controls(model, ruler_of(organism, model.loaded), taken_out(own, *cell), others)
    say_result({"candidates": len(own.positions) * len(own.layers), "within limits": pick.outcome == "picked", **found})


def asked(model: Model, tokens: Sequence[int]) -> dict[str, Any]:
    return {
        "harmful": model.ids["harmful", "select"],
        "harmless": model.ids["harmless", "select"],
        "refusal_tokens": tokens,
        "rule": RULE,
        "common_prefix": [],
        "token_budget": TOKENS,
        "epsilon": 1e-8,
    }


def taken_out(along: Directions, position: int, layer: int) -> Chosen:
    spec = spec_of("orthogonalize", position, layer)
    spec["sites"] = [*BLOCK_SITES, EMBEDDING_SITE]
    return spec, along.unit(position, layer)


def strongest(model: Model, control: Directions, tokens: Sequence[int]) -> Chosen | None:
    """The cell at which a control takes away most, over the same grid."""
    cell = search_control(model.loaded, control, **asked(model, tokens), pace=CONTROL_PACE)["ablate"]
    return None if cell is None else taken_out(control, *cell)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), [int(token) for token in sys.argv[3].split(",")])
