"""What is copied and what is computed on the way from one checkpoint to its edited copy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from anatomy.errors import EditError
from anatomy.interventions.export.layout import EDITABLE, Entry, Layout
from anatomy.interventions.export.rewrite import Rewrite
from anatomy.models.checkpoint import EMBEDDING, HEAD, Checkpoint


@dataclass(frozen=True)
class Task:
    """A tensor on its way: where it stands in the source file, where it goes, and what happens to it on the way."""

    name: str
    entry: Entry
    source: int
    target: int
    rewrite: Rewrite | None


@dataclass(frozen=True)
class PlannedFile:
    """One weight file: how it stands, the header and size it will have, its tensors, and those it did not have before.

    Attributes:
        added: name to file and bytes.
    """

    layout: Layout
    header: bytes
    size: int
    tasks: tuple[Task, ...]
    added: dict[str, tuple[str, int]]


def must_untie(checkpoint: Checkpoint, rewrites: Mapping[str, Rewrite]) -> bool:
    """Whether an edit touches one of two tied matrices, which then go separate ways.

    Raises:
        EditError: they have names that no configuration switch would part.
    """
    tied = (
        {checkpoint.embedding, HEAD}
        if checkpoint.embedding in checkpoint.names()
        else {name for name in checkpoint.names() if name.endswith(("embed_tokens.weight", HEAD))}
    )
    touched = sorted(set(rewrites) & tied)
    if not checkpoint.tied_embeddings or not touched:
        return False
    if checkpoint.embedding not in tied:
        raise EditError(
            found=f"an edit of {touched[0]}, tied to another matrix",
            expected=f"an embedding called {EMBEDDING}",
            where=str(checkpoint.folder),
            remedy="leave the embedding out of the edit, or untie the checkpoint first",
        )
    if (
        HEAD in rewrites
        and HEAD in checkpoint.names()
        and not checkpoint.tensor(HEAD).equal(checkpoint.tensor(checkpoint.embedding))
    ):
        raise EditError(
            found=f"{HEAD}, which differs from the embedding that the configuration ties it to",
            expected="the embedding a second time, or no such tensor: that is what models compute with and the edit was made for",
            where=str(checkpoint.folder),
            remedy="leave the stored head out of the checkpoint",
        )
    return True


def plan_file(layout: Layout, rewrites: Mapping[str, Rewrite], *, add_head: str | None) -> PlannedFile:
    """Plan one file, all names as the file has them; the file of the embedding also takes a copy of it as the output head.

    Args:
        add_head: name of the embedding that is to be copied, None where no head is added.
    """
    written, added = layout, {}
    if add_head is not None and any(entry.name == add_head for entry in layout.entries):
        written = layout.with_tensor(layout.entry(add_head), HEAD)
        added = {HEAD: (layout.path.name, layout.entry(add_head).size)}
    tasks = []
    for entry in written.entries:
        origin = layout.entry(add_head) if add_head is not None and entry.name in added else entry
        tasks.append(
            Task(
                entry.name, origin, len(layout.header) + origin.start, len(written.header) + entry.start, rewrites.get(entry.name)
            )
        )
    return PlannedFile(layout, written.header, written.size, tuple(tasks), added)


def check_rewrites(checkpoint: Checkpoint, rewrites: Mapping[str, Rewrite], entries: Mapping[str, Entry]) -> None:
    """Refuse (``EditError``) an edit of nothing, of unknown tensors, of other shapes, of numbers nothing can be added to."""
    if not rewrites:
        raise EditError(found="an edit of no tensor", expected="at least one tensor", where=str(checkpoint.folder))
    for name, rewrite in rewrites.items():
        entry = entries.get(name)
        if entry is None or entry.shape != tuple(rewrite.shape):
            raise EditError(
                found=f"an edit of {name}, shape {tuple(rewrite.shape)}",
                expected=f"one of {len(entries)} other tensors" if entry is None else f"shape {entry.shape}",
                where=str(checkpoint.folder),
                remedy="build the edit from this model's own weights",
            )
        if entry.dtype not in EDITABLE:
            raise EditError(
                found=f"{name} stored as {entry.dtype}",
                expected=f"one of {', '.join(EDITABLE)}",
                where=str(checkpoint.folder),
                remedy="edit the checkpoint that was quantised, then quantise again",
            )


def untouched(tasks: Sequence[Task]) -> Iterator[tuple[int, int, int]]:
    """Longest ranges (source, target, bytes) without an edited tensor."""
    source = target = size = 0
    for task in tasks:
        if task.rewrite is not None or not task.entry.size:
            continue
        if (task.source, task.target) == (source + size, target + size):
            size += task.entry.size
            continue
        if size:
            yield source, target, size
        source, target, size = task.source, task.target, task.entry.size
    if size:
        yield source, target, size
