"""The registry's entries, read from config/datasets.yaml and from a file of the user's own."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from anatomy.config.section import Identifier
from anatomy.errors import ConfigError, parsing
from anatomy.sources.registry.entry import Entry

SHIPPED = Path(__file__).resolve().parents[4] / "config" / "datasets.yaml"


def load_catalogue(own: str | Path | None = None) -> dict[str, Entry]:
    """All entries by name: the shipped ones, and those of a file of one's own, which win.

    Raises:
        ConfigError: a file is missing, no YAML, or an entry does not check (with one line a problem).
    """
    return {**_read(SHIPPED), **(_read(Path(own)) if own else {})}


def find_entry(catalogue: dict[str, Entry], name: str, where: str) -> tuple[Entry, str | None]:
    """The entry that ``name`` or ``name/subset`` means, and the subset.

    Raises:
        ConfigError: no such entry or subset.
    """
    base, _, subset = name.partition("/")
    entry = catalogue.get(base)
    if entry is None:
        near = difflib.get_close_matches(base, catalogue, n=3, cutoff=0.5) or sorted(catalogue)
        raise ConfigError(
            found=f"data set {name!r}",
            expected=f"a name of config/datasets.yaml, such as {', '.join(near)}",
            where=where,
            remedy="mend the name, or describe the set in a file named by data.registry",
        )
    if subset and subset not in entry.subsets:
        raise ConfigError(
            found=f"subset {subset!r} of {base}",
            where=where,
            expected=f"one of {', '.join(sorted(entry.subsets))}" if entry.subsets else "no subset: it has none",
        )
    return entry, subset or None


@functools.cache
def _read(path: Path) -> dict[str, Entry]:
    import yaml

    with parsing(ConfigError, str(path), "a YAML file of data sets in UTF-8", yaml.YAMLError):
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    try:
        return TypeAdapter(dict[Identifier, Entry]).validate_python(values)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()]
        raise ConfigError(
            found=f"{len(problems)} problem(s)\n    " + "\n    ".join(problems),
            expected="entries as described in anatomy.sources.registry.entry",
            where=str(path),
        ) from None
