"""Which architecture a folder holds, and whether the libraries that will open it know it."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from anatomy.errors import ModelError
from anatomy.store.json_objects import JsonObject

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
        in_transformers: whether transformers has a causal language model of this type.
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
        ModelError: no such file, or no JSON.
    """
    path = Path(folder) / "config.json"
    try:
        config: JsonObject = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            found=f"{type(error).__name__}: {error}",
            expected="a Hugging Face model folder",
            where=str(path),
            remedy="give the folder that holds config.json and the weights",
        ) from error
    text = config.get("text_config", config)
    name = next(iter(config.get("architectures") or []), None)
    lengths = [text[key] for key in CONTEXT_KEYS if isinstance(text.get(key), int)]
    quantisation = config.get("quantization_config")
    return Architecture(
        name=name,
        model_type=config.get("model_type", ""),
        context=lengths[0] if lengths else None,
        in_transformers=_in_transformers(config.get("model_type", ""), name),
        in_vllm=None if name is None or not vllm_architectures() else name in vllm_architectures(),
        remote_code="auto_map" in config,
        quantised=quantisation.get("quant_method", "unnamed") if quantisation else None,
    )


def _in_transformers(model_type: str, name: str | None) -> bool:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    return model_type in CAUSAL and (name is None or name in {*CAUSAL.values()} or name.endswith("ForConditionalGeneration"))


@cache
def vllm_architectures() -> frozenset[str]:
    """Architectures in vLLM's registry, read from its source: importing it would take ten seconds. Empty without vLLM."""
    spec = find_spec("vllm")
    source = Path(spec.origin).parent / "model_executor" / "models" / "registry.py" if spec and spec.origin else None
    if source is None or not source.is_file():
        return frozenset()
    tables = [
        node.value
        for node in ast.parse(source.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Dict)
        and any(isinstance(target, ast.Name) and target.id in VLLM_TABLES for target in node.targets)
    ]
    keys = [key.value for table in tables for key in table.keys if isinstance(key, ast.Constant)]
    return frozenset(key for key in keys if isinstance(key, str))


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
