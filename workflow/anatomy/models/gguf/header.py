"""What a GGUF file says of itself: its metadata, and the names, shapes and places of its tensors; no weight is read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The standard library alone, so that a run can be planned
from it.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from anatomy.errors import ModelError
from anatomy.store.json_objects import JsonObject

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""Version 1 wrote its lengths in 32 bits and has not been written since 2023."""
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
AGAIN = "copy or download the file again"


class Tensor(NamedTuple):
    """A tensor of the file.

    Attributes:
        shape: rows first, as PyTorch has it (the file lists them the other way round).
        kind: number of its ggml type.
        begin: byte of the file at which it begins.
    """

    name: str
    shape: tuple[int, ...]
    kind: int
    begin: int


@dataclass(frozen=True)
class Header:
    """The beginning of a GGUF file.

    Attributes:
        values: its metadata, by key.
        tensors: in the order of the file.
        size: bytes of the file.
    """

    path: Path
    version: int
    values: JsonObject
    tensors: tuple[Tensor, ...]
    size: int

    @property
    def architecture(self) -> str:
        return str(self.values.get("general.architecture", ""))

    @property
    def parameters(self) -> int:
        """Number of weights that the file holds."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    def own(self, key: str) -> Any:
        """A value under the architecture's prefix; None where the file does not state it."""
        return self.values.get(f"{self.architecture}.{key}")


def read_header(path: Path) -> Header:
    """Read the beginning of a GGUF file.

    Raises:
        ModelError: no such file, no GGUF, a version or byte order that nothing here reads, or cut short within its header.
    """
    path = Path(path)
    if not path.is_file():
        raise _refused(path, "a folder" if path.is_dir() else "no such file", "a GGUF file", "mend the path")
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        if start[:4] != MAGIC:
            found = f"a file of {size} bytes that begins with {start[:4]!r}"
            raise _refused(path, found, f"a GGUF file, which begins with {MAGIC!r}", "name the .gguf file itself")
        if len(start) < 8:
            raise _cut(path, size)
        version = int.from_bytes(start[4:], "little")
        if version not in VERSIONS:
            swapped = int.from_bytes(start[4:], "big") in VERSIONS
            raise _refused(
                path,
                "big-endian numbers" if swapped else f"GGUF version {version}",
                f"version {' or '.join(map(str, VERSIONS))}, little-endian",
                "take a conversion for little-endian machines" if swapped else "convert the model anew with llama.cpp of today",
            )
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _header(path, version, _Reader(data, 8), size)
            except (struct.error, EOFError):
                raise _cut(path, size) from None
            except UnicodeDecodeError:
                raise _refused(path, "text that is no UTF-8 in its header", "a whole GGUF file", AGAIN) from None


def _header(path: Path, version: int, reader: _Reader, size: int) -> Header:
    tensors, pairs = reader.number("<Q"), reader.number("<Q")
    values: JsonObject = {}
    for _ in range(pairs):
        key = reader.text()
        values[key] = reader.value(reader.number("<I"), path)
    entries = []
    for _ in range(tensors):
        name = reader.text()
        shape = tuple(reversed([reader.number("<Q") for _ in range(reader.number("<I"))]))
        entries.append((name, shape, reader.number("<I"), reader.number("<Q")))
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise _refused(path, f"general.alignment {alignment!r}", "a number of bytes", AGAIN)
    data = -(-reader.at // alignment) * alignment
    placed = tuple(Tensor(name, shape, kind, data + offset) for name, shape, kind, offset in entries)
    return Header(path, version, values, placed, size)


class _Reader:
    """Values one after another from a mapped file."""

    def __init__(self, data: mmap.mmap, at: int) -> None:
        self.data, self.at = data, at

    def number(self, form: str) -> Any:
        (found,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return found

    def text(self) -> str:
        length = self.number("<Q")
        if length > len(self.data) - self.at:
            raise EOFError
        found = self.data[self.at : self.at + length]
        self.at += length
        return found.decode("utf-8")

    def value(self, kind: int, path: Path) -> Any:
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            raise _refused(path, f"a value of the unknown kind {kind} in its header", "a whole GGUF file", AGAIN)
        inner, count = self.number("<I"), self.number("<Q")
        if inner in SCALARS:
            form = f"<{count}{SCALARS[inner][1]}"
            # The length is compared before it is asked for, since a damaged file may name any.
            if count > len(self.data) - self.at:
                raise EOFError
            found = list(struct.unpack_from(form, self.data, self.at))
            self.at += struct.calcsize(form)
            return found
        return [self.value(inner, path) for _ in range(count)]


def _cut(path: Path, size: int) -> ModelError:
    return _refused(path, f"{size} bytes, which end within the header", "a whole GGUF file", AGAIN)


def _refused(path: Path, found: str, expected: str, remedy: str) -> ModelError:
    return ModelError(found=found, expected=expected, where=str(path), remedy=remedy)
