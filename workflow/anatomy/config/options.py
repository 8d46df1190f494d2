"""The sections of the configuration that one rule depends on, as a parameter Snakemake can compare.

A rule names its sections; a job sees those and no others, so a change elsewhere cannot make it stale and a forgotten
section fails loudly instead of being a default.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import TypeAdapter

from anatomy.config.schema import Config
from anatomy.store.json_objects import JsonObject

PUBLISHED = "published"
"""Option of papers that every rule but the reports' goes without."""


def options(
    config: Config, *sections: str, published: bool = False, without: Mapping[str, Collection[str]] | None = None
) -> JsonObject:
    """The named sections as plain JSON.

    Args:
        published: with the files of papers' published numbers, which only reports print: what gives one makes nothing else stale.
        without: by section, options that the rule does not read, so that a change of one does not make it stale.

    Raises:
        KeyError: a section of ``without`` that is not named, or an option that it has not.
    """
    whole = {name: config.model_dump(mode="json", include={name})[name] for name in sections}
    for section, names in (without or {}).items():
        for name in names:
            del whole[section][name]
    if published:
        return whole
    return {
        name: {key: one for key, one in value.items() if key != PUBLISHED} if isinstance(value, dict) else value
        for name, value in whole.items()
    }


def told(config: Config) -> JsonObject:
    """All that a job was told as plain JSON, but where results lie: what its numbers may depend on."""
    return options(
        config, *(name for name in type(config).model_fields if name in vars(config) and name != "results"), published=True
    )


def restore(values: JsonObject, kind: type[Config] = Config) -> Config:
    """The sections a rule named, typed again; reading any other, or an option that was left out, raises AttributeError.

    Args:
        kind: the type of the whole configuration, with the sections of its papers.

    Checks between sections are not repeated: they were made on the whole configuration before the job existed.
    """
    partial = kind.model_construct(
        **{name: TypeAdapter(kind.model_fields[name].annotation or Any).validate_python(value) for name, value in values.items()}
    )
    for name in set(kind.model_fields) - set(values):
        del partial.__dict__[name]
    for name, value in values.items():
        section = getattr(partial, name)
        for option in set(getattr(type(section), "model_fields", {})) - set(value) - {PUBLISHED}:
            del section.__dict__[option]
    return partial
