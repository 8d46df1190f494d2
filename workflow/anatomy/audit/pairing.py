"""Two checkpoints side by side: every tensor of the one with its counterpart in the other, or an error that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from anatomy.audit.fused import Layout, as_ours
from anatomy.audit.stored import TURNED, Joined, Stored, stored_tensors
from anatomy.errors import ModelError
from anatomy.models.checkpoint import HEAD, Checkpoint
from anatomy.models.matrix_names import IN_BLOCK, POSITIONS, is_embedding, stored_transposed

CHUNK = 2**22
"""Bytes of a tensor, in fp32, that are held at once of each checkpoint."""

UNREAD = ("model_type", "hidden_size", "num_hidden_layers")
"""Entries of config.json that must agree before tensors are compared."""

PADDED = 0.1
"""Share of a vocabulary by which the other may be longer: rows that were padded or tokens that were added, at its end."""

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
class TensorPair:
    """One tensor before and after.

    Attributes:
        name: as the original calls it; a head that was tied and has a matrix of its own now is called as there.
        tied: the original has it as its embedding.
        transposed: it is stored as W^T, [d_in, d_out].
    """

    name: str
    original: Stored
    edited: Stored | Joined
    tied: bool = False
    transposed: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.original.entry.rows, self.original.entry.columns

    @property
    def block(self) -> int | None:
        """The block that it is in, whatever the class calls its stack; None outside of blocks."""
        match = IN_BLOCK.match(self.name)
        return None if match is None else int(match["layer"])

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
    without its head. Experts that a file keeps in one tensor are told apart; matrices that one side alone fuses are cut or joined
    as the original has them. Of vocabularies that end differently the rows that both have are compared.

    Raises:
        ModelError: another architecture, other shapes, tensors on one side only, or weights whose stored numbers are not the
            weights themselves.
    """
    _same_architecture(original, edited)
    ours = stored_tensors(original)
    turned = original.config.get("model_type") in TURNED
    theirs, notes = as_ours(ours, stored_tensors(edited), turned, edited.folder)
    renamed = _renamed(ours, theirs)
    if renamed:
        theirs, more = as_ours(ours, renamed[0], turned, edited.folder)
        notes += [f"tensors are called otherwise: {renamed[1]}", *more]
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
                remedy="give the checkpoint that this one was made from; adapters are merged first",
            )
        if turned and before.fused != after.fused:
            raise ModelError(
                found=f"{name} of an expert by itself on one side, and as [d_in, d_out] in a tensor of all experts on the other",
                expected="one layout on both sides",
                where=str(edited.folder),
                remedy="open the one with transformers and save it as the other was saved",
            )
        before, after, shortened = _shared_rows(name, before, after)
        notes += shortened
        if before.entry.shape != after.entry.shape:
            raise ModelError(
                found=f"{name} of shape {list(after.entry.shape)}",
                expected=f"shape {list(before.entry.shape)}, as in {original.folder}",
                where=str(edited.folder),
                remedy="give the checkpoint that this one was made from",
            )
        pairs.append(TensorPair(name, before, after, tied, _transposed(name, before, original)))
    return Paired(tuple(pairs), (*notes, *_other_files(original, edited)))


def _shared_rows(name: str, before: Stored, after: Stored | Joined) -> tuple[Stored, Stored | Joined, list[str]]:
    """Both sides of a tensor with a row a token, cut to the rows that both have, and a note where one is longer."""
    vocabulary = name.startswith("lm_head.") or (is_embedding(stem := name.removesuffix(".weight")) and POSITIONS not in stem)
    if not (vocabulary and before.entry.shape and after.entry.shape):
        return before, after, []
    rows, others = before.entry.shape[0], after.entry.shape[0]
    if rows == others or min(rows, others) < (1 - PADDED) * max(rows, others):
        return before, after, []
    count = min(rows, others)
    note = f"{name} has {others} rows where the original has {rows}: the first {count} are compared, and the original's own "
    return before.between(0, count), after.between(0, count), [f"{note}stand behind them where both are asked"]


def _transposed(name: str, stored: Stored, checkpoint: Checkpoint) -> bool:
    turned = stored.fused and checkpoint.config.get("model_type") in TURNED
    return turned or stored_transposed(name.removesuffix(".weight"))


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


def _renamed(ours: Layout, theirs: Layout) -> tuple[dict[str, Stored | Joined], str] | None:
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
