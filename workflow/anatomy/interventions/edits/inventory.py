"""Which matrices an edit reaches; known without a formula and without reading weights, so that a model's card can ask."""

from collections.abc import Iterable, Sequence

from anatomy.errors import EditError
from anatomy.models.block_tensors import BlockTensors, block_tensors, has_experts
from anatomy.models.blocks import POST_NORMS
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.matrix_names import EMBEDDINGS, POSITIONS, writing_site
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE
from anatomy.models.writers import FLOATS, Writer, residual_writers


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


def require_inputs(checkpoint: Checkpoint, sites: Iterable[str]) -> None:
    """Refuse, before anything runs, mean inputs of matrices that do not read something at each token.

    Raises:
        EditError: experts among them.
    """
    if "down_proj" in set(sites) and has_experts(checkpoint):
        raise EditError(
            found="mean inputs asked of experts (the form mean_input at down_proj)",
            expected="matrices that read something at each token",
            where=str(checkpoint.folder),
            remedy="leave mean_input out of the forms, or edit attention alone (sites: [o_proj])",
        )


def dense_shapes(checkpoint: Checkpoint, names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Shapes, as stored, of matrices of blocks that an edit names; what reads the stream counts as what writes to it.

    Raises:
        EditError: no floating-point matrix of a block, or part of a mixture of experts.
    """
    known = {f"{block.name}.{inside}": block for block in block_tensors(checkpoint) for inside in block.shapes}
    shapes = {}
    for name in names:
        block, tensor = known.get(f"{name}.weight"), f"{name}.weight"
        if block is None or len(checkpoint.shape(tensor)) != 2 or checkpoint.dtype(tensor) not in FLOATS:
            raise EditError(
                found=f"an edit of {name}",
                expected="a floating-point matrix of a block",
                where=str(checkpoint.folder),
                remedy="name matrices as the checkpoint does, such as model.layers.0.mlp.up_proj; the output head has HeadEdit",
            )
        if tensor.removeprefix(f"{block.name}.").partition(".")[0] in block.mixtures:
            raise EditError(
                found=f"an edit of {name}, part of a mixture of experts",
                expected="a dense matrix",
                where=str(checkpoint.folder),
                remedy="edit attention alone, or choose a dense model; edits of experts would be partial",
            )
        rows, columns = checkpoint.shape(tensor)
        shapes[name] = (rows, columns)
    return shapes


def matrices_at(checkpoint: Checkpoint, sites: Iterable[str]) -> list[str]:
    """Every matrix of the model that is called so (last parts of names, as the model has them): one a block or two, an embedding.

    Raises:
        EditError: as ``dense_shapes``; of sites that write to the stream, as ``residual_writers``.
    """
    wanted = set(sites)
    known = [f"{block.name}.{module}" for block in block_tensors(checkpoint) for module in _modules(block)]
    own = [name for name in known if name.rpartition(".")[2] in wanted]
    written_at = {writing_site(name) for name in own}
    writing = sorted(site for site in BLOCK_SITES if site in written_at)
    embedding = bool(wanted & {*EMBEDDINGS, POSITIONS})
    written = residual_writers(checkpoint, embedding, writing) if writing or embedding else []
    inside = [name for name in own if writing_site(name) is None]
    return [*(writer.name for writer in written), *dense_shapes(checkpoint, inside)]


def module_names(checkpoint: Checkpoint, sites: Iterable[str]) -> tuple[str, ...]:
    """What this model calls its matrices at these sites, last parts of names alone; a name that is no site stays.

    Raises:
        EditError: as ``block_tensors``.
    """
    known = [checkpoint.embedding.removesuffix(".weight")]
    known += [f"{block.name}.{module}" for block in block_tensors(checkpoint) for module in _modules(block)]
    own: dict[str, None] = {}
    for site in sites:
        called = {name.rpartition(".")[2] for name in known if writing_site(name) == site}
        own.update(dict.fromkeys(sorted(called) or [site]))
    return tuple(own)


def _modules(block: BlockTensors) -> list[str]:
    return [module for module, _, kind in (name.rpartition(".") for name in block.shapes) if kind == "weight"]


def has_post_norms(checkpoint: Checkpoint) -> bool:
    """Whether a norm stands between what sublayers write and the stream."""
    return any(inside.partition(".")[0] in POST_NORMS for block in block_tensors(checkpoint) for inside in block.shapes)
