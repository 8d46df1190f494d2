"""Number formats that a model's class or this machine cannot compute in, found before anything is computed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from anatomy.errors import ConfigError, ModelError
from anatomy.models.config_file import read_config, text_config
from anatomy.models.machine.formats import Format, lacks_bfloat16
from anatomy.models.preflight.vllm_source import assigned_names
from anatomy.store.json_objects import JsonObject

KNOWN = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})
"""Model types whose activations leave the range of float16, as vLLM 0.32 lists them (``vllm/config/model.py``); for machines
where its source cannot be read."""


@cache
def unsafe_in_float16() -> frozenset[str]:
    """Model types that vLLM refuses in float16, from the table in its source."""
    return assigned_names("config/model.py", "_FLOAT16_NOT_SUPPORTED_MODELS") or KNOWN


def refused_formats(config: JsonObject) -> frozenset[Format]:
    """Formats that a model of this configuration cannot be computed in.

    Args:
        config: a model's config.json.
    """
    types = {config.get("model_type"), text_config(config).get("model_type")}
    return frozenset({"float16"}) if types & unsafe_in_float16() else frozenset()


def formats_refused_in(folder: Path) -> frozenset[Format]:
    """The same, of a folder; none where its configuration cannot be read, which a check of its own says."""
    try:
        return refused_formats(read_config(folder))
    except ModelError:
        return frozenset()


def require_format(dtype: Format, config: JsonObject, option: str) -> None:
    """Refuse a format that the engine would refuse in the last stage of a run.

    Args:
        option: where the format is asked for, such as ``models.mine.dtype``.

    Raises:
        ConfigError: the model's class overflows in it, or the machine has no instructions for it.
    """
    if dtype in refused_formats(config):
        raise ConfigError(
            found=f"{option}: {dtype}, for a model of type {config.get('model_type')!r}",
            expected="bfloat16 or float32: its activations are larger than float16 can hold, and vLLM refuses it",
            where=option,
            remedy=f"set {option} to auto, bfloat16 or float32",
        )
    if dtype == "bfloat16" and lacks_bfloat16():
        raise ConfigError(
            found=f"{option}: bfloat16, on a GPU of before Ampere",
            expected="a format that this GPU has instructions for; vLLM refuses bfloat16 on it",
            where=option,
            remedy=f"set {option} to auto, float32" + (" or float16" if "float16" not in refused_formats(config) else ""),
        )
