"""Low-rank edits as PEFT LoRA adapters, which peft and vLLM load as they are."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from anatomy.errors import EditError, parsing
from anatomy.interventions.edits.card import EditCard, require_files
from anatomy.interventions.edits.inventory import matrices_at
from anatomy.interventions.edits.low_rank import Factors, LowRankEdit, oriented_shape, stack_factors
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.matrix_names import is_embedding, stored_transposed
from anatomy.store.files import write_aside, write_json

WEIGHTS, CONFIG, CARD = "adapter_model.safetensors", "adapter_config.json", "edit.card.json"
_PREFIX = "base_model.model."


def write_adapter(edit: LowRankEdit, folder: Path, checkpoint: Checkpoint) -> None:
    """Write ``folder`` as an adapter of the edit's rank, with its card.

    Raises:
        EditError: the edit was made for another model.
        StoreError: the disk is full or unwritable.
    """
    _write([edit], folder, checkpoint, {CARD: edit.card.as_json() | {"digest": edit.digest()}})


def write_stack(edits: Sequence[LowRankEdit], folder: Path, checkpoint: Checkpoint) -> None:
    """Write a stack of edits as one adapter whose rank is the sum of theirs: for serving, so without a card.

    Raises:
        EditError: an edit was made for another model.
        StoreError: the disk is full or unwritable.
    """
    _write(edits, folder, checkpoint, {})


def _write(edits: Sequence[LowRankEdit], folder: Path, checkpoint: Checkpoint, cards: dict[str, dict]) -> None:
    """An adapter with ``lora_alpha`` equal to its rank, so that the scaling is 1.

    Matrices of the edited sites that have no factors (a subset of layers) get zeros: loaders expect every layer.
    """
    if biased := sorted(name for edit in edits for name in edit.biases):
        raise EditError(
            found=f"an edit that changes output biases, such as {biased[0]}.bias",
            expected="an edit of matrices alone, which is all that an adapter holds",
            where=str(folder),
            remedy="apply it in memory, let an engine reload its tensors, or export the edited checkpoint",
        )
    names = dict.fromkeys(name for edit in edits for name in check_fits(edit, checkpoint))
    factors, rank = stack_factors(edits), sum(edit.rank for edit in edits)
    tensors: dict[str, Tensor] = {}
    for name in names:
        a, b = factors.get(name) or _nothing(checkpoint, name, rank)
        name_a, name_b = _tensor_names(name)
        tensors[name_a], tensors[name_b] = a.contiguous(), b.contiguous()
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": checkpoint.folder.name,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted({name.rpartition(".")[2] for name in names}),
        "inference_mode": True,
        "fan_in_fan_out": any(stored_transposed(name) and not is_embedding(name) for name in names),
    }
    write_aside(folder / WEIGHTS, lambda aside: save_file(tensors, aside, metadata={"format": "pt"}))
    for name, card in cards.items():
        write_json(folder / name, card)
    write_json(folder / CONFIG, config)


def read_adapter(folder: Path, checkpoint: Checkpoint) -> LowRankEdit:
    """The edit that ``write_adapter`` wrote, checked against the model it is meant for.

    Raises:
        EditError: files missing, factors that differ from the card, or an adapter for another model.
    """
    require_files(folder, (WEIGHTS, CARD), "an adapter with its card")
    with parsing(
        EditError, str(folder), "an adapter with its card, as written", SafetensorError, remedy="write the adapter again"
    ):
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        digest = card.pop("digest")
        tensors = load_file(folder / WEIGHTS)
        factors: dict[str, Factors] = {}
        for name in card["edited"]:
            name_a, name_b = _tensor_names(name)
            if name_a not in tensors or name_b not in tensors:
                raise EditError(found=f"no factors of {name}", expected="every matrix on the card", where=str(folder))
            factors[name] = tensors[name_a].float(), tensors[name_b].float()
        edit = LowRankEdit(factors, EditCard.from_json(card))
    if edit.digest() != digest:
        raise EditError(
            found="factors that differ from their card",
            expected=f"factors of digest {digest[:12]}",
            where=str(folder),
            remedy="write the adapter again",
        )
    check_fits(edit, checkpoint)
    return edit


def check_fits(edit: LowRankEdit, checkpoint: Checkpoint) -> list[str]:
    """The model's matrices at the edited sites, after refusing an edit made for another model (``EditError``).

    Models are told apart by digest, and by name and shape of every matrix.
    """
    if edit.card.model_digest != checkpoint.digest():
        raise EditError(
            found=f"an edit for model {edit.card.model_digest[:12]}",
            expected=f"model {checkpoint.digest()[:12]}",
            where=str(checkpoint.folder),
            remedy="build the edit from this model's own weights",
        )
    found = matrices_at(checkpoint, {name.rpartition(".")[2] for name in edit.factors})
    for name, (a, b) in edit.factors.items():
        fits = name in found and oriented_shape(checkpoint, name) == (b.shape[0], a.shape[1])
        if not fits or a.shape[0] != b.shape[1]:
            raise EditError(
                found=f"{name} with factors {tuple(b.shape)} x {tuple(a.shape)}",
                expected="a matrix of the model, of the same shape",
                where=str(checkpoint.folder),
            )
    return found


def _nothing(checkpoint: Checkpoint, name: str, rank: int) -> Factors:
    d_out, d_in = oriented_shape(checkpoint, name)
    return torch.zeros(rank, d_in), torch.zeros(d_out, rank)


def _tensor_names(name: str) -> tuple[str, str]:
    if is_embedding(name):
        return f"{_PREFIX}{name}.lora_embedding_A", f"{_PREFIX}{name}.lora_embedding_B"
    return f"{_PREFIX}{name}.lora_A.weight", f"{_PREFIX}{name}.lora_B.weight"
