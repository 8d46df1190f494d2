"""An edited checkpoint written in one pass, from one file to another, with little more in memory than a few rows."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch
from torch import Tensor

from anatomy.errors import NumericsError
from anatomy.interventions.export.companions import copy_companions, copy_index
from anatomy.interventions.export.folder import check_space
from anatomy.interventions.export.layout import EDITABLE, read_layout
from anatomy.interventions.export.plan import PlannedFile, Task, check_rewrites, must_untie, plan_file, untouched
from anatomy.interventions.export.ranges import copy_range, read_into, write_all
from anatomy.interventions.export.rewrite import Rewrite
from anatomy.models.checkpoint import HEAD, Checkpoint
from anatomy.progress.counting import counted
from anatomy.store.files import sync

CHUNK = 2**18
"""Bytes of a tensor rewritten at once; some ten times as many are held for it, most of them in fp32."""


@dataclass(frozen=True)
class Rewritten:
    """One edited tensor.

    Attributes:
        norm: ||Delta||_F of the change that was asked for.
        surviving: the share of it that the file's dtype holds, ``<cast(W') - W, Delta> / ||Delta||^2``.
    """

    name: str
    dtype: str
    norm: float
    surviving: float


@dataclass(frozen=True)
class Streamed:
    """What was written.

    Attributes:
        files: names of the weight files.
        size: their bytes.
        rewritten: the edited tensors.
        untied: the output head was given a matrix of its own.
        companions: names of the other files copied.
    """

    files: tuple[str, ...]
    size: int
    rewritten: tuple[Rewritten, ...]
    untied: bool
    companions: tuple[str, ...]

    @property
    def surviving_share(self) -> float:
        """``surviving`` of all tensors together, each weighted by the square of its norm."""
        return sum(one.surviving * one.norm**2 for one in self.rewritten) / sum(one.norm**2 for one in self.rewritten)


def stream_checkpoint(checkpoint: Checkpoint, rewrites: Mapping[str, Rewrite], folder: Path) -> Streamed:
    """Write ``checkpoint`` with some tensors rewritten into ``folder``, which exists.

    Files, order of tensors and metadata stay; tensors that no rewrite names are copied byte for byte. Edited values are
    computed in fp32 and cast to the tensor's own dtype once, as ``anatomy.interventions.edits.apply`` does in memory. Where
    embeddings are tied and the edit touches one side, the head gets a matrix of its own and the configuration says so.

    Args:
        rewrites: by the model's name of a tensor; at least one. What is returned speaks of the file's names.

    Raises:
        EditError: a tensor that is not there, of another shape, of a dtype that cannot be edited, or tied in a way that
            cannot be untied.
        NumericsError: NaN or infinity in an edited tensor, or an edit that changes nothing.
        StoreError: not enough room.
    """
    untied = must_untie(checkpoint, rewrites)
    add_head = checkpoint.stored_name(checkpoint.embedding) if untied and HEAD not in checkpoint.names() else None
    rewrites = {checkpoint.stored_name(name): rewrite for name, rewrite in rewrites.items()}
    files = [plan_file(read_layout(path), rewrites, add_head=add_head) for path in checkpoint.files]
    check_rewrites(checkpoint, rewrites, {task.name: task.entry for file in files for task in file.tasks})
    check_space(folder, sum(file.size for file in files))
    written = counted(files, "MB written", sum(file.size for file in files) / 1e6, lambda file: file.size / 1e6)
    rewritten = [one for file in written for one in write_file(file, folder / file.layout.path.name)]
    copy_index(checkpoint.folder, folder, {name: place for file in files for name, place in file.added.items()})
    copied = copy_companions(checkpoint.folder, folder, untied=untied)
    names = tuple(file.layout.path.name for file in files)
    return Streamed(names, sum(file.size for file in files), tuple(rewritten), untied, tuple(copied))


def write_file(file: PlannedFile, target: Path) -> list[Rewritten]:
    """Write one planned file and wait until it is on the disk."""
    source = os.open(file.layout.path, os.O_RDONLY)
    out = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.ftruncate(out, file.size)
        write_all(out, file.header, 0)
        with ThreadPoolExecutor(1) as pool:
            # The kernel copies what nobody touches while this thread computes.
            copied = pool.submit(_copy_untouched, file.tasks, source, out)
            rewritten = [_rewrite(task, task.rewrite, source, out) for task in file.tasks if task.rewrite is not None]
            copied.result()
        sync(out)
        return rewritten
    finally:
        os.close(source)
        os.close(out)


def _copy_untouched(tasks: Sequence[Task], source: int, out: int) -> None:
    for piece in untouched(tasks):
        copy_range(source, out, *piece)


def _rewrite(task: Task, rewrite: Rewrite, source: int, out: int) -> Rewritten:
    entry, dtype = task.entry, EDITABLE[task.entry.dtype]
    width = entry.columns * dtype.itemsize
    step = max(1, CHUNK // width)
    buffer = bytearray(min(step, entry.rows) * width)
    square = kept = 0.0
    for start in range(0, entry.rows, step):
        rows = min(step, entry.rows - start)
        view = memoryview(buffer)[: rows * width]
        read_into(source, view, task.source + start * width)
        old = torch.frombuffer(view, dtype=dtype).view(rows, entry.columns).float()
        new, change = rewrite(old, start)
        cast = new.to(dtype).contiguous()
        # In fp32 by the chunk and in fp64 over chunks: to six digits, and several times faster than fp64 throughout.
        survived, change = (cast.float() - old).view(-1), change.contiguous().view(-1)
        product = torch.dot(survived, change).item()
        if not isfinite(product):
            _check_finite(cast, task.name, start)
        kept += product
        square += torch.dot(change, change).item()
        write_all(out, memoryview(cast.view(-1).view(torch.uint8).numpy()), task.target + start * width)
    if not square > 0.0:
        raise NumericsError(
            found="an edit that changes nothing",
            expected="a norm above zero",
            where=task.name,
            remedy="leave the tensor out of the edit",
        )
    return Rewritten(task.name, entry.dtype, square**0.5, kept / square)


def _check_finite(values: Tensor, name: str, start: int) -> None:
    if not bool(values.isfinite().all()):
        row = start + int((~values.isfinite()).any(1).nonzero()[0])
        raise NumericsError(
            found=f"NaN or infinity in row {row} after the edit",
            expected=f"numbers that {values.dtype} can hold",
            where=name,
            remedy="check the checkpoint for NaN, and the strength of the edit",
        )
