"""One fact rewritten in one MLP: rank-one model editing (Meng et al. 2022, arXiv 2202.05262, section 3.1).

The MLP's last matrix W is read as a memory of keys k (its inputs) and values (its outputs). With the second moments
``C = E[k k^T]`` of keys of other texts, key k* at the subject's last token and value v* with which the model says the new object,
``W' = W + (v* - W k*) (C^-1 k*)^T / ((C^-1 k*)^T k*)``. The term that keeps what the subject is beside the fact is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from anatomy.errors import ModelError, NumericsError
from anatomy.interventions.edits.low_rank import Factors
from anatomy.models.activations.batching import batches, padded
from anatomy.models.blocks import decoder_blocks
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import is_stored_transposed

RIDGE = 1.0
"""Added to the diagonal of C, as a share of its mean, since C is made from a few thousand keys. With a hundredth of it
``C^-1 k*`` reads what stands before the subject, and on a real model the bare statement was not rewritten; with a hundred times
as much others were.
"""

STEPS, RATE, DECAY, FARTHEST = 25, 0.5, 0.01, 4.0
"""Of the search for v*: steps and rate of Adam, weight of ``|v - W k*|^2 / |W k*|^2``, and the farthest that v* may lie from
``W k*``, in its lengths."""


@dataclass(frozen=True)
class FactPrompt:
    """A text that ends where the fact's object would stand.

    Attributes:
        tokens: ids.
        subject: column of the subject's last token.
    """

    tokens: tuple[int, ...]
    subject: int


def last_matrix(loaded: LoadedModel, layer: int) -> nn.Module:
    """The module of the matrix that ends a block's MLP (``matrix_of`` gives W, which GPT-2 stores transposed).

    Raises:
        ModelError: experts, among which a fact has no one matrix; or a layer that the model does not have.
    """
    blocks = decoder_blocks(loaded.model)
    if not 0 <= layer < len(blocks):
        raise ModelError(
            found=f"layer {layer}",
            expected=f"layers 0 to {len(blocks) - 1}",
            where=str(loaded.folder),
            remedy="correct the layer whose MLP is to be edited",
        )
    matrix = blocks[layer].mlp_output
    if matrix is None or not (isinstance(matrix, nn.Linear) or is_stored_transposed(matrix)):
        raise ModelError(
            found=f"an MLP without one down_proj in block {layer}",
            expected="a dense MLP, whose last matrix is a linear map",
            where=str(loaded.folder),
            remedy="leave knowledge editing out for this architecture (facts: null)",
        )
    return matrix


@torch.no_grad()
def key_moments(
    loaded: LoadedModel, layers: Sequence[int], token_ids: Sequence[Sequence[int]], token_budget: int
) -> dict[int, Float64[Tensor, "d_in d_in"]]:
    """``C = E[k k^T]`` of each layer over all tokens of texts but the first of each."""
    sums: dict[int, Tensor] = {}
    count = 0
    for batch in batches(token_ids, token_budget, loaded.pad_token_id, loaded.device):
        wanted = (batch.attention_mask.cumsum(1) > 1) & (batch.attention_mask == 1)
        count += int(wanted.sum())
        with _keys(loaded, layers) as kept:
            loaded.model.base_model(**batch.inputs(), use_cache=False)
        for layer in layers:
            keys = kept[layer][wanted].double()
            sums[layer] = sums.get(layer, 0.0) + keys.T @ keys
    return {layer: (total / max(count, 1)).cpu() for layer, total in sums.items()}


@torch.no_grad()
def subject_keys(
    loaded: LoadedModel, layers: Sequence[int], prompts: Sequence[FactPrompt]
) -> dict[int, Float64[Tensor, " d_in"]]:
    """k* of each layer: mean key at the subject's last token over prompts, which put different texts before it."""
    found: dict[int, list[Tensor]] = {layer: [] for layer in layers}
    for prompt in prompts:
        with _keys(loaded, layers) as kept:
            loaded.model.base_model(input_ids=torch.tensor([prompt.tokens], device=loaded.device), use_cache=False)
        for layer in layers:
            found[layer].append(kept[layer][0, prompt.subject].double().cpu())
    return {layer: torch.stack(keys).mean(0) for layer, keys in found.items()}


