"""Two checkpoints side by side: every tensor of the one with its counterpart in the other, or an error that says why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.interventions.export.layout import EDITABLE, Entry, read_layout
from anatomy.interventions.export.ranges import opened_range
from anatomy.models.checkpoint import HEAD, Checkpoint
from anatomy.models.tensor_names import loaded_name

CHUNK = 2**22
"""Bytes of a tensor, in fp32, that are held at once of each checkpoint."""

UNREAD = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size")
"""Entries of config.json that must agree before tensors are compared."""

SAYS_NOTHING = (
    "_name_or_path",
    "architectures",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "use_cache",
    "tie_word_embeddings",
)
"""Entries of config.json that may differ without another computation: the weights say what they are stored as and tied to."""


@dataclass(frozen=True)
class Stored:
    """One tensor in its file."""

    path: str
    start: int
    entry: Entry

    def chunks(self, rows: int) -> Iterator[Tensor]:
        """Its rows, some at a time, as they are stored; a vector has rows of one, fused experts stand below each other."""
        dtype = EDITABLE[self.entry.dtype]
        with opened_range(self.path) as read:
            width = self.entry.columns * dtype.itemsize
            for first in range(0, self.entry.rows, rows):
                count = min(rows, self.entry.rows - first)
                buffer = bytearray(count * width)
                read(memoryview(buffer), self.start + first * width)
                yield torch.frombuffer(buffer, dtype=dtype).view(count, self.entry.columns)


@dataclass(frozen=True)
class TensorPair:
    """One tensor before and after.

    Attributes:
        name: as the original calls it; a head that was tied and has a matrix of its own now is called as there.
        tied: the original has it as its embedding.
    """

    name: str
    original: Stored
    edited: Stored
    tied: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.original.entry.rows, self.original.entry.columns

    @property
    def is_matrix(self) -> bool:
        return len(self.original.entry.shape) > 1

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows of both, in their stored formats."""
        rows = max(1, CHUNK // (4 * self.original.entry.columns))
        return zip(self.original.chunks(rows), self.edited.chunks(rows), strict=True)


@dataclass(frozen=True)
class Paired:
    """The tensors of two checkpoints, and in words what of their folders differs besides."""

    tensors: tuple[TensorPair, ...]
    notes: tuple[str, ...]


def paired(original: Checkpoint, edited: Checkpoint) -> Paired:
    """Find for each tensor its counterpart; names may have lost or gained what stands before them all, as when a model is saved
    without its head.

    Raises:
        ModelError: another architecture, other shapes, tensors on one side only, or weights whose stored numbers are not the
            weights themselves.
    """
    _same_architecture(original, edited)
    ours, theirs, notes = _stored(original), _stored(edited), []
    renamed = _renamed(ours, theirs)
    if renamed:
        theirs, change = renamed
        notes.append(f"tensors are called otherwise: {change}")
    pairs = []
    for name in sorted(set(ours) | set(theirs)):
        before, after, tied = ours.get(name), theirs.get(name), False
        if name == HEAD and before is None and original.embedding in ours and original.tied_embeddings:
            before, tied = ours[original.embedding], True
            notes.append(f"{HEAD} was the embedding and is a matrix of its own now")
        if name == HEAD and after is None and original.embedding in theirs and edited.tied_embeddings:
            if original.tied_embeddings:
                continue  # stored twice before, once now
            after = theirs[original.embedding]
            notes.append(f"{HEAD} is tied to the embedding now")
        if before is None or after is None:
            raise ModelError(
                found=f"no tensor {name}" if after is None else f"a tensor {name}, which the original lacks",
                expected=f"the {len(ours)} tensors of {original.folder}",
                where=str(edited.folder),
                remedy="give the checkpoint that this one was made from; adapters are merged first, vocabularies may not grow",
            )
        if before.entry.shape != after.entry.shape:
            raise ModelError(
                found=f"{name} of shape {list(after.entry.shape)}",
                expected=f"shape {list(before.entry.shape)}, as in {original.folder}",
                where=str(edited.folder),
                remedy="give the checkpoint that this one was made from",
            )
        pairs.append(TensorPair(name, before, after, tied))
    return Paired(tuple(pairs), (*notes, *_other_files(original, edited)))


def _stored(checkpoint: Checkpoint) -> dict[str, Stored]:
    found = {}
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
            if entry.dtype not in EDITABLE:
                raise ModelError(
                    found=f"{entry.name} stored as {entry.dtype}",
                    expected=f"one of {', '.join(EDITABLE)}",
                    where=str(path),
                    remedy="audit the checkpoint before it was quantised, or a dequantised copy",
                )
            name = loaded_name(checkpoint.config.get("model_type", ""), entry.name)
            found[name] = Stored(str(path), len(layout.header) + entry.start, entry)
    return found


def _same_architecture(original: Checkpoint, edited: Checkpoint) -> None:
    for key in UNREAD:
        before, after = (one.config.get(key, one.text_config.get(key)) for one in (original, edited))
        if before != after:
            raise ModelError(
                found=f"{key} {after!r}: another architecture",
                expected=f"{before!r}, as {original.folder} has",
                where=str(edited.folder / "config.json"),
                remedy="give the checkpoint that this one was made from: differences of other models' weights mean nothing",
            )


def _renamed(ours: Mapping[str, Stored], theirs: Mapping[str, Stored]) -> tuple[dict[str, Stored], str] | None:
    """Their tensors under our names, where one prefix makes the difference; heads may be left out of either."""
    if len(set(ours) & set(theirs)) * 2 >= len(ours):
        return None
    for name in theirs:
        for own in ours:
            if own.endswith(f".{name}") and own != name:
                before, after = own.removesuffix(name), ""
            elif name.endswith(f".{own}"):
                before, after = "", name.removesuffix(own)
            else:
                continue
            found = {
                one if one == HEAD else before + one.removeprefix(after): stored
                for one, stored in theirs.items()
                if one == HEAD or one.startswith(after)
            }
            if len(set(found) & set(ours)) * 2 >= len(ours):
                return found, f"{after or '(nothing)'} where the original has {before or '(nothing)'}"
    return None


def _other_files(original: Checkpoint, edited: Checkpoint) -> Iterator[str]:
    """What besides weights may change answers."""
    keys = sorted((set(original.config) | set(edited.config)) - set(SAYS_NOTHING))
    changed = [key for key in keys if original.config.get(key) != edited.config.get(key)]
    if changed:
        yield f"config.json differs in {', '.join(changed)}"
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        texts = [one.folder / name for one in (original, edited)]
        if [path.is_file() for path in texts] in ([True, False], [False, True]):
            yield f"{name} is in the {'original' if texts[0].is_file() else 'edited'} folder alone"
        elif texts[0].is_file() and texts[0].read_bytes() != texts[1].read_bytes():
            yield f"{name} differs"
