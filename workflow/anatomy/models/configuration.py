"""What config.json alone says about a checkpoint: code of its own, quantised weights, how it must be computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from anatomy.errors import ModelError, parsing
from anatomy.models.imports import without_unused

CAUSAL = "AutoModelForCausalLM"

ADAPTER = "adapter_config.json"
"""A folder with this file holds an adapter, for transformers and peft alike."""

MARK = b"\xef\xbb\xbf"
"""A byte order mark, which some editors put in front of UTF-8 and no JSON parser of transformers skips."""


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json.

    Raises:
        ModelError: no such file, no JSON object, or an adapter in the folder.
    """
    refuse_adapter(folder)
    if not (folder / "config.json").is_file():
        raise ModelError(
            found="no config.json",
            expected="a Hugging Face model folder",
            where=str(folder),
            remedy="give the folder that holds config.json and the weights",
        )
    return json_of(folder / "config.json")


def json_of(path: Path) -> dict[str, Any]:
    """A JSON object among a model's files.

    Raises:
        ModelError: something else, or a byte order mark in front of it.
    """
    with parsing(
        ModelError, str(path), "a JSON object in UTF-8", remedy="copy or download the file again, or mend it in a text editor"
    ):
        content = path.read_bytes()
        if content.startswith(MARK):
            raise ModelError(
                found="a byte order mark in front of the JSON",
                expected="UTF-8 without one; transformers reads no other",
                where=str(path),
                remedy="save the file as UTF-8 without BOM",
            )
        found = json.loads(content.decode("utf-8"))
        if not isinstance(found, dict):
            raise TypeError(f"a {type(found).__name__}, where an object is expected")
    return found


def refuse_adapter(folder: Path) -> None:
    """Refuse a folder with an adapter: transformers applies it to the weights without a word, and vLLM does not.

    Raises:
        ModelError: the folder holds an adapter, with a model or without.
    """
    path = folder / ADAPTER
    if not path.is_file():
        return
    base = str(json_of(path).get("base_model_name_or_path") or "a model that it does not name")
    if not (folder / "config.json").is_file():
        raise ModelError(
            found=f"an adapter for {base}, and no model",
            expected="a model folder: config.json, weights and tokenizer",
            where=str(path),
            remedy=f"merge the adapter into {base} (peft's merge_and_unload, then save_pretrained) and give the merged folder",
        )
    raise ModelError(
        found=f"an adapter (for {base}) in the folder of a model",
        expected="a model without adapter: transformers would apply it without a word, and vLLM would not",
        where=str(path),
        remedy="to study the model with it, merge it (peft's merge_and_unload, then save_pretrained into another folder); to "
        f"study the model without it, move {ADAPTER} and its weights away, or make a copy of the folder without them",
    )


def text_config(config: dict[str, Any]) -> dict[str, Any]:
    """The language model's part of a configuration (multimodal folders nest it)."""
    nested = config.get("text_config")
    return nested if isinstance(nested, dict) else config


def width(config: dict[str, Any], key: str, where: str) -> int:
    """A size of the language model that its configuration has to state.

    Raises:
        ModelError: it is missing, or no whole number above 0.
    """
    found = text_config(config).get(key)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise ModelError(
            found=f"no {key}" if found is None else f"{key} {found!r}",
            expected=f"{key} as a whole number above 0",
            where=f"{where}/config.json",
            remedy="take the configuration that the model was published with; only the names that Llama's has are known here",
        )
    return found


def refuse_remote_code(config: dict[str, Any], where: str) -> None:
    """Refuse a model that only code from its own folder can open.

    A folder may name code of its own and still be of a class that transformers has (Phi-3's do): its code is then never
    run. A class of another name than the one transformers has for this model type is refused, because transformers would
    silently open it as its own.

    Raises:
        ModelError: the class is not one of transformers.
    """
    if "auto_map" not in config:
        return
    named = str(config["auto_map"].get(CAUSAL) or next(iter(config["auto_map"].values())))
    asked, own = set(config.get("architectures") or [named.rpartition(".")[2]]), _native_classes(config.get("model_type"))
    if not asked & own:
        raise ModelError(
            found=f"code of its own ({named}) for {', '.join(sorted(asked))}, model type {config.get('model_type')}",
            expected="a class that transformers has, so that the folder opens without remote code",
            where=where,
            remedy="take a model, or a conversion of this one, of a class that transformers has",
        )


def _native_classes(model_type: str | None) -> set[str]:
    with without_unused():  # here, because few folders name code and the import takes seconds
        from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    names = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type, ())
    return {names} if isinstance(names, str) else set(names)


def quantisation(config: dict[str, Any]) -> str | None:
    """Name of the method by which the weights were quantised, or None."""
    for part in (config, config.get("text_config") or {}):
        stated = part.get("quantization_config") or part.get("compression_config")
        if stated:
            return str(stated.get("quant_method") or ("bitsandbytes" if "load_in_4bit" in stated else "an unnamed method"))
    return None


def attention_implementation(config: Any) -> str:
    """Which of transformers' attentions computes this model: ``sdpa``, or ``eager`` where attention logits are capped.

    PyTorch's fused attention has no cap, and transformers leaves it out there without a word (Gemma-2).

    Args:
        config: a transformers configuration.
    """
    return "sdpa" if getattr(config.get_text_config(), "attn_logit_softcapping", None) is None else "eager"


def longest_served_context(config: dict[str, Any]) -> int | None:
    """Longest ``max_model_len`` at which vLLM computes what transformers computes; None where any is.

    Models with LongRoPE (Phi-3 of 128k) have two sets of frequencies. transformers takes the long one for prompts beyond
    the original context; vLLM takes it for all prompts as soon as the engine is started for more than that.
    """
    scaling = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if scaling.get("rope_type", scaling.get("type")) not in ("longrope", "su"):
        return None
    return scaling.get("original_max_position_embeddings") or config["original_max_position_embeddings"]
