"""A copy of a checkpoint whose output head is a matrix of its own, so that edits can touch one side."""

from pathlib import Path

from anatomy.errors import EditError
from anatomy.interventions.export.companions import copy_companions, copy_index
from anatomy.interventions.export.folder import check_space
from anatomy.interventions.export.layout import read_layout
from anatomy.interventions.export.plan import plan_file
from anatomy.interventions.export.stream import write_file
from anatomy.models.checkpoint import EMBEDDING, HEAD, Checkpoint


def write_untied(checkpoint: Checkpoint, folder: Path) -> Checkpoint:
    """Write ``checkpoint`` into ``folder``, which exists, with the embedding a second time as the head; nothing else changes.

    The copy computes the same function, and is another model: another digest, and an embedding's bytes larger.

    Raises:
        EditError: the head is a matrix of its own already, or the embedding has a name that no configuration would part.
        StoreError: not enough room.
    """
    if not checkpoint.tied_embeddings or checkpoint.embedding not in checkpoint.names():
        raise EditError(
            found="a head of its own" if not checkpoint.tied_embeddings else f"no tensor {EMBEDDING}",
            expected=f"a head tied to {EMBEDDING}",
            where=str(checkpoint.folder),
            remedy="study the model as it is",
        )
    add_head = None if HEAD in checkpoint.names() else checkpoint.stored_name(checkpoint.embedding)
    files = [plan_file(read_layout(path), {}, add_head=add_head) for path in checkpoint.files]
    check_space(folder, sum(file.size for file in files))
    for file in files:
        write_file(file, folder / file.layout.path.name)
    copy_index(checkpoint.folder, folder, {name: place for file in files for name, place in file.added.items()})
    copy_companions(checkpoint.folder, folder, untied=True)
    return Checkpoint(folder)