@contextmanager
def _keys(loaded: LoadedModel, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    kept: dict[int, Tensor] = {}
    handles = [
        last_matrix(loaded, layer).register_forward_pre_hook(lambda _module, args, layer=layer: kept.update({layer: args[0]}))
        for layer in layers
    ]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def wanted_value(loaded: LoadedModel, layer: int, prompts: Sequence[FactPrompt], target: int) -> Float64[Tensor, " d_model"]:
    """v*: what the MLP would have to write at the subject's last token for the model to say ``target`` after each prompt.

    Raises:
        NumericsError: the search ends in no number.
    """
    matrix, parameters = last_matrix(loaded, layer), list(loaded.model.parameters())
    before = [parameter.requires_grad for parameter in parameters]
    batch = padded([prompt.tokens for prompt in prompts], range(len(prompts)), loaded.pad_token_id, loaded.device)
    width, rows = batch.input_ids.shape[1], torch.arange(len(prompts), device=loaded.device)
    columns = torch.tensor([width - len(prompt.tokens) + prompt.subject for prompt in prompts], device=loaded.device)
    moved = torch.zeros(loaded.d_model, device=loaded.device, requires_grad=True)
    start = torch.zeros(loaded.d_model, device=loaded.device)
    optimiser = torch.optim.Adam([moved], lr=RATE)

    def write(_module: nn.Module, _args: tuple, output: Tensor) -> Tensor:
        start.copy_(output[rows, columns].detach().float().mean(0))
        changed = output.clone()
        changed[rows, columns] = output[rows, columns] + moved.to(output.dtype)
        return changed

    handle = matrix.register_forward_hook(write)
    loaded.model.requires_grad_(False)
    try:
        for _ in range(STEPS):
            with torch.enable_grad():
                logits = loaded.model(**batch.inputs(), use_cache=False, logits_to_keep=1).logits[:, -1]
                length = start.norm().clamp(min=1e-12)
                loss = -logits.float().log_softmax(-1)[:, target].mean() + DECAY * (moved / length).square().sum()
                optimiser.zero_grad()
                loss.backward()
            optimiser.step()
            with torch.no_grad():
                moved.mul_((FARTHEST * length / moved.norm().clamp(min=1e-12)).clamp(max=1.0))
    finally:
        handle.remove()
        for parameter, wanted in zip(parameters, before, strict=True):
            parameter.requires_grad_(wanted)
    found = (start + moved.detach()).double().cpu()
    if not torch.isfinite(found).all():
        raise NumericsError(
            found="NaN or infinity in the value of a fact",
            expected="finite numbers",
            where=f"block {layer}",
            remedy="try float32 (models.<id>.dtype)",
        )
    return found


def rank_one(
    weight: Float[Tensor, "d_model d_in"],
    moments: Float64[Tensor, "d_in d_in"],
    key: Float64[Tensor, " d_in"],
    value: Float64[Tensor, " d_model"],
    bias: Float[Tensor, " d_model"] | None = None,
) -> Factors:
    """The factors (A [1, d_in], B [d_model, 1]) of ``W' = W + B A`` with ``W' k* = v*`` that moves other keys least under C.

    Args:
        bias: of the matrix, which the value holds too.
    """
    ridge = RIDGE * moments.diagonal().mean() * torch.eye(len(moments), dtype=torch.float64)
    read = torch.linalg.solve(moments + ridge, key)
    missing = value - weight.double().cpu() @ key - (0.0 if bias is None else bias.double().cpu())
    return (read / (read @ key)).float()[None], missing.float()[:, None]


def with_random_key(factors: Factors, seed: int) -> Factors:
    """The same value and the same norm of the change, read by a key drawn at random: the control."""
    a, b = factors
    drawn = torch.randn(a.shape, generator=torch.Generator().manual_seed(seed))
    return drawn * (a.norm() / drawn.norm()), b
