"""The tensors of a checkpoint where they lie in their files, one matrix an expert."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.interventions.export.layout import EDITABLE, Entry, read_layout
from anatomy.interventions.export.ranges import opened_range
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.experts import FUSED_READERS, FUSED_WRITER
from anatomy.models.tensor_names import loaded_name

TURNED = ("gpt_oss", "llama4", "llama4_text")
"""Types of models whose fused experts are stored as [expert, d_in, d_out]."""

COUNTED = ("BOOL", "I64")
"""Formats of masks and positions; no quantised weights are kept in them."""

_COMPUTED = re.compile(r"(rotary_emb\.inv_freq|\b(attn|attention)\.(masked_)?bias|position_ids)$")
"""Buffers of old files: rotary frequencies, and the causal masks of GPT-2, GPT-NeoX and their like."""

_FUSED = re.compile(rf"^(?P<experts>.*\bexperts)\.(?P<matrix>{'|'.join((FUSED_WRITER, *FUSED_READERS))})(?:\.weight)?$")


@dataclass(frozen=True)
class Stored:
    """One tensor in its file, or one expert's part of it.

    Attributes:
        start: of its first byte in the file.
        fused: whether the file keeps all experts of a block in one tensor, of which this is one.
    """

    path: str
    start: int
    entry: Entry
    fused: bool = False

    def between(self, first: int, rows: int) -> Stored:
        """The same cut to some of its rows."""
        size = self.entry.size // self.entry.shape[0]
        start, stop = (self.entry.start + place * size for place in (first, first + rows))
        entry = replace(self.entry, shape=(rows, *self.entry.shape[1:]), start=start, stop=stop)
        return replace(self, start=self.start + first * size, entry=entry)

    def chunks(self, rows: int) -> Iterator[Tensor]:
        """Its rows, some at a time, as they are stored; a vector has rows of one."""
        dtype = EDITABLE[self.entry.dtype]
        with opened_range(self.path) as read:
            width = self.entry.columns * dtype.itemsize
            for first in range(0, self.entry.rows, rows):
                count = min(rows, self.entry.rows - first)
                buffer = bytearray(count * width)
                read(memoryview(buffer), self.start + first * width)
                yield torch.frombuffer(buffer, dtype=dtype).view(count, self.entry.columns)


@dataclass(frozen=True)
class Joined:
    """Several tensors of one width and number format, the rows of one below those of the other.

    Attributes:
        fused: as ``Stored.fused``.
    """

    parts: tuple[Stored | Joined, ...]
    fused: bool = False

    @property
    def path(self) -> str:
        """The file of the first of them."""
        return self.parts[0].path

    @property
    def entry(self) -> Entry:
        """Of all of them together, as if they lay behind each other."""
        first = self.parts[0].entry
        rows, size = (sum(each) for each in zip(*((one.entry.shape[0], one.entry.size) for one in self.parts), strict=True))
        return replace(first, shape=(rows, *first.shape[1:]), stop=first.start + size)

    def between(self, first: int, rows: int) -> Joined:
        """The same cut to some of its rows."""
        found = []
        for part in self.parts:
            start, stop = (min(max(place, 0), part.entry.shape[0]) for place in (first, first + rows))
            found += [part.between(start, stop - start)] if stop > start else []
            first -= part.entry.shape[0]
        return Joined(tuple(found), self.fused)

    def chunks(self, rows: int) -> Iterator[Tensor]:
        """As ``Stored.chunks``."""
        for first in range(0, self.entry.shape[0], rows):
            own = self.between(first, min(rows, self.entry.shape[0] - first))
            yield torch.cat([chunk for part in own.parts for chunk in part.chunks(rows)])


def stored_tensors(checkpoint: Checkpoint) -> dict[str, Stored]:
    """Every tensor by the model's name of it; experts in one tensor are taken apart, for each has a change of its own.

    What old files keep besides weights (positions, masks, frequencies, which models compute from their configuration) is passed
    over, and so are tensors without an entry.

    Raises:
        ModelError: weights whose stored numbers are not the weights themselves.
    """
    found: dict[str, Stored] = {}
    if checkpoint.quantisation is not None:
        raise ModelError(
            found=f"weights quantised with {checkpoint.quantisation}",
            expected="weights in a floating-point format",
            where=str(checkpoint.folder),
            remedy="dequantise the checkpoint first; its distance from the original is then part of what is found",
        )
    for path in checkpoint.files:
        layout = read_layout(path)
        for entry in layout.entries:
            if not entry.size or entry.dtype in COUNTED or _COMPUTED.search(entry.name):
                continue
            if entry.dtype not in EDITABLE:
                raise ModelError(
                    found=f"{entry.name} stored as {entry.dtype}",
                    expected=f"one of {', '.join(EDITABLE)}",
                    where=str(path),
                    remedy="audit the checkpoint before it was quantised, or a dequantised copy",
                )
            name = loaded_name(checkpoint.config.get("model_type", ""), entry.name)
            whole = Stored(str(path), len(layout.header) + entry.start, entry)
            found.update(_experts(name, whole) or {name: whole})
    return found


def _experts(name: str, whole: Stored) -> dict[str, Stored]:
    """The matrices of a tensor [expert, rows, columns]; empty for any other tensor."""
    entry, match = whole.entry, _FUSED.match(name)
    if match is None or len(entry.shape) != 3:
        return {}
    count = entry.shape[0]
    size = entry.size // count
    return {
        f"{match['experts']}.{number}.{match['matrix']}.weight": Stored(
            whole.path,
            whole.start + number * size,
            Entry(entry.name, entry.dtype, entry.shape[1:], entry.start + number * size, entry.start + (number + 1) * size),
            fused=True,
        )
        for number in range(count)
    }
