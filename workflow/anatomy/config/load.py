"""From YAML to a checked configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from anatomy.config.schema import Config
from anatomy.errors import ConfigError, parsing


def check_config(values: dict[str, Any], where: str) -> Config:
    """Check a configuration before anything runs.

    Args:
        values: the merged content of the configuration files.
        where: the files, for the message.

    Raises:
        ConfigError: with one line a problem: key, what was found, what was expected.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors()]
        raise ConfigError(
            found=f"{len(problems)} problem(s)\n    " + "\n    ".join(problems),
            expected="the options documented in config/config.yaml",
            where=where,
            remedy="mend the keys named above",
        ) from None


def load_config(*paths: Path) -> Config:
    """Read and merge configuration files as Snakemake does: later ones win, mappings are merged key by key.

    Raises:
        ConfigError: a file is missing, no YAML, or does not check.
    """
    import yaml

    merged: dict[str, Any] = {}
    for path in paths:
        with parsing(ConfigError, str(path), "a YAML file in UTF-8", yaml.YAMLError):
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ConfigError(found=type(values).__name__, expected="a mapping of options", where=str(path))
        _merge(merged, values)
    return check_config(merged, ", ".join(str(path) for path in paths))


def _merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _problem(item: ErrorDetails) -> str:
    key = ".".join(str(part) for part in item["loc"]) or "(whole configuration)"
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    found = "" if item["type"] in ("missing", "value_error") else f"; found {item['input']!r}"
    return f"{key}: {item['msg'].removeprefix('Value error, ')}{found}"
