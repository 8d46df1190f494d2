"""The loss that masks bring, beside what scores predict of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
import torch

from anatomy.interventions.edits.apply import applied
from anatomy.interventions.pruning.gradient_sums import GradientSums
from anatomy.interventions.pruning.masks import pruning_edit, random_mask, weights_in
from anatomy.interventions.pruning.ranking import Mask, TopScores
from anatomy.interventions.pruning.response_loss import response_losses
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.progress.counting import counted
from anatomy.recipes.pruning.options import Pruning
from anatomy.recipes.pruning.stages.answering import Answers
from anatomy.recipes.pruning.stages.score_keys import OPPOSITE, prune_key
from anatomy.recipes.pruning.stages.scored_sets import POOLED

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}

KINDS = ("highest", "sign-flipped", "random")
LOSSES = ["model", "kind", "q", "weights", "split", "id", "group", "predicted", "change"]


def predictions(
    matrices: Mapping[str, torch.nn.Parameter], tops: Mapping[str, TopScores], wanted: Pruning, pooled: GradientSums
) -> dict[tuple[str, float], float]:
    """First-order prediction of the mean change of the scored answers' loss, ``-sum_M W dl/dW``, by kind of mask and q."""
    found = {}
    for kind, q, mask in _loss_masks(tops, wanted):
        changes = [
            float((matrices[name].detach().float().flatten()[at] * pooled.sums[name].flatten()[at]).sum())
            for name, places in mask.items()
            for at in (places.to(matrices[name].device),)
        ]
        found[kind, q] = -sum(changes) / len(pooled.losses)
    return found


def true_losses(
    loaded: LoadedModel,
    checkpoint: Checkpoint,
    tops: Mapping[str, TopScores],
    wanted: Pruning,
    predicted: Mapping[tuple[str, float], float],
    answers: Mapping[str, Answers],
) -> pd.DataFrame:
    """Change of the loss of harmful answers under masks of the highest, the lowest and random scores of every fraction.

    Args:
        predicted: ``predictions``, which stand beside.
    """
    before = {split: response_losses(loaded, own.forced) for split, own in answers.items()}
    rows = []
    masks = len(KINDS) * len(wanted.prune)
    for kind, q, mask in counted(_loss_masks(tops, wanted), "masks whose loss is measured", masks):
        if not weights_in(mask):
            continue
        edit = pruning_edit({"kind": kind, "q": q}, "measure", checkpoint, mask)
        with applied(loaded, edit):
            for split, own in answers.items():
                changes = response_losses(loaded, own.forced) - before[split]
                for name, group, change in zip(own.table["id"], own.table["group"], changes.tolist(), strict=True):
                    named = {"kind": kind, "q": q, "weights": weights_in(mask), "split": split, "id": name, "group": group}
                    rows.append({**named, "predicted": predicted[kind, q], "change": change})
    return pd.DataFrame(rows, columns=LOSSES[1:])


def _loss_masks(tops: Mapping[str, TopScores], wanted: Pruning) -> Iterator[tuple[str, float, Mask]]:
    """Masks whose loss is predicted and measured, the same ones at each call."""
    generator = torch.Generator().manual_seed(0)
    best = tops[prune_key(POOLED, wanted.ranking)]
    for q in wanted.prune:
        mask = best.top(q)
        yield from zip(KINDS, (q, q, q), (mask, tops[OPPOSITE].top(q), random_mask(mask, best.shapes, generator)), strict=True)
