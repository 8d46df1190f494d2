"""GGUF files of tiny random models, written as llama.cpp's converter writes them, with the gguf package's own names."""

from pathlib import Path

import gguf
import numpy as np
import torch
from gguf.quants import quantize

D_MODEL, LAYERS, HEADS, KEY_HEADS, FEED = 64, 3, 4, 2, 96
SHAPE = {
    "hidden_size": D_MODEL,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "intermediate_size": FEED,
    "max_position_embeddings": 16384,
    "initializer_range": 0.2,
    "rms_norm_eps": 1e-5,
}
CLASSES = {
    "llama": ("llama", gguf.MODEL_ARCH.LLAMA),
    "qwen2": ("qwen2", gguf.MODEL_ARCH.QWEN2),
    "qwen3": ("qwen3", gguf.MODEL_ARCH.QWEN3),
    "gemma2": ("gemma2", gguf.MODEL_ARCH.GEMMA2),
    "gemma3": ("gemma3_text", gguf.MODEL_ARCH.GEMMA3),
}
"""By architecture: transformers' model type, the package's number."""


def tiny_model(architecture: str, words: int, **settings):
    """A random model of a real class, whose norms are random too."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        CLASSES[architecture][0], vocab_size=words, **{**SHAPE, "head_dim": D_MODEL // HEADS, **settings}
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()  # fused attention has no cap
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                weight.add_(0.3 * torch.randn_like(weight))
    return model


def vocabulary(folder: Path) -> tuple[list[str], list[str], list[int], dict[str, int]]:
    """Tokens, merges, types and special ids of the tiny byte-level tokenizer."""
    import json

    from tiny_model import SPECIAL_TOKENS, make_tiny_tokenizer

    make_tiny_tokenizer(folder)
    state = json.loads((folder / "tokenizer.json").read_text())
    tokens = sorted(state["model"]["vocab"], key=state["model"]["vocab"].get)
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in state["model"]["merges"]]
    kinds = [int(gguf.TokenType.CONTROL if token in SPECIAL_TOKENS else gguf.TokenType.NORMAL) for token in tokens]
    return (
        tokens,
        merges,
        kinds,
        {"bos": tokens.index("<|begin|>"), "eos": tokens.index("<|end|>"), "pad": tokens.index("<|pad|>")},
    )


def write_gguf(
    path: Path,
    architecture: str,
    model,
    folder: Path,
    *,
    kind=gguf.GGMLQuantizationType.F32,
    values=(),
    add_bos: bool | None = None,
    template: str | None = None,
    pre: str = "gpt-2",
    tensors=(),
    leave_out: str = "",
    general_type: str = "model",
) -> Path:
    """Write a model's file.

    Args:
        folder: for the tokenizer that its vocabulary is taken from.
        kind: how matrices are stored.
        values: further ``(key, value)`` under the architecture's prefix.
        tensors: further ``(name, array)``.
        leave_out: a tensor to omit, by the file's name for it.
    """
    config = model.config
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_type(general_type)
    writer.add_name("tiny")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(config.head_dim if getattr(config, "head_dim", None) else D_MODEL // HEADS)
    for key, value in values:
        {int: writer.add_uint32, float: writer.add_float32, str: writer.add_string, bool: writer.add_bool}[type(value)](
            f"{architecture}.{key}", value
        )
    _, marks = add_vocabulary(writer, folder, pre)
    writer.add_pad_token_id(marks["pad"])
    if add_bos is not None:
        writer.add_add_bos_token(add_bos)
    if template is not None:
        writer.add_chat_template(template)
    names = gguf.get_tensor_name_map(CLASSES[architecture][1], config.num_hidden_layers)
    for name, weight in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        stem, _, ending = name.rpartition(".")
        stored = f"{names.get_name(stem)}.{ending}"
        if stored != leave_out:
            _add(writer, stored, as_stored(architecture, name, weight.float().numpy()), kind)
    for name, array in tensors:
        writer.add_tensor(name, array)
    return finish(writer, path)


def as_stored(architecture: str, name: str, weight: np.ndarray) -> np.ndarray:
    """What llama.cpp's converter does to a weight of transformers."""
    if architecture == "llama" and (".q_proj." in name or ".k_proj." in name):
        heads = HEADS if ".q_proj." in name else KEY_HEADS
        return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    if architecture.startswith("gemma") and "norm" in name:
        return weight + 1
    return weight


def _add(writer, name: str, weight: np.ndarray, kind) -> None:
    weight = np.ascontiguousarray(weight)
    if weight.ndim == 1 or kind == gguf.GGMLQuantizationType.F32:
        writer.add_tensor(name, weight)
    else:
        writer.add_tensor(name, quantize(weight, kind), raw_dtype=kind)


def add_vocabulary(writer, folder, pre):
    """The tiny byte-level vocabulary of a model's folder; gives its size and the ids of its marks."""
    tokens, merges, kinds, marks = vocabulary(folder)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(marks["bos"])
    writer.add_eos_token_id(marks["eos"])
    return len(tokens), marks


def finish(writer, path):
    """Write what a writer was given, and close it."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
