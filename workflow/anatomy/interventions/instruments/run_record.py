"""What one pass leaves at every place that can be patched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.errors import ModelError
from anatomy.models.blocks import Block, decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import matrix_of


@dataclass
class RunRecord:
    """Activations of one pass over rows of equal length.

    Attributes:
        streams: input of each block, and last what leaves the last one [row, column, d_model].
        attention: what attention adds to the stream in each block [row, column, d_model].
        mlp: what the MLP adds.
        heads: what enters attention's output projection [row, column, heads * head_dim].
        logits: of the last column [row, vocabulary].
    """

    streams: list[Float[Tensor, "row column d_model"]] = field(default_factory=list)
    attention: list[Float[Tensor, "row column d_model"]] = field(default_factory=list)
    mlp: list[Float[Tensor, "row column d_model"]] = field(default_factory=list)
    heads: list[Float[Tensor, "row column head_width"]] = field(default_factory=list)
    logits: Float[Tensor, "row vocabulary"] | None = None

    def after(self, column: int) -> RunRecord:
        """The same without the columns before this one."""
        parts = {name: [x[:, column:] for x in getattr(self, name)] for name in ("streams", "attention", "mlp", "heads")}
        return RunRecord(**parts, logits=self.logits)


def record_run(loaded: LoadedModel, tokens: Tensor, *, gradients: bool = False) -> RunRecord:
    """Run rows of token ids [row, column] without padding, and keep what every place had.

    Args:
        gradients: keep the graph back to every recorded activation, so that their gradients can be asked for.
    """
    record = RunRecord()
    with torch.set_grad_enabled(gradients), _recording(loaded.model, record, gradients):
        output = loaded.model(input_ids=tokens, use_cache=False, logits_to_keep=1)
    record.logits = output.logits[:, -1]
    return record


def head_count(model: nn.Module) -> int:
    """Query heads of each attention sublayer, of equal width.

    Raises:
        ModelError: the output projection's inputs cannot be cut into that many heads.
    """
    heads = int(model.config.get_text_config().num_attention_heads)
    widths = {matrix_of(output_projection(block)).shape[1] for block in decoder_blocks(model)}
    if uneven := [width for width in widths if width % heads]:
        raise ModelError(
            found=f"attention outputs of width {uneven[0]} from {heads} heads",
            expected="heads of equal width in every block",
            where=type(model).__name__,
            remedy="read attention as a whole for this architecture: leave heads out of the instruments",
        )
    return heads


def output_projection(block: Block) -> nn.Module:
    """The matrix that joins the heads of a block."""
    return block.output_projection


@contextmanager
def _recording(model: nn.Module, record: RunRecord, gradients: bool) -> Iterator[None]:
    handles, blocks = [], decoder_blocks(model)

    def keep(into: list[Tensor]) -> Callable[[Tensor], None]:
        def add(x: Tensor) -> None:
            if gradients:
                if not x.requires_grad:
                    x.requires_grad_(True)
                x.retain_grad()
            into.append(x)

        return add

    stream, attention, mlp, heads = keep(record.streams), keep(record.attention), keep(record.mlp), keep(record.heads)
    for block in blocks:
        handles += [
            block.module.register_forward_pre_hook(
                lambda _m, args, kwargs: stream(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
            ),
            block.attention_write.register_forward_hook(lambda _m, _a, output: attention(_first(output))),
            block.mlp_write.register_forward_hook(lambda _m, _a, output: mlp(_first(output))),
            output_projection(block).register_forward_pre_hook(lambda _m, args: heads(args[0])),
        ]
    handles.append(blocks[-1].module.register_forward_hook(lambda _m, _a, output: stream(_first(output))))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _first(output: Tensor | tuple) -> Tensor:
    return output[0] if isinstance(output, tuple) else output
