"""The matrices that write to the residual stream, as an inventory that is complete or refused."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from anatomy.errors import EditError
from anatomy.models.block_tensors import BlockTensors, block_tensors, has_experts, place
from anatomy.models.blocks import POST_NORMS
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.configuration import quantisation
from anatomy.models.matrix_names import POSITIONS, READERS, stored_transposed, writing_site
from anatomy.models.sites import BLOCK_SITES, EMBEDDING_SITE

FLOATS = ("F64", "F32", "BF16", "F16")
"""Stored dtypes whose numbers are the weights themselves; others stand beside scales."""


@dataclass(frozen=True)
class Writer:
    """A matrix ``W`` [d_model, d_in] whose product is added to the residual stream.

    Attributes:
        name: dotted module name, for example ``model.layers.3.self_attn.o_proj``.
        layer: 0-based block; -1 for the embedding, which writes before block 0.
        site: ``o_proj``, ``down_proj`` or ``embed_tokens`` (stored transposed, [vocabulary, d_model]), whatever the family calls
            the matrix (``matrix_names``).
        post_norm: a norm stands between this matrix and the stream: a weight edit is then no edit of the write.
        bias: the module also adds a bias, which no edit of ``W`` reaches.
    """

    name: str
    layer: int
    site: str
    post_norm: bool
    bias: bool


def residual_writers(source: nn.Module | Checkpoint, embedding: bool = False, sites: Sequence[str] = BLOCK_SITES) -> list[Writer]:
    """All writers of a model or checkpoint at the given sites, in order; with ``embedding`` the token embedding first.

    Every matrix of every block has to be known to read or to write, whatever sites are asked for: one of unknown use may
    be a writer that the edit would miss.

    Raises:
        EditError: quantised weights, a matrix of unknown use, ``down_proj`` of a mixture of experts, or an inventory
            other than one matrix a site and block.
    """
    where = place(source)
    _refuse_quantised(source, where)
    blocks = block_tensors(source)
    writers = [writer for block in blocks for writer in _written_by(block, _d_model(source), where) if writer.site in sites]
    if "down_proj" in sites:
        _refuse_experts(blocks, where)
    _check_inventory(writers, sites, _num_layers(source), where)
    if isinstance(source, Checkpoint):
        _refuse_packed(source, writers)
    ordered = sorted(writers, key=lambda writer: (writer.layer, BLOCK_SITES.index(writer.site)))
    return [*_embeddings(source, where), *ordered] if embedding else ordered


def writable_sites(source: nn.Module | Checkpoint) -> tuple[str, ...]:
    """Sites of which every block has one matrix: both, or attention alone in a mixture of experts."""
    return BLOCK_SITES[:1] if has_experts(source) else BLOCK_SITES


def _num_layers(source: nn.Module | Checkpoint) -> int:
    return source.num_layers if isinstance(source, Checkpoint) else source.config.get_text_config().num_hidden_layers


def _d_model(source: nn.Module | Checkpoint) -> int:
    return source.d_model if isinstance(source, Checkpoint) else source.config.get_text_config().hidden_size


def _written_by(block: BlockTensors, d_model: int, where: str) -> list[Writer]:
    post_norm = any(inside.partition(".")[0] in POST_NORMS for inside in block.shapes)
    writers = []
    for inside, shape in block.shapes.items():
        if len(shape) < 2 or inside.partition(".")[0] in block.mixtures:
            continue
        module, _, kind = inside.rpartition(".")
        name = f"{block.name}.{module}"
        site = writing_site(name)
        if kind == "weight" and site is not None and shape[1 if stored_transposed(name) else 0] == d_model:
            writers.append(Writer(name, block.layer, site, post_norm, f"{module}.bias" in block.shapes))
        elif kind != "weight" or module.rpartition(".")[2] not in READERS:
            raise EditError(
                found=f"{block.name}.{inside} {list(shape)}, a matrix of unknown use",
                expected=f"o_proj and down_proj of {d_model} rows, and {sorted(READERS)}",
                where=where,
                remedy="this architecture needs its own entry in anatomy.models.writers; no partial edit is made",
            )
    return writers


def _refuse_experts(blocks: list[BlockTensors], where: str) -> None:
    if mixed := [block for block in blocks if block.mixtures]:
        raise EditError(
            found=f"mixtures of experts in {len(mixed)} of {len(blocks)} blocks, such as {mixed[0].name}",
            expected="one dense down projection a block",
            where=where,
            remedy="edit attention alone (sites: [o_proj]), or choose a dense model; edits of experts would be partial",
        )


def _refuse_quantised(source: nn.Module | Checkpoint, where: str) -> None:
    method = source.quantisation if isinstance(source, Checkpoint) else quantisation(source.config.to_dict())
    if method is not None:
        raise EditError(
            found=f"weights quantised with {method}",
            expected="weights in a floating-point format",
            where=where,
            remedy="take the checkpoint that the quantised one was made from",
        )


def _refuse_packed(checkpoint: Checkpoint, writers: list[Writer]) -> None:
    for writer in writers:
        if (dtype := checkpoint.dtype(f"{writer.name}.weight")) not in FLOATS:
            raise EditError(
                found=f"{writer.name} stored as {dtype}",
                expected=f"one of {list(FLOATS)}",
                where=str(checkpoint.folder),
                remedy="take the checkpoint that the quantised one was made from",
            )


def _check_inventory(writers: list[Writer], sites: Sequence[str], num_layers: int, where: str) -> None:
    found = Counter((writer.layer, writer.site) for writer in writers)
    expected = {(layer, site) for layer in range(num_layers) for site in BLOCK_SITES if site in sites}
    wrong = sorted((expected ^ set(found)) | {cell for cell, count in found.items() if count > 1})
    if wrong:
        raise EditError(
            found=f"{len(writers)} residual writers; first at fault: layer {wrong[0][0]}, {wrong[0][1]}",
            expected=f"{len(expected)}: one of {[site for site in BLOCK_SITES if site in sites]} in each of {num_layers} blocks",
            where=where,
            remedy="this architecture (or a quantised checkpoint) is not supported; no partial edit is made",
        )


def _embeddings(source: nn.Module | Checkpoint, where: str) -> list[Writer]:
    """The embedding of tokens, and that of positions where the model has one: both write before block 0."""
    if isinstance(source, Checkpoint):
        known = [name.removesuffix(".weight") for name in source.names()]
        names = [name for name in known if f"{name}.weight" == source.embedding]
    else:
        embedding = source.get_input_embeddings()
        known = [name for name, _ in source.named_modules()]
        names = [name for name, part in source.named_modules() if part is embedding]
    if len(names) != 1:
        raise EditError(found=f"{len(names)} token embeddings", expected="exactly one", where=where)
    names += [name for name in known if name.rpartition(".")[2] == POSITIONS]
    return [Writer(name, -1, EMBEDDING_SITE, post_norm=False, bias=False) for name in names]
