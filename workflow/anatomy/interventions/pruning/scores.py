"""Scores of weights by their gradients: which raise the loss of a set of answers where they are set to zero."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from anatomy.errors import StoreError, parsing
from anatomy.interventions.pruning.gradient_sums import GradientSums
from anatomy.interventions.pruning.ranking import ScoreOf, TopScores, from_tensors, named_tensors
from anatomy.interventions.pruning.rankings import Ranking
from anatomy.store.files import write_aside


def signed_score(matrices: Mapping[str, torch.nn.Parameter], found: GradientSums) -> ScoreOf:
    """``-W * sum_z dl(z)/dW``: high where zeroing the weight raises the loss, by about this much over all examples.

    The negative of the prune score S of arXiv 2604.09544, so that high means prune.
    """
    return lambda name: -(matrices[name].detach().float() * found.sums[name])


def opposite_score(matrices: Mapping[str, torch.nn.Parameter], found: GradientSums) -> ScoreOf:
    """``W * sum_z dl(z)/dW``: high where zeroing the weight lowers the loss; the sign-flipped control."""
    return lambda name: matrices[name].detach().float() * found.sums[name]


def absolute_score(matrices: Mapping[str, torch.nn.Parameter], found: GradientSums) -> ScoreOf:
    """``|W| * sum_z |dl(z)/dW|``, the preserve score U; SNIP's ``E_z |W dl(z)/dW|`` (arXiv 2402.05162) times the examples."""
    return lambda name: matrices[name].detach().float().abs() * found.sums[name]


class ScoredAnswers(TypedDict):
    """What scores were made from: the model's digest, and how many answers each set had."""

    model: str
    answers: dict[str, int]


def write_top(path: Path, several: Mapping[str, TopScores], said: ScoredAnswers) -> None:
    """Write highest scores by name into one file, with what they were made from."""
    tensors = {f"{key}|{name}": tensor for key, top in several.items() for name, tensor in named_tensors(top)}
    meta = {
        "tops": {key: {"ranking": top.ranking, "most": top.most} for key, top in several.items()},
        "shapes": dict(next(iter(several.values())).shapes),
        "said": said,
    }
    write_aside(path, lambda aside: save_file(tensors, aside, {"scores": json.dumps(meta)}))


def top_of_model(path: Path, digest: str) -> tuple[dict[str, TopScores], ScoredAnswers]:
    """What ``write_top`` wrote of one model.

    Args:
        digest: of the model's checkpoint.

    Raises:
        StoreError: as ``read_top``; scores of another model, whose places mean nothing here.
    """
    found, said = read_top(path)
    if said["model"] != digest:
        raise StoreError(
            found=f"scores of model {said['model'][:12]}",
            expected=f"those of model {digest[:12]}",
            where=str(path),
            remedy="delete the file and run again: the model is scored anew",
        )
    return found, said


def read_top(path: Path) -> tuple[dict[str, TopScores], ScoredAnswers]:
    """What ``write_top`` wrote.

    Raises:
        StoreError: the file is missing or damaged.
    """
    with parsing(
        StoreError, str(path), "scores written by the workflow", SafetensorError, remedy="delete the file and run again"
    ):
        with safe_open(path, framework="pt") as stream:
            meta = json.loads(stream.metadata()["scores"])
        tensors = load_file(path)
        rankings: dict[str, Ranking] = {key: top["ranking"] for key, top in meta["tops"].items()}
        found = {}
        for key, top in meta["tops"].items():
            own = {name.removeprefix(f"{key}|"): one for name, one in tensors.items() if name.startswith(f"{key}|")}
            found[key] = from_tensors(own, meta["shapes"], rankings[key], top["most"])
        return found, meta["said"]
