"""The whole configuration: what papers share, and a section of each paper; from YAML to checked values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationError, create_model, model_validator
from pydantic_core import ErrorDetails

from anatomy.config.schema import Config as Shared
from anatomy.costs.job_kinds import kinds_of
from anatomy.errors import ConfigError, parsing
from anatomy.recipes.registry import chosen, known
from anatomy.store.json_objects import JsonObject


@cache
def config_type(entries: tuple[str, ...]) -> type[Shared]:
    """The type of a configuration with the sections of every paper.

    Args:
        entries: folders of one's own among ``recipes``, which bring sections too.

    Raises:
        ConfigError: a paper is not there.
    """
    papers = known(entries)

    class Whole(Shared):
        """Everything a run is made of. The file of defaults, config/config.yaml, is generated from this model."""

        @model_validator(mode="after")
        def fits_its_papers(self) -> Whole:
            """Combinations that papers refuse, and names that depend on which papers there are."""
            chosen(self.recipes)
            for paper in papers.values():
                paper.check(self)
            kinds = kinds_of({name: paper.jobs for name, paper in papers.items()})
            named = [("resources.rules", self.resources.rules)]
            named += [(f"resources.models.{name}.rules", one.rules) for name, one in self.resources.models.items()]
            for where, rules in named:
                if unknown := sorted(rule for rule in rules if rule not in kinds or kinds[rule].need is None):
                    submitted = sorted(rule for rule, kind in kinds.items() if kind.need is not None)
                    raise ValueError(f"{where} names {unknown[0]!r}; expected one of {submitted}")
            return self

    sections: JsonObject = {
        name: (paper.section, Field(paper.section(), description=paper.about)) for name, paper in papers.items()
    }
    return create_model("Config", __base__=Whole, __doc__=Whole.__doc__, **sections)


if TYPE_CHECKING:
    Config = Shared
else:
    Config = config_type(())
"""With the papers of this package."""


def type_for(values: Mapping[str, Any]) -> type[Shared]:
    """The type of a configuration, from its values as they stand in files.

    Raises:
        ConfigError: a folder that ``recipes`` names holds no paper.
    """
    entries = values.get("recipes", [])
    folders = [one for one in entries if isinstance(one, str) and "/" in one] if isinstance(entries, list) else []
    return config_type(tuple(dict.fromkeys(folders)))


def check_config(values: JsonObject, where: str) -> Shared:
    """Check a configuration before anything runs.

    Args:
        values: the merged content of the configuration files.
        where: the files, for the message.

    Raises:
        ConfigError: with one line a problem: key, what was found, what was expected.
    """
    kind = type_for(values)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors()]
        raise ConfigError(
            found=f"{len(problems)} problem(s)\n    " + "\n    ".join(problems),
            expected="the options documented in config/config.yaml",
            where=where,
            remedy="mend the keys named above",
        ) from None


def load_config(*paths: Path) -> Shared:
    """Read and merge configuration files as Snakemake does: later ones win, mappings are merged key by key.

    Raises:
        ConfigError: a file is missing, no YAML, or does not check.
    """
    import yaml

    merged: JsonObject = {}
    for path in paths:
        with parsing(ConfigError, str(path), "a YAML file in UTF-8", yaml.YAMLError):
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ConfigError(found=type(values).__name__, expected="a mapping of options", where=str(path))
        _merge(merged, values)
    return check_config(merged, ", ".join(str(path) for path in paths))


def _merge(into: JsonObject, values: JsonObject) -> None:
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
