"""Which architecture a folder holds, and whether the libraries that will open it know it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from anatomy.errors import ModelError
from anatomy.models.config_file import read_config, text_config
from anatomy.models.configuration import quantisation
from anatomy.models.preflight.vllm_source import assigned_names
from anatomy.models.tensor_names import QWEN_SEEING

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
"""Where configurations say how many tokens the model was made for."""

VLLM_TABLES = ("_TEXT_GENERATION_MODELS", "_MULTIMODAL_MODELS", "_TRANSFORMERS_SUPPORTED_MODELS")


@dataclass(frozen=True)
class Architecture:
    """What ``config.json`` says of a model.

    Attributes:
        name: class that the weights were saved from, such as ``LlamaForCausalLM``; None where the file names none.
        model_type: name by which transformers finds its code.
        context: longest text in tokens; None where the file does not say.
        in_transformers: whether transformers has a causal language model of this type, or one inside a model that sees.
        in_vllm: whether vLLM has its own; where not, it falls back to the code of transformers. None: not known here.
        remote_code: whether the folder names code of its own.
        quantised: name of the quantisation method, None for plain weights.
    """

    name: str | None
    model_type: str
    context: int | None
    in_transformers: bool
    in_vllm: bool | None
    remote_code: bool
    quantised: str | None


def read_architecture(folder: Path) -> Architecture:
    """Read ``config.json``; imports transformers' tables of names, no model code.

    Raises:
        ModelError: as ``read_config``.
    """
    config = read_config(Path(folder))
    text, model_type = text_config(config), str(config.get("model_type") or "")
    named = config.get("architectures")
    name = str(named[0]) if isinstance(named, list) and named else None
    lengths = [text[key] for key in CONTEXT_KEYS if isinstance(text.get(key), int)]
    return Architecture(
        name=name,
        model_type=model_type,
        context=lengths[0] if lengths else None,
        in_transformers=_in_transformers(model_type, name),
        in_vllm=None if name is None or not vllm_architectures() else name in vllm_architectures(),
        remote_code="auto_map" in config,
        quantised=quantisation(config),
    )


def _in_transformers(model_type: str, name: str | None) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    if model_type in QWEN_SEEING:
        return name is None or name.endswith("ForConditionalGeneration")
    return model_type in CAUSAL and (name is None or name in {*CAUSAL.values()} or name.endswith("ForConditionalGeneration"))


@cache
def vllm_architectures() -> frozenset[str]:
    """Architectures in vLLM's registry, read from its source: importing it would take ten seconds. Empty without vLLM."""
    return assigned_names("model_executor/models/registry.py", *VLLM_TABLES)


def require_architecture(architecture: Architecture, where: str) -> None:
    """Refuse what transformers cannot open as a causal language model with its own code.

    Raises:
        ModelError: an architecture that is unnamed, unknown, or of another kind.
    """
    if architecture.in_transformers and architecture.name is not None:
        return
    from transformers import __version__

    if architecture.name is None:
        found, remedy = "a config.json without architectures", "take the configuration that the model was published with"
    elif architecture.remote_code:
        found = f"{architecture.name} (model_type {architecture.model_type!r}), which needs code from the model folder"
        remedy = "choose a model that transformers has code for; code from folders is not run"
    else:
        found = f"{architecture.name} (model_type {architecture.model_type!r})"
        remedy = "choose a causal language model (…ForCausalLM), or a newer transformers if the model is newer"
    raise ModelError(
        found=found, expected=f"a causal language model that transformers {__version__} knows", where=where, remedy=remedy
    )
