"""A prompt set of your own: read, audited, split, written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from anatomy.config.data import Data
from anatomy.config.subjects import PromptSet
from anatomy.errors import DataError
from anatomy.sources.prompts.prepare import PromptSetSpec, PromptSource, prepare_set
from anatomy.sources.prompts.table import SPLITS
from anatomy.sources.registry.entry import Entry
from anatomy.sources.registry.rows import prompt_rows
from anatomy.store.json_objects import JsonObject

PINS: tuple[str, ...] = ()


def prepare(
    name: str,
    source: JsonObject,
    out: Path,
    say: Callable[[str], None],
    *,
    phases: Sequence[str] = SPLITS,
    data: Data | None = None,
    entry: Entry | None = None,
    checks: Sequence[Callable[[pd.DataFrame, str], None]] = (),
) -> None:
    """Make one prompt set.

    Args:
        source: its entry in the configuration, as JSON.
        say: told what was kept, merged and left out.
        phases: splits that the run reads; the others may be small or empty.
        data: where the registry's local copies lie.
        entry: what the registry knows of `source["dataset"]`.
        checks: of papers, which are given the table and where it is from, and raise what is wrong with it for them.

    Raises:
        DataError: bad files, rows without a label, files that are not the registry's, or splits that overlap or are too small.
    """
    options = PromptSet.model_validate(source)
    values = {"label": options.label} if options.label else {}
    table = prepare_set(
        PromptSetSpec(
            name=name,
            sources=_sources(options, values, data, entry, say),
            shares=options.splits.model_dump(),
            seed=options.seed,
            near_duplicate=options.near_duplicate,
            minimum=dict.fromkeys(phases, options.minimum),
            limits={split: most for split, most in options.limits.items()},
            # Figures tell sets apart by label, and the page withholds answers to whatever is not labelled harmless.
            require_label=True,
            # A published set is counted as it was published.
            keep_repeats=options.dataset is not None,
        ),
        out,
        say=say,
    )
    where = f"prompt set {name!r} ({options.dataset or options.file or ', '.join(options.split_files.values())})"
    for check in checks:
        check(table, where)
    say(f"{len(table)} prompts in {table['group'].nunique()} groups: {table['split'].value_counts().to_dict()}")


def _sources(
    options: PromptSet, values: dict[str, str], data: Data | None, entry: Entry | None, say: Callable[[str], None]
) -> tuple[PromptSource, ...]:
    if options.dataset is None:
        files = [(None, options.file)] if options.file else list(options.split_files.items())
        return tuple(PromptSource(Path(path), options.columns, values, split, options.derive_ids) for split, path in files)
    if data is None or entry is None:
        raise DataError(
            found=f"data set {options.dataset} without its entry", expected="what the registry knows of it", where="a prompt set"
        )
    base, _, subset = options.dataset.partition("/")
    found = prompt_rows(data, base, entry, subset or None, published=options.published, say=say)
    return tuple(PromptSource(path, {}, values, rows=rows) for path, rows in found)
