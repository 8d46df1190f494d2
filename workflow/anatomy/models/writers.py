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
from anatomy.models.experts import COUNTS, FUSED_READERS, FUSED_WRITER, ROUTERS, is_expert, refuse_turned
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


def residual_writers(
    source: nn.Module | Checkpoint, embedding: bool = False, sites: Sequence[str] = BLOCK_SITES, *, measuring: bool = False
) -> list[Writer]:
    """All writers of a model or checkpoint at the given sites, in order; with ``embedding`` the token embedding first.

    Every matrix of every block has to be known to read or to write, whatever sites are asked for: one of unknown use may
    be a writer that the edit would miss. A mixture of experts has a writer an expert at ``down_proj``, the shared ones too.

    Args:
        measuring: no weight is read or changed, only what goes in and out; quantised ones will then do.

    Raises:
        EditError: quantised weights, a matrix of unknown use, experts that the file keeps in one tensor or that multiply the
            other way round, or an inventory other than one matrix a site and block, or all experts of it.
    """
    where = place(source)
    if not measuring:
        _refuse_quantised(source, where)
    blocks = block_tensors(source)
    experts = "down_proj" in sites
    written = [writer for block in blocks for writer in _written_by(block, _d_model(source), where, experts=experts)]
    writers = [writer for writer in written if writer.site in sites]
    if experts:
        _check_experts(source, blocks, writers, where)
    _check_inventory(writers, sites, _num_layers(source), where)
    if isinstance(source, Checkpoint):
        _refuse_packed(source, writers)
    ordered = sorted(writers, key=_place)
    return [*_embeddings(source, where), *ordered] if embedding else ordered


def _place(writer: Writer) -> tuple[int, int, int]:
    """Block by block, attention first, experts by their numbers and shared ones behind them."""
    number = int(writer.name.split(".")[-2]) if is_expert(writer.name) else 10**9
    return writer.layer, BLOCK_SITES.index(writer.site), number


def sites_with_inputs(source: nn.Module | Checkpoint) -> tuple[str, ...]:
    """Sites whose matrices read something at each token: both, or attention's alone where an expert reads a few tokens only."""
    return BLOCK_SITES[:1] if has_experts(source) else BLOCK_SITES


def _num_layers(source: nn.Module | Checkpoint) -> int:
    return source.num_layers if isinstance(source, Checkpoint) else source.config.get_text_config().num_hidden_layers


def _d_model(source: nn.Module | Checkpoint) -> int:
    return source.d_model if isinstance(source, Checkpoint) else source.config.get_text_config().hidden_size


def _written_by(block: BlockTensors, d_model: int, where: str, *, experts: bool) -> list[Writer]:
    """The writers of a block; with ``experts`` those of its mixture too, whose tensors are looked at only then."""
    post_norm = any(inside.partition(".")[0] in POST_NORMS for inside in block.shapes)
    writers = []
    for inside, shape in block.shapes.items():
        mixed = inside.partition(".")[0] in block.mixtures
        if len(shape) < 2 or (mixed and (not experts or _of_mixture(inside))):
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
                remedy="edit attention alone (sites: [o_proj])"
                if mixed
                else "this architecture needs its own entry in anatomy.models.matrix_names; no partial edit is made",
            )
    return writers


def _of_mixture(inside: str) -> bool:
    """Whether a tensor weighs experts, or holds what all of them read or write; of the latter the file's is refused later on."""
    module, _, kind = inside.rpartition(".")
    return (kind == "weight" and module.rpartition(".")[2] in ROUTERS) or kind in (*FUSED_READERS, FUSED_WRITER)


def _check_experts(source: nn.Module | Checkpoint, blocks: list[BlockTensors], writers: list[Writer], where: str) -> None:
    if not any(block.mixtures for block in blocks):
        return
    if isinstance(source, nn.Module):
        refuse_turned(source, where)
    together = f"experts.{FUSED_WRITER}"
    if fused := [f"{block.name}.{inside}" for block in blocks for inside in block.shapes if inside.endswith(together)]:
        raise EditError(
            found=f"{fused[0]}, the experts of a block in one tensor of the file",
            expected="one matrix an expert, as these models are published",
            where=where,
            remedy="save the model with save_pretrained of transformers, which writes one matrix an expert; or edit attention "
            "alone (sites: [o_proj])",
        )
    config = source.text_config if isinstance(source, Checkpoint) else source.config.get_text_config().to_dict()
    count = next((config[key] for key in COUNTS if config.get(key)), None)
    for block in blocks:
        numbers = sorted(_place(one)[2] for one in writers if one.layer == block.layer and is_expert(one.name))
        if block.mixtures and (not numbers or numbers != list(range(count or len(numbers)))):
            raise EditError(
                found=f"matrices of {len(numbers)} experts in {block.name}",
                expected=f"all {count or ''} of them".replace("  ", " "),
                where=where,
                remedy="copy the missing shard; an edit of some experts would be partial",
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
    mixed = {(writer.layer, writer.site) for writer in writers if is_expert(writer.name)}
    found = Counter((writer.layer, writer.site) for writer in writers)
    expected = {(layer, site) for layer in range(num_layers) for site in BLOCK_SITES if site in sites}
    wrong = sorted((expected ^ set(found)) | {cell for cell, count in found.items() if count > 1 and cell not in mixed})
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
