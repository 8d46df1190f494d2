"""Direct attribution: what each head and each MLP writes along a direction, and where attention looks.

The stream at a token is the embedding plus everything that blocks added, so that its projection on a direction is a sum over
heads and MLPs (Elhage et al. 2021; Arditi et al. 2024, section 5.1; dossier, section 4e). Where a norm stands between attention
and stream its gain at that token counts as a constant.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from anatomy.interventions.instruments.run_record import RunRecord, head_count, output_projection, record_run
from anatomy.models.blocks import Block, decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import matrix_of


@torch.no_grad()
def direct_attribution(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], ids: Sequence[str], directions: dict[str, Float[Tensor, " d_model"]]
) -> pd.DataFrame:
    """Contribution of every part of the model to the last token's stream along each direction.

    Args:
        directions: unit vectors by name; a random one among them is the control.

    Returns:
        Columns ``id, direction, layer, part, head, contribution``. Part ``embedding`` (layer -1), ``head``, ``bias`` (of
        attention's output projection) and ``mlp``; a prompt's contributions sum to the projection of its final stream.
    """
    names = list(directions)
    stacked = torch.stack([directions[name].double().cpu() for name in names])
    rows = []
    for name, tokens in zip(ids, token_ids, strict=True):
        run = record_run(loaded, torch.tensor([list(tokens)], device=loaded.device))
        for layer, part, head, write in _writes(loaded, run):
            for direction, value in zip(names, (stacked @ write).tolist(), strict=True):
                rows.append((name, direction, layer, part, head, value))
    return pd.DataFrame(rows, columns=["id", "direction", "layer", "part", "head", "contribution"])


def _writes(loaded: LoadedModel, run: RunRecord) -> list[tuple[int, str, int, Tensor]]:
    """What each part adds to the stream at the last token, in float64."""
    found = [(-1, "embedding", -1, run.streams[0][0, -1].double().cpu())]
    for layer, block in enumerate(decoder_blocks(loaded.model)):
        written = run.attention[layer][0, -1].double().cpu()
        heads, bias = _heads_before_norm(loaded.model, block, run.heads[layer][0, -1])
        total = heads.sum(0) + bias
        gain = torch.where(total != 0, written / total, torch.zeros_like(total)) if block.post_norm else torch.ones_like(total)
        found += [(layer, "head", head, heads[head] * gain) for head in range(len(heads))]
        if output_projection(block).bias is not None:
            found.append((layer, "bias", -1, bias * gain))
        found.append((layer, "mlp", -1, run.mlp[layer][0, -1].double().cpu()))
    return found


def _heads_before_norm(
    model: nn.Module, block: Block, entering: Float[Tensor, " head_width"]
) -> tuple[Float[Tensor, "head d_model"], Float[Tensor, " d_model"]]:
    projection = output_projection(block)
    weight = matrix_of(projection).double().cpu()
    count = head_count(model)
    by_head = entering.double().cpu().view(count, -1)
    heads = torch.einsum("dhw,hw->hd", weight.reshape(len(weight), count, -1), by_head)
    bias = torch.zeros(len(weight), dtype=torch.float64) if projection.bias is None else projection.bias.double().cpu()
    return heads, bias


@torch.no_grad()
def attention_regions(
    loaded: LoadedModel, token_ids: Sequence[Sequence[int]], ids: Sequence[str], start: int, end: int
) -> pd.DataFrame:
    """Where the last token looks: columns ``id, layer, head, instruction, template_before, template_after, entropy``.

    Args:
        start: tokens of the template before the instruction; ``end``: after it.
    """
    before = loaded.model.config._attn_implementation
    loaded.model.set_attn_implementation("eager")  # others do not give their weights
    rows = []
    try:
        for name, tokens in zip(ids, token_ids, strict=True):
            output = loaded.model.base_model(
                input_ids=torch.tensor([list(tokens)], device=loaded.device), output_attentions=True, use_cache=False
            )
            for layer, weights in enumerate(output.attentions):
                last = weights[0, :, -1].double().cpu()
                entropy = -(last * last.clamp(min=1e-30).log()).sum(-1)
                split = [
                    last[:, :start].sum(-1),
                    last[:, start : len(tokens) - end].sum(-1),
                    last[:, len(tokens) - end :].sum(-1),
                ]
                for head in range(len(last)):
                    shares = [part[head].item() for part in split]
                    rows.append((name, layer, head, shares[1], shares[0], shares[2], entropy[head].item()))
    finally:
        loaded.model.set_attn_implementation(before)
    columns = ["id", "layer", "head", "instruction", "template_before", "template_after", "entropy"]
    return pd.DataFrame(rows, columns=columns)
