"""What config.json alone says about a checkpoint: code of its own, quantised weights, how it must be computed."""

from __future__ import annotations

from typing import Any

from anatomy.errors import ModelError
from anatomy.models.imports import without_unused

CAUSAL = "AutoModelForCausalLM"


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
