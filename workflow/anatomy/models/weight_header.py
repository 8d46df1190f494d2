"""What a safetensors file says of its tensors, checked against its length, without reading one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypedDict

from anatomy.errors import ModelError, parsing
from anatomy.models.config_file import refuse_pointer


class TensorEntry(TypedDict):
    """A tensor in a safetensors header: its number format, its shape, and where its bytes begin and end behind the header."""

    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Names, dtypes and shapes in a safetensors file, after checking that the file is as long as it says.

    Raises:
        ModelError: the file is not safetensors, is truncated, or stands for one that was never fetched.
    """
    refuse_pointer(path)
    with parsing(ModelError, str(path), "a complete safetensors file", remedy="copy or download the file again"):
        return _header(path)


def _header(path: Path) -> dict[str, TensorEntry]:
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        complete = size >= 8 and 0 < length <= size - 8
        try:
            header = json.loads(stream.read(length)) if complete else None
        except ValueError:
            header = None
    if header is None:
        raise ModelError(
            found=f"a file of {size} bytes without a readable safetensors header",
            expected="a complete safetensors file",
            where=str(path),
            remedy="copy or download the file again",
        )
    header.pop("__metadata__", None)
    expected = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
    if size != expected:
        raise ModelError(
            found=f"{size} bytes (truncated or overlong)",
            expected=f"{expected} bytes, as its header says",
            where=str(path),
            remedy="copy or download the file again",
        )
    return header
