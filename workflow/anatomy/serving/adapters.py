"""Adapters as a running engine knows them: one integer for each content, checked against the engine first.

vLLM caches an adapter by its integer, so a folder that was written again under the same integer would be answered with
the old weights. Here the integer belongs to the digest of the files.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from anatomy.errors import EditError
from anatomy.serving.private import private_folder
from anatomy.store.json_objects import JsonObject

if TYPE_CHECKING:
    from anatomy.interventions.edits.low_rank import LowRankEdit
    from anatomy.models.checkpoint import Checkpoint

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

    model: JsonObject
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
            raise EditError(
                found=f"target modules {outside}",
                expected=f"among {sorted(self.target_modules)}",
                where=str(folder),
                remedy="start the engine with these target_modules too",
            )
        if config["r"] > self.max_rank:
            raise EditError(
                found=f"rank {config['r']}",
                expected=f"at most {self.max_rank}",
                where=str(folder),
                remedy="start the engine with a higher max_lora_rank",
            )
        self._check_factors(config["r"], targets, folder)
        layers, width = self.model["num_hidden_layers"], self.model["hidden_size"]
        for name, shape in tensor_shapes(folder / WEIGHTS).items():
            layer = re.search(r"\.layers\.(\d+)\.", name)
            if layer and int(layer.group(1)) >= layers:
                raise EditError(
                    found=f"{name} for layer {layer.group(1)}",
                    expected=f"layers 0 to {layers - 1}",
                    where=str(folder),
                    remedy="this adapter was made for another model",
                )
            # o_proj and down_proj write into the residual stream, so their outputs are d_model wide.
            written = shape[0] if name.endswith("lora_B.weight") else width
            if any(module in name for module in ("o_proj", "down_proj")) and written != width:
                raise EditError(
                    found=f"{name} writes {written} dimensions",
                    expected=f"{width}",
                    where=str(folder),
                    remedy="this adapter was made for another model",
                )

    def _check_factors(self, rank: int, targets: set[str], folder: Path) -> None:
        """Every tensor is a factor, of the rank that the configuration says, of a target module, and has its partner."""
        shapes = tensor_shapes(folder / WEIGHTS)
        for name, shape in shapes.items():
            factor = FACTOR.match(name)
            if factor is None or factor["module"].rpartition(".")[2] not in targets:
                raise EditError(
                    found=f"{name}",
                    expected=f"factors of {sorted(targets)}, its own target_modules",
                    where=str(folder),
                    remedy="what loaders do not know of is left out of the edit in silence",
                )
            at = factor.start("side")
            if name[:at] + ("B" if factor["side"] == "A" else "A") + name[at + 1 :] not in shapes:
                raise EditError(
                    found=f"{name} without its partner",
                    expected="both factors",
                    where=str(folder),
                    remedy="write the adapter again",
                )
            own = shape[0] if factor["side"] == "A" else shape[1]
            if own != rank:
                raise EditError(
                    found=f"{name} of rank {own}",
                    expected=f"rank {rank}, as {CONFIG} says, in every module",
                    where=str(folder),
                    remedy="pad the factors of lower rank with zeros",
                )


FACTOR = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?:embedding_)?(?P<side>[AB])(?:\.weight)?$")


class AdapterFolder:
    """Adapters that an engine writes for itself, each stack of edits once, in a private folder that goes when it closes."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint, self._stack = checkpoint, ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> AdapterFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._folder = None

    def path(self, edits: Sequence[LowRankEdit]) -> Path:
        """The folder of a stack's adapter.

        Raises:
            EditError: an edit was made for another model.
            StoreError: the disk is full or unwritable.
        """
        from anatomy.interventions.edits.adapter import write_stack
        from anatomy.interventions.edits.weight_edit import stack_digest

        if self._folder is None:
            self._folder = self._stack.enter_context(private_folder())
        target = self._folder / stack_digest(edits)
        if not (target / CONFIG).exists():
            write_stack(edits, target, self._checkpoint)
        return target
