"""A model of your own that comes as a GGUF file, converted once into a folder that every later job opens like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from anatomy.config.subjects import UNPINNED
from anatomy.models.gguf.conversion import convert, in_words, package_versions
from anatomy.store.digest import file_digest
from anatomy.store.files import read_json, write_json
from anatomy.store.json_objects import JsonObject

PINS = ("torch", "transformers", "tokenizers", "gguf")

SIXTEEN_BITS = ("bfloat16", "float16")


def convert_model(path: Path, source: JsonObject, card: Path, say: Callable[[str], None] = print) -> None:
    """Convert a GGUF file into the folder beside ``card``, which is called as the card is.

    Args:
        path: the file.
        source: the model's entry in the configuration.
        card: what is known of the conversion, written last.

    Raises:
        ModelError: as ``convert``.
    """
    from anatomy.models.machine.devices import device_name

    pinned = None if source["sha256"] == UNPINNED else source["sha256"]
    dtype = getattr(torch, _format(source))
    done = convert(
        path,
        card.with_suffix(""),
        dtype=dtype,
        device=device_name(),
        sha256=pinned,
        english=source["plain_english"],
        say=say,
    )
    say(f"{path.name} is {done['architecture']}, {in_words(done)}")
    write_json(card, {**done, "in words": in_words(done), "english required": bool(source["plain_english"])})


def convert_once(path: Path, source: JsonObject, card: Path) -> bool:
    """The same, without a word, unless the folder is there and was made from these bytes, in the number format and by the proof
    that are asked for now, with the same packages; whether it was made now."""
    if card.is_file() and card.with_suffix("").is_dir():
        known = read_json(card)
        same = known.get("sha256") == file_digest(path) and known.get("dtype") == _format(source)
        proven = bool(known.get("english required")) or not source["plain_english"]
        if same and proven and known.get("versions") == package_versions():
            return False
    convert_model(path, source, card, lambda text: None)
    return True


def _format(source: JsonObject) -> str:
    """Number format of the folder: the entry's, where that is one of 16 bits; what is dequantised is exact in float32 alone."""
    return str(source["dtype"]) if source["dtype"] in SIXTEEN_BITS else "float32"
