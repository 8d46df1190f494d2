"""Adapters as a running engine knows them: one integer for each content, checked against the engine first.

vLLM caches an adapter by its integer, so a folder that was written again under the same integer would be answered with
the old weights. Here the integer belongs to the digest of the files.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anatomy.errors import EditError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


def adapter_digest(folder: Path) -> str:
    """SHA-256 of an adapter's two files.

    Raises:
        EditError: a file is missing.
    """
    content = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        path = folder / name
        if not path.is_file():
            raise EditError(found=f"no {name}", expected=f"a PEFT adapter ({CONFIG}, {WEIGHTS})", where=str(folder))
        content.update(path.read_bytes())
    return content.hexdigest()


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Names and shapes in a safetensors file, read from its header alone."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}


@dataclass
class AdapterTable:
    """The adapters one engine has been given.

    Args:
        model: the served model's ``config.json``.
        target_modules: module names the engine wraps; anything else in an adapter would be left out of the edit.
        max_rank: highest rank the engine has room for.
    """

    model: dict[str, Any]
    target_modules: tuple[str, ...]
    max_rank: int
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, folder: Path) -> int:
        """The integer of this adapter's content; a content not seen before gets a fresh one.

        Raises:
            EditError: files are missing, or the adapter does not fit the engine or its model.
        """
        content = adapter_digest(folder)
        if content not in self._numbers:
            self._check(folder)
            self._numbers[content] = len(self._numbers) + 1
        return self._numbers[content]

    def _check(self, folder: Path) -> None:
        config = json.loads((folder / CONFIG).read_text())
        targets = config["target_modules"]
        targets = {targets} if isinstance(targets, str) else set(targets)
        outside = sorted(targets - set(self.target_modules))
        if outside:
            raise EditError(found=f"target modules {outside}", expected=f"among {sorted(self.target_modules)}",
                            where=str(folder), remedy="start the engine with these target_modules too")
        if config["r"] > self.max_rank:
            raise EditError(found=f"rank {config['r']}", expected=f"at most {self.max_rank}", where=str(folder),
                            remedy="start the engine with a higher max_lora_rank")
        layers, width = self.model["num_hidden_layers"], self.model["hidden_size"]
        for name, shape in tensor_shapes(folder / WEIGHTS).items():
            layer = re.search(r"\.layers\.(\d+)\.", name)
            if layer and int(layer.group(1)) >= layers:
                raise EditError(found=f"{name} for layer {layer.group(1)}", expected=f"layers 0 to {layers - 1}",
                                where=str(folder), remedy="this adapter was made for another model")
            # o_proj and down_proj write into the residual stream, so their outputs are d_model wide.
            written = shape[0] if name.endswith("lora_B.weight") else width
            if any(module in name for module in ("o_proj", "down_proj")) and written != width:
                raise EditError(found=f"{name} writes {written} dimensions", expected=f"{width}", where=str(folder),
                                remedy="this adapter was made for another model")
