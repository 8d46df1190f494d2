"""Spaces in which outputs of matrices lie on harmful and on benign answers: their overlap, and their removal (ActSVD)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch

from anatomy.interventions.pruning.projections import Projections, random_space, removal
from anatomy.interventions.pruning.response_inputs import input_moments, output_space, space_overlap
from anatomy.models.loading import LoadedModel
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.answering import Answers
from anatomy.recipes.pruning.stages.scored_sets import BENIGN, POOLED, REFUSAL

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}

ACTSVD, ACTSVD_REFUSAL, ACTSVD_RANDOM = "ActSVD", "ability.refusal, ActSVD", "ActSVD, random directions"
"""Removals of output directions: of harmful answers, of refusals, and of as many directions drawn at random."""
SPACES = ["model", "matrix", "layer", "module", "rank", "overlap", "expected"]


def output_spaces(
    wanted: Pruning, loaded: LoadedModel, matrices: Mapping[str, torch.nn.Parameter], sets: Mapping[str, Answers], seed: int
) -> tuple[pd.DataFrame, Projections]:
    """Overlap of the spaces in which a matrix' outputs on harmful and on benign answers lie, beside that of random spaces; and
    the removals of the harmful space, of that of refusals, and of as many random directions, each with the benign space left.

    One block at a time: moments of all matrices are never in memory together.
    """
    rank, removed = wanted.space_rank, wanted.removed_ranks
    names = {POOLED: ACTSVD, REFUSAL: ACTSVD_REFUSAL}
    read = [name for name in (BENIGN, *names) if name in sets and (name != REFUSAL or removed)]
    rows: list[dict[str, object]] = []
    found: Projections = {}
    generator = torch.Generator().manual_seed(seed)
    for layer in range(loaded.num_layers if rank or removed else 0):
        own = [name for name in matrices if f".{layer}." in name]
        moments = {name: input_moments(loaded, own, sets[name].forced) for name in read}
        for name in own:
            weight = matrices[name].detach().float()
            if rank:
                width = min(rank, len(weight))
                harm, benign = (output_space(weight, moments[one][name], width) for one in (POOLED, BENIGN))
                named = {"matrix": name, "layer": layer, "module": name.rpartition(".")[2], "rank": width}
                rows.append({**named, "overlap": space_overlap(harm, benign), "expected": width / len(weight)})
            if removed:
                few = min(removed, len(weight))
                kept = output_space(weight, moments[BENIGN][name], min(wanted.preserved_ranks, len(weight)))
                spaces = {names[one]: output_space(weight, moments[one][name], few) for one in read if one != BENIGN}
                spaces[ACTSVD_RANDOM] = random_space(len(weight), few, generator).to(weight.device)
                for key, space in spaces.items():
                    found.setdefault(key, {})[name] = removal(weight, space, kept, removed)
    return pd.DataFrame(rows, columns=SPACES[1:]), found
