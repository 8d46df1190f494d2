"""Where each tensor lies in a safetensors file, so that ranges of it can be copied without being understood."""

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from anatomy.models.weight_header import read_header

EDITABLE = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
"""Number formats whose values an edit can be added to."""


@dataclass(frozen=True)
class Entry:
    """One tensor: ``start`` and ``stop`` in bytes, from the first byte after the header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start

    @property
    def columns(self) -> int:
        """Length of a row; a vector has rows of one."""
        return self.shape[-1] if len(self.shape) > 1 else 1

    @property
    def rows(self) -> int:
        return prod(self.shape[:-1]) if len(self.shape) > 1 else prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """A safetensors file: its header as it stands, and its tensors in the order of their bytes."""

    path: Path
    header: bytes
    entries: tuple[Entry, ...]

    @property
    def data_size(self) -> int:
        return max((entry.stop for entry in self.entries), default=0)

    @property
    def size(self) -> int:
        return len(self.header) + self.data_size

    def entry(self, name: str) -> Entry:
        return next(entry for entry in self.entries if entry.name == name)

    def with_tensor(self, like: Entry, name: str) -> "Layout":
        """The layout with one more tensor at its end, of the format of another; order and metadata stay."""
        header = json.loads(self.header[8:])
        added = Entry(name, like.dtype, like.shape, self.data_size, self.data_size + like.size)
        header[name] = {"dtype": added.dtype, "shape": list(added.shape), "data_offsets": [added.start, added.stop]}
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)  # the format asks that data begin at a multiple of eight
        return Layout(self.path, len(text).to_bytes(8, "little") + text, (*self.entries, added))


def read_layout(path: Path) -> Layout:
    """The layout of a file.

    Raises:
        ModelError: no safetensors file, or a truncated one.
    """
    entries = [
        Entry(name, entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"]) for name, entry in read_header(path).items()
    ]
    with path.open("rb") as file:
        length = file.read(8)
        header = length + file.read(int.from_bytes(length, "little"))
    return Layout(path, header, tuple(sorted(entries, key=lambda entry: (entry.start, entry.stop))))
