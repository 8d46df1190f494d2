"""Files that are refused before anything long is read, by what they are: no model, cut short, computed in a way unknown here."""

from __future__ import annotations

import re
from math import prod

from anatomy.errors import ModelError
from anatomy.models.gguf.header import AGAIN, Header
from anatomy.models.gguf.tensor_names import ARCHITECTURES, ROTARY_FACTORS, own_name

PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")
READ = {
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "vocab_size",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.finetuned",
}
"""What an architecture's own values may say, since ``configuration`` reads or compares them."""
WITHOUT_MEANING = {
    "tensor_data_layout": ("Meta AI original pth",),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "attention.causal": (True,),
    "use_parallel_residual": (False,),
}
"""What they may say besides, with the only values that change nothing."""


def require_convertible(header: Header) -> None:
    """Refuse a file that cannot become a model folder which computes the same.

    Raises:
        ModelError: a part of a model, no model (adapter, vocabulary, projector), an architecture, a tensor, a value or a
            quantisation that is not known here, or a file that is cut short.
    """
    _whole_model(header)
    _known_architecture(header)
    _known_values(header)
    _known_tensors(header)
    _whole_file(header)


def _whole_model(header: Header) -> None:
    count = header.values.get("split.count", 0)
    if PART.search(header.path.name) or (isinstance(count, int) and count > 1):
        raise _refused(
            header,
            f"a part of a model ({count or 'several'} files)",
            "a model in one file",
            "join the parts with llama.cpp's `llama-gguf-split --merge`, then name the file that it writes",
        )
    kind = header.values.get("general.type", "model")
    if kind != "model":
        raise _refused(header, f"a file of type {kind}", "a whole model", "name the model's own file")
    if header.architecture == "clip" or any(key.startswith("clip.") for key in header.values):
        raise _refused(header, "the image projector of a model (mmproj)", "the language model", "name the model's own file")
    if not header.tensors:
        raise _refused(header, "a vocabulary without weights", "a whole model", "name the file with the weights")


def _known_architecture(header: Header) -> None:
    if header.architecture not in ARCHITECTURES:
        raise _refused(
            header,
            f"architecture {header.architecture or 'not stated'}",
            f"one of {', '.join(ARCHITECTURES)}, whose conversion is proven",
            "take the model's safetensors, from where it was published",
        )
    experts = header.own("expert_count")
    if experts:
        raise _refused(
            header,
            f"a mixture of {experts} experts",
            "blocks with one feed-forward layer",
            "take the model's safetensors, from where it was published",
        )


def _known_values(header: Header) -> None:
    prefix = f"{header.architecture}."
    for key, value in header.values.items():
        name = key.removeprefix(prefix)
        if not key.startswith(prefix) or name in READ or value in WITHOUT_MEANING.get(name, ()):
            continue
        raise _refused(
            header,
            f"{key} = {str(value)[:60]}",
            "values whose meaning for the computation is known here",
            "take the model's safetensors, from where it was published",
        )


def _known_tensors(header: Header) -> None:
    architecture = ARCHITECTURES[header.architecture]
    unknown = [t.name for t in header.tensors if t.name != ROTARY_FACTORS and own_name(architecture, t.name) is None]
    if unknown:
        raise _refused(
            header,
            f"{len(unknown)} tensors that {header.architecture} does not have, such as {unknown[0]}",
            "the tensors of the architecture",
            "take the model's safetensors, from where it was published",
        )


def _whole_file(header: Header) -> None:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    names = {int(kind): kind for kind in GGMLQuantizationType}
    for tensor in header.tensors:
        kind = names.get(tensor.kind)
        if kind is None or not readable(tensor.kind):
            raise _refused(
                header,
                f"{tensor.name} quantised as {kind.name if kind else f'type {tensor.kind}'}",
                "a quantisation that the gguf package dequantises",
                "take another quantisation of the model, such as Q8_0 or Q4_K_M",
            )
        block, bytes_each = GGML_QUANT_SIZES[kind]
        if not tensor.shape or tensor.shape[-1] % block:
            raise _refused(header, f"{tensor.name} of shape {tensor.shape} in blocks of {block}", "whole blocks", AGAIN)
        end = tensor.begin + prod(tensor.shape) // block * bytes_each
        if end > header.size:
            raise _refused(
                header, f"{header.size} bytes, which end within {tensor.name}", f"at least {end}, as its header says", AGAIN
            )


def readable(kind: int) -> bool:
    """Whether the gguf package turns a ggml type into numbers."""
    from gguf import GGMLQuantizationType
    from gguf.quants import _type_traits

    plain = (GGMLQuantizationType.F32, GGMLQuantizationType.F16)
    return kind in plain or kind in _type_traits


def _refused(header: Header, found: str, expected: str, remedy: str) -> ModelError:
    return ModelError(found=found, expected=expected, where=str(header.path), remedy=remedy)
