"""Whether an exported folder is what it says: opened again, and compared with its source."""

import hashlib
import os
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anatomy.errors import ExportError
from anatomy.interventions.export.layout import EDITABLE, Layout, read_layout
from anatomy.interventions.export.ranges import read_into
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel, load_model
from anatomy.progress.counting import counted

TOLERANCES = {torch.float32: 1e-5, torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
"""Largest |difference| of logits, as a share of the largest |logit|; in half precisions a unit in its last place."""

BLOCK = 2**20
PROBES, PROBE_TOKENS = 2, 160
"""Random tokens that both models read: longer than a block of any engine's cache, since short prompts hide mistakes."""


@dataclass(frozen=True)
class Untouched:
    """Tensors that are byte for byte those of the source: how many, their bytes, and SHA-256 over names and contents."""

    tensors: int
    size: int
    digest: str


@dataclass(frozen=True)
class Logits:
    """The exported model beside the edit in memory, on the same tokens.

    Attributes:
        difference: largest |difference|.
        largest: largest |logit|.
        tolerance: what ``difference / largest`` may be.
        effect: largest |difference| that the edit makes to the unedited model: what the comparison could have missed.
    """

    dtype: str
    difference: float
    largest: float
    tolerance: float
    effect: float


def compare_untouched(source: Checkpoint, exported: Checkpoint, touched: Collection[str]) -> Untouched:
    """Compare every tensor but the edited ones, byte by byte; the inventories must agree up to an untied head.

    Raises:
        ExportError: a tensor that differs, is missing, or is too many.
    """
    total, count, size = hashlib.sha256(), 0, 0
    theirs, ours = _places(source), _places(exported)
    touched = {source.stored_name(name) for name in touched}
    if missing := sorted(set(theirs) - set(ours)) or sorted(set(ours) - set(theirs) - set(touched)):
        raise ExportError(
            found=f"tensor {missing[0]} on one side only",
            expected="the tensors of the source",
            where=str(exported.folder),
            remedy="export again",
        )
    kept = sorted(set(theirs) - set(touched))
    for name in counted(kept, "tensors compared with the source's", len(kept)):
        digests = [_tensor_digest(*place[name]) for place in (theirs, ours)]
        if digests[0] != digests[1]:
            raise ExportError(
                found=f"other bytes in {name}",
                expected="the bytes of the source: no edit names it",
                where=str(exported.folder),
                remedy="export again; if it happens twice, check the disk",
            )
        total.update(f"{name}\0{digests[0]}\n".encode())
        count, size = count + 1, size + theirs[name][0].entry(name).size
    return Untouched(count, size, total.hexdigest())


def compare_logits(
    source: Path,
    exported: Path,
    edited: Callable[[LoadedModel], AbstractContextManager[LoadedModel]],
    device: torch.device | str = "cpu",
) -> Logits:
    """Open the source, edit it in memory, and compare its logits with those of the exported folder.

    Both are opened in the dtype of the files, one after the other: the memory of one model.

    Args:
        edited: applies the edit to a loaded model for the length of a ``with`` body.

    Raises:
        ExportError: the difference exceeds the tolerance of the dtype.
        ModelError: transformers cannot open one of the folders.
    """
    dtype = weight_dtype(Checkpoint(source))
    loaded = load_model(source, dtype, device)
    tokens = _probe_tokens(loaded)
    plain = _logits(loaded, tokens)
    with edited(loaded):
        expected = _logits(loaded, tokens)
    del loaded
    found = _logits(load_model(exported, dtype, device), tokens)
    difference, largest = _largest(found - expected), _largest(expected)
    if not difference <= TOLERANCES[dtype] * largest:
        raise ExportError(
            found=f"logits that differ by {difference:.3g} from the edit in memory",
            expected=f"at most {TOLERANCES[dtype]:.3g} of the largest logit, {largest:.3g}",
            where=str(exported),
            remedy="export again; if it happens twice, this architecture is not supported",
        )
    return Logits(str(dtype).removeprefix("torch."), difference, largest, TOLERANCES[dtype], _largest(expected - plain))


def weight_dtype(checkpoint: Checkpoint) -> torch.dtype:
    """The dtype most of a checkpoint's bytes are in.

    Raises:
        ExportError: it is one that no edit can be added to.
    """
    sizes: dict[str, int] = {}
    for path in checkpoint.files:
        for entry in read_layout(path).entries:
            sizes[entry.dtype] = sizes.get(entry.dtype, 0) + entry.size
    most = max(sizes, key=sizes.__getitem__)
    if most not in EDITABLE:
        raise ExportError(
            found=f"weights stored as {most}",
            expected=f"one of {', '.join(EDITABLE)}",
            where=str(checkpoint.folder),
            remedy="export the checkpoint that was quantised",
        )
    return EDITABLE[most]


def _places(checkpoint: Checkpoint) -> dict[str, tuple[Layout, str]]:
    layouts = [read_layout(path) for path in checkpoint.files]
    return {entry.name: (layout, entry.name) for layout in layouts for entry in layout.entries}


def _tensor_digest(layout: Layout, name: str) -> str:
    entry = layout.entry(name)
    total = hashlib.sha256(f"{entry.dtype}\0{entry.shape}\0".encode())
    buffer = bytearray(min(BLOCK, entry.size))
    file = os.open(layout.path, os.O_RDONLY)
    try:
        for start in range(0, entry.size, BLOCK):
            view = memoryview(buffer)[: min(BLOCK, entry.size - start)]
            read_into(file, view, len(layout.header) + entry.start + start)
            total.update(view)
    finally:
        os.close(file)
    return total.hexdigest()


def _probe_tokens(loaded: LoadedModel) -> Int64[Tensor, "probe token"]:
    vocabulary = loaded.model.config.get_text_config().vocab_size
    return torch.randint(vocabulary, (PROBES, PROBE_TOKENS), generator=torch.Generator().manual_seed(0))


def _logits(loaded: LoadedModel, tokens: Int64[Tensor, "probe token"]) -> Float[Tensor, "probe token vocabulary"]:
    with torch.no_grad():
        return loaded.model(input_ids=tokens.to(loaded.device), use_cache=False).logits.float().cpu()


def _largest(values: Float[Tensor, "..."]) -> float:
    return values.abs().max().item()
