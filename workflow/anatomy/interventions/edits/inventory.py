"""Which matrices an edit of writers reaches; known without a formula, so that a model's card can ask."""

from collections.abc import Sequence

from anatomy.errors import EditError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE
from anatomy.models.writers import Writer, residual_writers


def editable_writers(checkpoint: Checkpoint, sites: Sequence[str]) -> list[Writer]:
    """The matrices at these sites, all of which an edit can reach; reads no weights, so that a job can ask first.

    Raises:
        EditError: tied embeddings where the embedding is asked for; or as ``residual_writers``.
    """
    if EMBEDDING_SITE in sites and checkpoint.tied_embeddings:
        raise EditError(
            found="tied input and output embeddings",
            expected="an embedding of its own",
            where=str(checkpoint.folder),
            remedy="leave embed_tokens out, or untie the checkpoint first: the edit would change the output head too",
        )
    return residual_writers(checkpoint, EMBEDDING_SITE in sites, [site for site in sites if site in BLOCK_SITES])
