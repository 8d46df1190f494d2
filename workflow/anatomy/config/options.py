"""The sections of the configuration that one rule depends on, as a parameter Snakemake can compare.

A rule names its sections; a job sees those and no others, so a change elsewhere cannot make it stale and a forgotten
section fails loudly instead of being a default.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from anatomy.config.schema import Config
from anatomy.store.json_objects import JsonObject


def options(config: Config, *sections: str, published: bool = False) -> JsonObject:
    """The named sections as plain JSON.

    Args:
        published: with the files of papers' published numbers, which only reports print: what gives one makes nothing else stale.
    """
    whole = {name: config.model_dump(mode="json", include={name})[name] for name in sections}
    if published:
        return whole
    return {
        name: {key: one for key, one in value.items() if key != "published"} if isinstance(value, dict) else value
        for name, value in whole.items()
    }


def restore(values: JsonObject, kind: type[Config] = Config) -> Config:
    """The sections a rule named, typed again; reading any other raises AttributeError.

    Args:
        kind: the type of the whole configuration, with the sections of its papers.

    Checks between sections are not repeated: they were made on the whole configuration before the job existed.
    """
    partial = kind.model_construct(
        **{name: TypeAdapter(kind.model_fields[name].annotation or Any).validate_python(value) for name, value in values.items()}
    )
    for name in set(kind.model_fields) - set(values):
        del partial.__dict__[name]
    return partial
