"""Rank-1 edits of every o_proj and down_proj: the same factors as adapter, as edited tensors and as exported checkpoint."""

from pathlib import Path

import torch
from rank_one import write_rank_one
from torch import Tensor

from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.checkpoint import Checkpoint

Factors = dict[str, tuple[Tensor, Tensor]]
SITES = ("o_proj", "down_proj")


def rank_one_edits(folder: Path, count: int) -> list[Factors]:
    """``W' = W + s u u^T W`` with random unit u and strengths around -0.5 and 0.5, of a checkpoint's weights."""
    checkpoint = Checkpoint(folder)
    names = [name for name in checkpoint.names() if name.removesuffix(".weight").endswith(SITES)]
    edits: list[Factors] = [{} for _ in range(count)]
    generator = torch.Generator().manual_seed(3)
    units = torch.nn.functional.normalize(torch.randn(count, checkpoint.d_model, generator=generator), dim=1)
    for name in names:
        read = units @ checkpoint.tensor(name).float()
        for number, edit in enumerate(edits):
            strength = (0.5 if number % 2 else -0.5) * (1 + number / count)
            edit[name.removesuffix(".weight")] = read[number][None], strength * units[number][:, None]
    return edits


def write_adapters(edits: list[Factors], folder: Path) -> list[Path]:
    """Each edit as a PEFT adapter of rank 1."""
    return [write_rank_one(folder / f"adapter-{number}", edit) for number, edit in enumerate(edits)]


def as_library_edits(checkpoint: Checkpoint, edits: list[Factors]) -> list[LowRankEdit]:
    """The same factors as the library's own edits; all carry one card, that of an edit of the same matrices."""
    unit = torch.nn.functional.normalize(torch.ones(checkpoint.d_model), dim=0)
    card = build_edit({"method": "projection", "strength": 0.5, "sign": 1}, checkpoint, unit).card
    return [LowRankEdit({name: (a.contiguous(), b.contiguous()) for name, (a, b) in edit.items()}, card) for edit in edits]


def edited_tensors(checkpoint: Checkpoint, edit: Factors) -> list[tuple[str, Tensor]]:
    """The touched tensors with the edit in them, in the checkpoint's dtype."""
    found = []
    for name, (a, b) in edit.items():
        weight = checkpoint.tensor(f"{name}.weight")
        found.append((f"{name}.weight", (weight.float() + b @ a).to(weight.dtype)))
    return found
