"""A head, distilled from cached features and targets: what ``make_edit`` calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from anatomy.config.study import Layout
from anatomy.errors import DataError
from anatomy.interventions.edits.head import HeadEdit, head_edit, head_matrix
from anatomy.interventions.edits.making import Materials
from anatomy.interventions.edits.spec import Intent
from anatomy.interventions.heads.cache import read_cache, read_index
from anatomy.interventions.heads.head_model import FullHead, LowRankHead
from anatomy.interventions.heads.targets import shuffled
from anatomy.interventions.heads.training import Schedule, held_out, train_head
from anatomy.interventions.heads.training_memory import require_training_memory
from anatomy.interventions.heads.union import Union, UnionHead, UnionInputs, within
from anatomy.interventions.heads.union_cache import read_union
from anatomy.recipes.superficial.options import HeadTraining, Superficial
from anatomy.store.digest import digest
from anatomy.store.files import read_table

PINS: tuple[str, ...] = ("torch",)


def distil(materials: Materials, *, name: str, tasks: Sequence[str], rank: int | None, control: str, intent: Intent) -> HeadEdit:
    """Train the residual on the base's head that brings it nearest to the aligned model's distributions.

    Args:
        name: of the head.
        tasks: whose answers it is trained on; empty for all.
        rank: None for full rank.
        control: ``shuffled`` for targets that belong to other tokens, ``random`` for factors of random directions with the
            singular values of the trained residual, empty for none.
    """
    options, index = materials.config.superficial.training, materials.file("targets")
    cached = read_cache(index.with_suffix(""), len(read_index(index)["shards"]))
    answers = read_table(materials.file("answers"))
    wanted = torch.tensor([not tasks or task in tasks for task in answers["task"]], dtype=torch.bool)
    if not wanted.any():
        raise DataError(
            found=f"no answers to {', '.join(tasks)}",
            expected="some, to train on",
            where=str(materials.file("answers")),
            remedy="give this task prompts in the fit split, or look at why all answers to them are empty",
        )
    lengths = cached.lengths[wanted]
    rows = wanted.repeat_interleave(cached.lengths).nonzero()[:, 0]
    features, targets = cached.features[rows], shuffled(cached.targets, rows)
    generator = torch.Generator().manual_seed(options.seed)
    validation = held_out(lengths, options.held_out, generator)
    if control == "shuffled":
        targets = shuffled(targets, _within(validation, generator))
    whole = head_matrix(materials.checkpoint)
    union = union_of(materials.config.superficial, index, rows)
    start = whole if union is None else whole[union.tokens]
    require_training_memory(tuple(start.shape), rank, options.batch_tokens, f"head {name} of {materials.subject.id}")
    head = FullHead.of(start) if rank is None else LowRankHead.of(start, rank, generator)
    trained = train_head(
        head if union is None else UnionHead(head),
        features if union is None else UnionInputs(features, union),
        targets if union is None else within(targets, union),
        validation,
        schedule_of(options),
        materials.say,
        checkpoint=_checkpoint(materials, name),
        key={"targets": digest(read_index(index)["shards"]), "tasks": list(tasks), "rank": rank, "control": control}
        | ({} if union is None else {"union": materials.config.superficial.union}),
    )
    materials.say(
        f"{name}: {len(rows)} tokens of {len(lengths)} answers; held-out divergence {trained.before:.3f} to {trained.best:.3f} "
        f"nats a token after {trained.epoch} epochs ({trained.outcome})"
    )
    residual = head.residual()
    if control == "random" and isinstance(residual, tuple):
        residual = _random_directions(residual, generator)
    spec = {"method": "distilled head", "name": name, "rank": rank, "tasks": list(tasks), "control": control}
    if union is None:
        return head_edit(spec, intent, materials.checkpoint, residual)
    spec |= {"deviation": f"changes the {len(union.tokens)} likeliest of {union.vocabulary} tokens"}
    return head_edit(spec, intent, materials.checkpoint, residual, union.tokens)


def union_of(options: Superficial, index: Path, rows: Int[Tensor, " row"] | None = None) -> Union | None:
    """The tokens that heads of a pair may change, where a configuration names how many; None for all.

    Args:
        index: of the pair's features and targets.
        rows: the cached tokens that a head is trained on; None for all.
    """
    return None if options.union is None else read_union(index.with_suffix(""), rows)


def schedule_of(options: HeadTraining) -> Schedule:
    """The configured training."""
    return Schedule(options.learning_rate, options.epochs, options.batch_tokens, options.patience, options.seed)


def _checkpoint(materials: Materials, name: str) -> Path:
    at = Layout(materials.config.results)
    return Path(at.stage("edit", materials.subject.id, f"superficial.{name}.training.safetensors"))


def _within(validation: Bool[Tensor, " token"], generator: torch.Generator) -> Tensor:
    """An order that mixes training tokens among themselves, and held-out ones among themselves."""
    order = torch.arange(len(validation))
    for side in (validation, ~validation):
        places = side.nonzero()[:, 0]
        order[places] = places[torch.randperm(len(places), generator=generator)]
    return order


def _random_directions(residual: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Factors along random directions, with the singular values of the residual."""
    a, b = residual
    values = torch.linalg.svdvals(torch.linalg.qr(b)[1] @ torch.linalg.qr(a.T)[1].T)
    left = torch.linalg.qr(torch.randn(b.shape, generator=generator))[0]
    right = torch.linalg.qr(torch.randn(a.T.shape, generator=generator))[0]
    return (right * values.sqrt()).T.contiguous(), (left * values.sqrt()).contiguous()
