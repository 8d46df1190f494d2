"""Whether what attention and MLP give is all that a block adds to the residual stream, and padding changes none of it.

Directions, edits of weights and edits of activations rest on that sum. It is tried on the model itself, whatever its class is
called: a third sublayer that writes, or a factor between a sublayer and the stream, shows in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from anatomy.errors import ModelError
from anatomy.models.activations.batching import padded
from anatomy.models.blocks import Block, decoder_blocks

TOKENS = 12
"""Tokens that it is tried on, besides a beginning of a third as many, which is padded."""
SHARE, ROUNDING = 0.02, 0.004
"""How far the sum may be off: a share of what a block adds, and of the stream itself, which bfloat16 rounds to half of that."""
PADDED = 0.1
"""Share of the last state that padding may change: attention over more columns rounds otherwise, block by block."""


@torch.no_grad()
def require_sound_stream(model: Any, pad_id: int, where: str) -> None:
    """Refuse a model whose blocks add other things to the stream than the outputs of attention and MLP.

    A model without blocks of one attention and one MLP is left to whatever asks for its blocks (``decoder_blocks``).

    Raises:
        ModelError: a block adds something else, or another multiple; or padding changes the stream.
    """
    try:
        blocks = decoder_blocks(model)
    except ModelError:
        return
    most = model.get_input_embeddings().weight.shape[0]
    drawn = torch.randint(0, most, (TOKENS,), generator=torch.Generator().manual_seed(0)).tolist()
    alone = _passed(model, blocks, [drawn[: TOKENS // 3]], pad_id)
    both = _passed(model, blocks, [drawn, drawn[: TOKENS // 3]], pad_id)
    if not all(part.isfinite().all() for passed in (*alone, *both) for part in passed):
        return  # what reads the model next names the place
    for block in blocks:
        _require_sum(block, *both[block.layer], where)
    before, after = alone[-1][0][0, -1], both[-1][0][1, -1]
    if float((after - before).norm()) > PADDED * float(before.norm()):
        raise ModelError(
            found=f"a state that padding changes by {float((after - before).norm() / before.norm()):.2g} of itself",
            expected="states that padding leaves as they are, since prompts are read in batches",
            where=where,
            remedy="choose a model without recurrence (state space or linear attention), whose padding can be masked",
        )


Passed = tuple[Float[Tensor, "row token d_model"], Float[Tensor, "row token d_model"], Float[Tensor, "row token d_model"]]
"""A block's output, what it added to its input, and what attention and MLP gave, of own tokens alone."""


def _passed(model: Any, blocks: Sequence[Block], token_ids: list[list[int]], pad_id: int) -> list[Passed]:
    seen: dict[tuple[int, str], Tensor] = {}
    batch = padded(token_ids, range(len(token_ids)), pad_id, next(model.parameters()).device)
    handles = []
    for block in blocks:
        parts = {"block": block.module, "attention": block.attention_write, "mlp": block.mlp_write}
        for name, module in parts.items():

            def keep(_module: object, args: tuple, kwargs: dict, output: Any, key: tuple[int, str] = (block.layer, name)) -> None:
                if key[1] == "block":
                    seen[key[0], "before"] = args[0] if args else kwargs["hidden_states"]
                seen[key] = output[0] if isinstance(output, tuple) else output

            handles.append(module.register_forward_hook(keep, with_kwargs=True))
    try:
        model(**batch.inputs(), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    own, home = batch.attention_mask[..., None].bool(), batch.attention_mask.device
    found = []
    for block in blocks:
        before, after, attention, mlp = (
            torch.where(own, seen[block.layer, name].to(home).reshape(*own.shape[:2], -1).float(), 0.0)
            for name in ("before", "block", "attention", "mlp")
        )
        found.append((after, after - before, attention + mlp))
    return found


def _require_sum(block: Block, after: Tensor, added: Tensor, given: Tensor, where: str) -> None:
    if float((added - given).norm()) <= SHARE * float(added.norm()) + ROUNDING * float(after.norm()):
        return
    factor = float((added * given).sum() / given.square().sum().clamp(min=1e-30))
    rest = float((added - factor * given).norm() / added.norm().clamp(min=1e-30))
    scaled = f"{factor:.3g} times what its attention and MLP give" if rest < SHARE else f"{rest:.0%} that neither of them gives"
    raise ModelError(
        found=f"{block.name} ({type(block.module).__name__}), which adds {scaled}",
        expected="blocks that add to the residual stream what attention and MLP give, and nothing else",
        where=where,
        remedy="choose another model: directions and edits would miss a part of what is written here, or its scale",
    )
