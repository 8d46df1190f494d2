"""A model of your own that comes as a GGUF file, converted once into a folder that every later job opens like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from anatomy.config.subjects import UNPINNED
from anatomy.models.gguf.conversion import convert, in_words
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
    dtype = getattr(torch, source["dtype"] if source["dtype"] in SIXTEEN_BITS else "float32")
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
    write_json(card, {**done, "in words": in_words(done)})


def convert_once(path: Path, source: JsonObject, card: Path) -> bool:
    """The same, without a word, unless the folder is there and was made from these bytes; whether it was made now."""
    if card.is_file() and card.with_suffix("").is_dir() and read_json(card).get("sha256") == file_digest(path):
        return False
    convert_model(path, source, card, lambda text: None)
    return True
