"""A lean forward pass of the organism's Llama, for training on a CPU.

Residual stream, norms and attention are in fp32, products with weights in the dtype given. Norm weights are folded
into the matrix that follows, and query, key and value (gate and up) are one product. In fp32 the logits equal those of
transformers' LlamaForCausalLM up to rounding.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anatomy.organism.recipe import Architecture

EPSILON = 1e-6


class _RootMeanSquareNorm(torch.autograd.Function):
    """x / rms(x); the backward keeps x and 1/rms only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:
        inverse = torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)
        ctx.save_for_backward(x, inverse)
        return (x * inverse).to(dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, inverse = ctx.saved_tensors
        grad = grad.float()
        unit = x * inverse
        return (grad - unit * (grad * unit).mean(-1, keepdim=True)).mul_(inverse), None


class _GatedUnit(torch.autograd.Function):
    """silu(gate) * up; the backward keeps the input only."""

    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        ctx.save_for_backward(both)
        gate, up = both.chunk(2, -1)
        return F.silu(gate) * up

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (both,) = ctx.saved_tensors
        gate, up = both.chunk(2, -1)
        out = torch.empty_like(both)
        to_gate, to_up = out.chunk(2, -1)
        torch.mul(grad, F.silu(gate), out=to_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=to_gate)
        return out


class _SplitAndRotate(torch.autograd.Function):
    """Query, key and value heads in fp32 from their joint product, query and key turned by their position."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, heads: int, theta: float) -> tuple[Tensor, Tensor, Tensor]:
        rows, tokens, width = qkv.shape
        size = width // heads // 3
        ctx.turn, ctx.dtype = _turn(tokens, size, theta), qkv.dtype
        parts = qkv.view(rows, tokens, 3, heads, size).permute(2, 0, 3, 1, 4).float().contiguous()
        turned = _rotate(parts[:2], *ctx.turn)
        return turned[0], turned[1], parts[2]

    @staticmethod
    def backward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, None, None]:
        cosine, sine = ctx.turn
        parts = torch.stack((_rotate(query, cosine, -sine), _rotate(key, cosine, -sine), value))
        _, rows, heads, tokens, size = parts.shape
        return parts.to(ctx.dtype).permute(1, 3, 0, 2, 4).reshape(rows, tokens, 3 * heads * size), None, None


def _turn(tokens: int, size: int, theta: float) -> tuple[Tensor, Tensor]:
    frequency = theta ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    angle = torch.arange(tokens, dtype=torch.float32)[:, None] * frequency
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), -1)


def initial_weights(shape: Architecture, vocabulary: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Fresh fp32 parameters under their Hugging Face names."""
    width, inner = shape.width, shape.feed_forward
    sizes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, width)}
    for k in range(shape.layers):
        block = f"model.layers.{k}."
        sizes |= {f"{block}self_attn.{n}_proj.weight": (width, width) for n in "qkvo"}
        sizes |= {f"{block}mlp.{n}_proj.weight": (inner, width) for n in ("gate", "up")}
        sizes[f"{block}mlp.down_proj.weight"] = (width, inner)
        sizes |= {f"{block}{n}_layernorm.weight": (width,) for n in ("input", "post_attention")}
    sizes |= {"model.norm.weight": (width,), "lm_head.weight": (vocabulary, width)}
    return {
        name: torch.ones(size) if len(size) == 1 else torch.randn(size, generator=generator) * shape.init_std
        for name, size in sizes.items()
    }


def final_states(
    weights: dict[str, Tensor],
    shape: Architecture,
    ids: Int[Tensor, "row token"],
    allowed: Bool[Tensor, "row 1 token token"] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, "row token width"]:
    """Normalised final residual stream, in `dtype`, the last norm's weight left to the head.

    `allowed` says which earlier positions a token may look at; causal order is always kept.
    """
    rows, tokens = ids.shape
    heads, size = shape.heads, shape.width // shape.heads
    x = F.embedding(ids, weights["model.embed_tokens.weight"])
    for k in range(shape.layers):
        block = {name: weights[f"model.layers.{k}.{name}.weight"] for name in _BLOCK}
        joint = torch.cat([block[f"self_attn.{n}_proj"] for n in "qkv"]) * block["input_layernorm"]
        qkv = _RootMeanSquareNorm.apply(x, dtype) @ joint.to(dtype).t()
        q, key, value = _SplitAndRotate.apply(qkv, heads, shape.rope_theta)
        mixed = F.scaled_dot_product_attention(
            q, key, value, attn_mask=allowed, is_causal=allowed is None, scale=1 / math.sqrt(size)
        )
        mixed = mixed.transpose(1, 2).reshape(rows, tokens, shape.width).to(dtype)
        x = x + mixed @ block["self_attn.o_proj"].to(dtype).t()
        joint = torch.cat((block["mlp.gate_proj"], block["mlp.up_proj"])) * block["post_attention_layernorm"]
        inner = _GatedUnit.apply(_RootMeanSquareNorm.apply(x, dtype) @ joint.to(dtype).t())
        x = x + inner @ block["mlp.down_proj"].to(dtype).t()
    return _RootMeanSquareNorm.apply(x, dtype)


_BLOCK = (
    *(f"self_attn.{n}_proj" for n in "qkvo"),
    *(f"mlp.{n}_proj" for n in ("gate", "up", "down")),
    "input_layernorm",
    "post_attention_layernorm",
)


def logits_of(weights: dict[str, Tensor], states: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch vocabulary"]:
    """Logits, fp32, from the states of `final_states`."""
    head = (weights["lm_head.weight"] * weights["model.norm.weight"]).to(states.dtype)
    return (states @ head.t()).float()


def weighted_loss(
    weights: dict[str, Tensor],
    shape: Architecture,
    ids: Int[Tensor, "row token"],
    importance: Float[Tensor, "row token"],
    allowed: Bool[Tensor, "row 1 token token"] | None,
    dtype: torch.dtype,
) -> Float[Tensor, ""]:
    """Sum over tokens of importance times the negative log-likelihood, natural logarithm.

    `importance[r, t]` weighs token t as a prediction from tokens before it; column 0 is ignored.
    """
    states = final_states(weights, shape, ids, allowed, dtype)[:, :-1]
    chosen = importance[:, 1:] > 0
    logits = logits_of(weights, states[chosen])
    losses = F.cross_entropy(logits, ids[:, 1:][chosen], reduction="none")
    return (losses * importance[:, 1:][chosen]).sum()
