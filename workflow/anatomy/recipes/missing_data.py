"""What stops a run before its first job: data that the configuration names and that are not here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.errors import DataError, ModelError
from anatomy.recipes.prompt_needs import absent_sets, absent_tasks, can_do_without
from anatomy.recipes.registry import known
from anatomy.sources.registry.entry import Entry
from anatomy.sources.registry.hub_models import HubModel, local_snapshot
from anatomy.sources.registry.location import local_path
from anatomy.sources.registry.own_models import gguf_path

PREFETCH = "run `snakemake prefetch` with the same configuration, or give your copy as a file or in data.mirror"


def set_files(config: Config, entries: Mapping[str, Entry], name: str) -> list[str]:
    """Files that a prompt set of one's own is read from.

    Raises:
        DataError: they are not here; everything else that is not here is named too.
    """
    if name in absent_sets(config, entries):
        raise _refused(config, entries)
    source = config.prompt_sets[name]
    if source.dataset is None:
        return [source.file] if source.file else list(source.split_files.values())
    base = source.dataset.partition("/")[0]
    return [str(local_path(config.data, base, file)) for file in entries[base].files]


def check_benchmarks(config: Config, entries: Mapping[str, Entry]) -> list[str]:
    """Check that benchmarks are here; returns no files, since Snakemake has nothing to compare.

    Raises:
        DataError: benchmarks that models of one's own take have no local data.
    """
    if absent_tasks(config, entries):
        raise _refused(config, entries)
    return []


def check_folder(config: Config, entries: Mapping[str, Entry], folder: str) -> list[str]:
    """Check that a model of your own lies in its folder; returns no files.

    Raises:
        ModelError: there is no such folder.
    """
    if not Path(folder).is_dir():
        raise ModelError(
            found="no such folder",
            expected="a folder with safetensors, config.json and tokenizer files",
            where=str(Path.cwd() / folder),
            remedy="mend the path, which is relative to the folder of the run",
        )
    return []


def gguf_files(config: Config, entries: Mapping[str, Entry], name: str) -> list[str]:
    """The GGUF file that a model of your own is converted from.

    Raises:
        ModelError: it is not here.
    """
    return [str(gguf_path(config, config.models[name]))]


def check_hub_model(config: Config, entries: Mapping[str, Entry], hub: str, revision: str) -> list[str]:
    """Check that a hub model is here, of a subject or a judge; returns no files, since Snakemake has nothing to compare.

    Raises:
        ModelError: the model has not been fetched.
    """
    local_snapshot(HubModel(hub, revision), config.data.mirror)
    return []


def _refused(config: Config, entries: Mapping[str, Entry]) -> DataError:
    sets, tasks = absent_sets(config, entries), absent_tasks(config, entries)
    needed = "; a search needs it, it cannot be skipped"
    lines = [f"prompt_sets.{name}: {reason}{'' if can_do_without(config, name) else needed}" for name, reason in sets.items()]
    lines += [f"benchmarks.tasks {name}: {reason}" for name, reason in tasks.items()]
    return DataError(
        found=f"{len(lines)} without data\n    " + "\n    ".join(lines),
        where=f"the configuration, whose paths are relative to {Path.cwd()}",
        expected="the data of everything the configuration names",
        remedy=PREFETCH
        + (
            "; data.missing: skip goes on without what can be skipped, and its claims then read 'not testable here'"
            if tasks or any(can_do_without(config, name) for name in sets)
            else ""
        )
        + "".join(paper.lacking(config, set(sets)) for paper in known(config.recipes).values()),
    )
