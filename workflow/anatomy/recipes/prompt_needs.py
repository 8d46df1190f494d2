"""What a configuration needs of published data, what of it is not here, and what a run can do without."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anatomy.config.schema import Config
from anatomy.errors import ConfigError
from anatomy.recipes.recipe import PHASES
from anatomy.recipes.registry import chosen, known
from anatomy.sources.registry.catalogue import find_entry, load_catalogue
from anatomy.sources.registry.entry import Entry
from anatomy.sources.registry.location import files_here, missing_files


def phases_of(config: Config) -> dict[str, tuple[str, ...]]:
    """Prompt sets that models of one's own read, each with the phases it is read in, whichever paper reads it."""
    read: dict[str, set[str]] = {phase: set() for phase in PHASES}
    for paper in known(config.recipes).values():
        for phase, names in paper.reads(config).items():
            read[phase] |= names
    return {
        name: tuple(phase for phase in PHASES if name in read[phase])
        for name in sorted(set().union(*read.values()))
        if name not in config.evaluation.left_out
    }


def tuning_phases(config: Config) -> dict[str, tuple[str, ...]]:
    """Prompt sets that models of one's own are trained on, with the phases that are read: fit, and select for held-out rows."""
    sets = {part.prompts for model in config.models.values() if model.tuned for part in model.tuned.data}
    return {name: ("fit", "select") for name in sorted(sets)}


def read_phases(config: Config) -> dict[str, tuple[str, ...]]:
    """Every prompt set that is read, by papers or in training, with its phases."""
    papers, training = phases_of(config), tuning_phases(config)
    return {
        name: tuple(phase for phase in PHASES if phase in {*papers.get(name, ()), *training.get(name, ())})
        for name in sorted({*papers, *training})
    }


def named_entries(config: Config) -> dict[str, Entry]:
    """Every entry of the registry that a configuration names: by its prompt sets, by the benchmarks of its own models.

    Raises:
        ConfigError: a prompt set names a data set that the registry does not know, reads a split that it has not, or gives
            responses to a paper where it has none.
    """
    datasets = {name: options.dataset for name, options in config.prompt_sets.items() if options.dataset}
    if not datasets and not config.models:
        return {}
    catalogue = load_catalogue(config.data.registry)
    found = {}
    for name, dataset in datasets.items():
        entry, _ = find_entry(catalogue, dataset, f"prompt_sets.{name}.dataset")
        _check_phases(config, name, entry)
        _check_responses(config, name, entry)
        found[dataset.partition("/")[0]] = entry
    if config.models and config.benchmarks.data is not None:
        found |= {name: entry for name, entry in catalogue.items() if any(map(entry.serves, config.benchmarks.tasks))}
    return found


def _check_phases(config: Config, name: str, entry: Entry) -> None:
    """A set whose every file is a published split has no rows for other phases, which would come out in the middle of a run."""
    splits = {file.split for file in entry.files}
    lacking = [phase for phase in read_phases(config).get(name, ()) if phase not in splits]
    if config.models and config.prompt_sets[name].published and entry.files and None not in splits and lacking:
        raise ConfigError(
            found=f"a set with the published split {', '.join(sorted(filter(None, splits)))} alone",
            expected=f"rows for {', '.join(lacking)} too",
            where=f"prompt_sets.{name}.dataset",
            remedy="set published: false to part it by shares, or take another set",
        )


def _check_responses(config: Config, name: str, entry: Entry) -> None:
    """A published set without responses that a paper trains on would end a job in the middle of a run."""
    if (config.prompt_sets[name].label or entry.label) == "harmful" or "response" in entry.columns.values():
        return
    for asked in [paper.answered(config) for paper in chosen(config.recipes)]:
        if name in asked:
            raise ConfigError(
                found=f"a data set of requests without responses (columns {', '.join(sorted(entry.columns.values()))})",
                expected="a response to each benign request, which becomes an example",
                where=f"prompt_sets.{name}.dataset",
                remedy=f"take a set with responses, such as alpaca_answers_sample, or {asked[name]}",
            )


def absent_sets(config: Config, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Prompt sets of one's own whose files are not here, each with the reason."""
    if not config.models:
        return {}
    found = {}
    for name in read_phases(config):
        options = config.prompt_sets[name]
        if options.dataset:
            base = options.dataset.partition("/")[0]
            entry = entries[base]
            if not entry.files:
                found[name] = f"data set {base} cannot be fetched: {entry.note}"
            elif missing_files(config.data, base, entry):
                gate = "" if entry.gating == "open" else f" ({entry.gating} access: {entry.place})"
                found[name] = f"data set {base} is not here{gate}"
        elif lost := [path for path in (options.file, *options.split_files.values()) if path and not Path(path).is_file()]:
            found[name] = f"file {lost[0]} is not here"
    return found


def absent_tasks(config: Config, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Benchmarks of one's own models without local data, each with the reason."""
    if not config.models or config.benchmarks.data is None:
        return {}
    folder = Path(config.benchmarks.data)
    found = {}
    for task in config.benchmarks.tasks:
        for entry in entries.values():
            if task not in config.benchmarks.left_out and entry.serves(task) and not files_here(entry, folder, task=task):
                found[task] = f"no {entry.layout.evaluated} split under {folder / entry.layout.folder}"
    return found


def can_do_without(config: Config, name: str) -> bool:
    """Whether no search, control, training or measurement on requests reads a prompt set: one of the test split alone, or one
    that a paper calls optional."""
    sides = {config.extraction.harmful, config.extraction.harmless}
    return name not in sides | set(config.evaluation.pair) | set(tuning_phases(config))


def with_what_is_here(config: Config, entries: Mapping[str, Entry]) -> Config:
    """The configuration with what is missing left out, where ``data.missing`` is ``skip``; else as it is."""
    if config.data.missing != "skip" or not config.models:
        return config
    sets = {name: reason for name, reason in absent_sets(config, entries).items() if can_do_without(config, name)}
    tasks = absent_tasks(config, entries)
    evaluation = config.evaluation.model_copy(update={"left_out": {**sets, **config.evaluation.left_out}})
    benchmarks = config.benchmarks.model_copy(update={"left_out": {**tasks, **config.benchmarks.left_out}})
    return config.model_copy(update={"evaluation": evaluation, "benchmarks": benchmarks})
