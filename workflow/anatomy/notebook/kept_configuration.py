"""The configuration that a run kept with its results, typed again."""

from __future__ import annotations

from pathlib import Path

from anatomy.config.schema import Config
from anatomy.errors import ConfigError
from anatomy.recipes.configuration import check_config
from anatomy.store.json_objects import JsonObject


def kept_configuration(configuration: JsonObject, results: Path) -> Config:
    """The options as the run had them.

    Raises:
        ConfigError: this version of the code does not know them.
    """
    try:
        return check_config(configuration, str(results))
    except ConfigError as error:
        raise ConfigError(
            found=error.found,
            expected="options of this version",
            where=error.where,
            remedy="these results were made by another version: ask their models with that one, or give the run's command again; "
            "tables and figures can be read as they are",
        ) from None
