"""The configuration that transformers needs, from what a GGUF file states; what it does not state is refused or known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from anatomy.errors import ModelError
from anatomy.models.gguf.header import Header
from anatomy.models.gguf.tensor_names import ARCHITECTURES

CLASSES = {
    "llama": ("llama", "LlamaForCausalLM"),
    "qwen2": ("qwen2", "Qwen2ForCausalLM"),
    "qwen3": ("qwen3", "Qwen3ForCausalLM"),
    "gemma2": ("gemma2", "Gemma2ForCausalLM"),
    "gemma3": ("gemma3_text", "Gemma3ForCausalLM"),
}
NEEDED = (
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.layer_norm_rms_epsilon",
)
LLAMA3 = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
"""How Llama 3.1 to 3.3 scale their rotary frequencies; the file holds the factors alone, which are compared."""


def model_config(header: Header, rotary_factors: Sequence[float] | None) -> Any:
    """A transformers configuration.

    Args:
        rotary_factors: the file's own, where it has them (Llama 3).

    Raises:
        ModelError: a value is missing, or says that the model computes in a way that is not known here.
    """
    from transformers import AutoConfig

    if missing := [key for key in NEEDED if header.own(key) is None]:
        raise _refused(header, f"no {header.architecture}.{missing[0]}", "a file that states its sizes")
    model_type, name = CLASSES[header.architecture]
    heads, width, context = (header.own(key) for key in ("attention.head_count", "embedding_length", "context_length"))
    if not isinstance(heads, int) or not isinstance(header.own("feed_forward_length"), int):
        raise _refused(header, "blocks of different sizes", "the same number of heads and neurons in every block")
    head_dim = header.own("attention.key_length") or header.own("rope.dimension_count") or width // heads
    if header.own("attention.value_length") not in (None, head_dim) or header.own("rope.dimension_count") not in (None, head_dim):
        raise _refused(header, "a rotary embedding, or values, of another width than keys", "heads of one width")
    theta = header.own("rope.freq_base") or 10000.0
    settings: dict[str, Any] = {
        "architectures": [name],
        "max_position_embeddings": context,
        "hidden_size": width,
        "num_hidden_layers": header.own("block_count"),
        "intermediate_size": header.own("feed_forward_length"),
        "num_attention_heads": heads,
        "num_key_value_heads": header.own("attention.head_count_kv") or heads,
        "head_dim": head_dim,
        # The file has it in 32 bits: 1e-5 reads as 9.99999974e-06.
        "rms_norm_eps": float(f"{header.own('attention.layer_norm_rms_epsilon'):.6g}"),
        "vocab_size": next((t.shape[0] for t in header.tensors if t.name == "token_embd.weight"), 0),
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in header.tensors),
        "rope_theta": theta,
        **{ours: header.values.get(f"tokenizer.ggml.{theirs}_token_id") for ours, theirs in TOKENS.items()},
    }
    if header.architecture in ("llama", "qwen2", "qwen3"):
        _every_token_seen(header, context)
        settings |= _biases(header)
    else:
        settings |= _gemma(header, heads, width)
    config = AutoConfig.for_model(model_type, **settings)
    _scaled(header, config, theta, rotary_factors)
    return config


TOKENS = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}


def _every_token_seen(header: Header, context: int) -> None:
    window = header.own("attention.sliding_window")
    if window is not None and window < context:
        raise _refused(header, f"attention within a window of {window} tokens", "attention to the whole context")


def _biases(header: Header) -> dict[str, bool]:
    """Llama's and Qwen3's biases are optional in transformers; Qwen2 always has those of queries, keys and values."""
    if header.architecture == "qwen2":
        return {}
    names = {tensor.name for tensor in header.tensors}
    found = {"attention_bias": "blk.0.attn_q.bias" in names}
    return {**found, "mlp_bias": "blk.0.ffn_up.bias" in names} if header.architecture == "llama" else found


def _gemma(header: Header, heads: int, width: int) -> dict[str, Any]:
    found: dict[str, Any] = {"attn_logit_softcapping": None, "final_logit_softcapping": None}
    if header.architecture == "gemma2":
        # llama.cpp takes the published ones where a file does not state them (Gemma 2 report, section 2).
        found = {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    for key in found:
        found[key] = header.own(key) or found[key]
    if window := header.own("attention.sliding_window"):
        found["sliding_window"] = window
    if header.own("block_count") in ARCHITECTURES[header.architecture].from_width:
        # The 27 B models scale attention by width / heads instead of the width of a head; files do not say so.
        found["query_pre_attn_scalar"] = width // heads
    return found


def _scaled(header: Header, config: Any, theta: float, factors: Sequence[float] | None) -> None:
    """Rotary scaling: none, Gemma 3's linear one of the layers that see everything, or Llama 3's, proven by the factors."""
    kind = header.own("rope.scaling.type") or "none"
    if kind == "linear" and header.architecture == "gemma3" and factors is None:
        config.rope_parameters["full_attention"] |= {"rope_type": "linear", "factor": header.own("rope.scaling.factor")}
        return
    if kind != "none":
        raise _refused(header, f"rotary scaling {kind!r}", "none, or that of Llama 3")
    if header.architecture == "gemma3":
        config.rope_parameters["full_attention"]["rope_theta"] = theta
    if factors is None:
        return
    scaling = {**LLAMA3, "factor": float(max(factors)), "rope_theta": theta}
    expected = _llama3_factors(scaling, theta, len(factors))
    if any(not math.isclose(ours, theirs, rel_tol=1e-3) for ours, theirs in zip(expected, factors, strict=True)):
        raise _refused(header, "factors of rotary frequencies that are not those of Llama 3", "those of Llama 3")
    config.rope_parameters = scaling


def _llama3_factors(scaling: dict[str, Any], theta: float, count: int) -> list[float]:
    """By how much each rotary frequency is divided (Llama 3.1's reference code, ``apply_scaling``)."""
    low, high, old = (scaling[key] for key in ("low_freq_factor", "high_freq_factor", "original_max_position_embeddings"))
    found = []
    for place in range(count):
        length = 2 * math.pi * theta ** (place / count)
        smooth = (old / length - low) / (high - low)
        between = 1 / ((1 - smooth) / scaling["factor"] + smooth)
        found.append(1.0 if length < old / high else scaling["factor"] if length > old / low else between)
    return found


def _refused(header: Header, found: str, expected: str) -> ModelError:
    return ModelError(
        found=found,
        expected=expected,
        where=str(header.path),
        remedy="take the model's safetensors, from where it was published",
    )
