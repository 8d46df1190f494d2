"""lm-eval tasks from task files and local rows, without its index of fourteen thousand and without a data set cache.

lm-eval's own way to read local files goes through a cache on disk whose key is not the content. Here rows are read once
and handed over in memory; prompts, processing and metrics stay those of the task file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict
from lm_eval.api.task import ConfigurableTask
from lm_eval.tasks._yaml_loader import load_yaml

from anatomy.errors import ConfigError, DataError
from anatomy.serving.benchmarks.templates import compile_once
from anatomy.sources.benchmark_rows import Row, adapted, boolq_row, find_split, mmlu_row, read_rows
from anatomy.store.json_objects import JsonObject

compile_once()

LOCAL_FORMATS = ("json", "csv", "parquet")
"""Values of ``dataset_path`` that mean files, not a data set of the hub."""


@dataclass(frozen=True)
class RealTask:
    """Where lm-eval keeps a benchmark's task file, and what its rows need.

    Args:
        file: under lm-eval's own tasks folder.
        folder: under the folder of local copies.
        columns: that the task reads.
        adapt: brings other common layouts of the same data into these columns.
    """

    file: str
    folder: str
    columns: tuple[str, ...]
    adapt: Callable[[Row], Row] = dict


REAL = {
    "hellaswag": RealTask("hellaswag/hellaswag.yaml", "hellaswag", ("activity_label", "ctx_a", "ctx_b", "endings", "label")),
    "arc_easy": RealTask("arc/arc_easy.yaml", "arc_easy", ("question", "choices", "answerKey")),
    "arc_challenge": RealTask("arc/arc_challenge.yaml", "arc_challenge", ("question", "choices", "answerKey")),
    "boolq": RealTask("super_glue/boolq/default.yaml", "boolq", ("passage", "question", "label"), boolq_row),
    "rte": RealTask("glue/rte/default.yaml", "rte", ("sentence1", "sentence2", "label")),
    "openbookqa": RealTask("openbookqa/openbookqa.yaml", "openbookqa", ("question_stem", "choices", "answerKey")),
    "truthfulqa_mc1": RealTask("truthfulqa/truthfulqa_mc1.yaml", "truthfulqa", ("question", "mc1_targets")),
    "truthfulqa_mc2": RealTask("truthfulqa/truthfulqa_mc2.yaml", "truthfulqa", ("question", "mc2_targets")),
}
"""Benchmarks by lm-eval's names; ``mmlu_<subject>`` for each MMLU subject besides (``mmlu``: all that are there)."""

MMLU = "mmlu"


TaskConfiguration = JsonObject
"""Fields of lm-eval's task files; ``rows`` holds, by split, those that lie here."""


class LocalTask(ConfigurableTask):
    """A task over rows in memory.

    Args:
        config: lm-eval's fields.
        rows: for each split its rows.
    """

    def __init__(self, config: TaskConfiguration, rows: dict[str, list[Row]]) -> None:
        self._rows = rows
        super().__init__(config=config)

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: object) -> None:
        self.dataset = DatasetDict({split: Dataset.from_list(table) for split, table in self._rows.items()})


def folder_tasks(folder: Path, names: Sequence[str] | None = None) -> dict[str, ConfigurableTask]:
    """Tasks written as lm-eval task files in one folder.

    Data files named in ``dataset_kwargs: {data_files: {split: file}}`` lie relative to the task file. Files without a
    ``task`` (templates to include) and groups are passed over.

    Args:
        names: tasks wanted; None takes all.

    Raises:
        ConfigError: a name that no file defines, or a task this package does not score.
        DataError: a data file is missing or malformed.
    """
    configurations = {}
    for path in sorted(folder.glob("*.yaml")):
        configuration = load_yaml(path)
        if isinstance(configuration.get("task"), str):
            configurations[configuration["task"]] = _with_own_rows(configuration, path.parent)
    wanted = list(configurations) if names is None else list(names)
    for name in wanted:
        if name not in configurations:
            raise ConfigError(
                found=f"task {name!r}", expected=f"one of {', '.join(sorted(configurations)) or 'none'}", where=str(folder)
            )
    return {name: _build(configurations[name]) for name in wanted}


def real_tasks(names: Sequence[str], data: Path | None) -> dict[str, ConfigurableTask]:
    """Published benchmarks by their lm-eval names.

    Args:
        names: keys of ``REAL``, ``mmlu`` or ``mmlu_<subject>``.
        data: folder of local copies, ``<data>/<benchmark>/<split>.<jsonl|json|csv|parquet>`` and for MMLU
            ``<data>/mmlu/<subject>_<split>.<...>`` or ``<data>/mmlu/<subject>/<split>.<...>``; None leaves it to lm-eval
            to fetch them from the hub.

    Raises:
        ConfigError: an unknown name.
        DataError: a local copy is missing or has other columns.
    """
    found = {}
    for name in expand(names, data):
        real = REAL.get(name) or _mmlu_task(name)
        configuration = load_yaml(_own_tasks() / real.file)
        found[name] = _build(configuration if data is None else _with_local_copy(configuration, real, data, name))
    return found


def expand(names: Iterable[str], data: Path | None) -> list[str]:
    """Names with ``mmlu`` replaced by its subjects: all of them, or those with a local copy.

    Raises:
        ConfigError: a name that neither ``REAL`` nor MMLU knows.
        DataError: no MMLU subject has a local copy.
    """
    subjects = sorted(path.stem for path in (_own_tasks() / "mmlu" / "default").glob("mmlu_*.yaml"))
    leaves: list[str] = []
    for name in names:
        if name == MMLU:
            here = [subject for subject in subjects if data is None or _mmlu_split(data, subject, "test")]
            if not here:
                raise DataError(
                    found="no subject",
                    expected="<subject>_test.csv or <subject>/test.jsonl files",
                    where=MMLU if data is None else str(data / MMLU),
                )
            leaves.extend(here)
        elif name in REAL or name in subjects:
            leaves.append(name)
        else:
            raise ConfigError(
                found=f"benchmark {name!r}", expected=f"mmlu, mmlu_<subject>, {', '.join(sorted(REAL))}", where="benchmarks"
            )
    return list(dict.fromkeys(leaves))


def _own_tasks() -> Path:
    import lm_eval.tasks

    return Path(lm_eval.tasks.__file__).parent


def _mmlu_task(name: str) -> RealTask:
    return RealTask(f"mmlu/default/{name}.yaml", MMLU, ("question", "choices", "answer"), mmlu_row)


def _mmlu_split(data: Path, name: str, split: str) -> Path | None:
    subject = name.removeprefix("mmlu_")
    return find_split(data / MMLU, split, f"{subject}_") or find_split(data / MMLU / subject, split)


def _with_local_copy(configuration: TaskConfiguration, real: RealTask, data: Path, name: str) -> TaskConfiguration:
    folder = data / real.folder
    rows: dict[str, list[Row]] = {}
    keys = ("training_split", "validation_split", "test_split", "fewshot_split")
    for split in {split for key in keys if (split := configuration.get(key)) is not None}:
        path = _mmlu_split(data, name, split) if real.folder == MMLU else find_split(folder, split)
        if path is not None:
            rows[split] = adapted(read_rows(path), real.adapt, real.columns, str(path))
    asked = configuration.get("test_split") or configuration.get("validation_split")
    if asked not in rows:
        raise DataError(
            found=f"no {asked} split of {name}",
            expected=f"{asked}.jsonl, .json, .csv or .parquet",
            where=str(folder),
            remedy="put the local copy there, or leave `data` out to use the hub",
        )
    return _with_rows(configuration, rows)


def _with_own_rows(configuration: TaskConfiguration, folder: Path) -> TaskConfiguration:
    files = (configuration.get("dataset_kwargs") or {}).get("data_files")
    if configuration.get("dataset_path") not in LOCAL_FORMATS or not isinstance(files, dict):
        return configuration
    rows = {}
    for split, names in files.items():
        paths = [folder / name for name in ([names] if isinstance(names, str) else names)]
        rows[split] = [row for path in paths for row in read_rows(path)]
    return _with_rows(configuration, rows)


def _with_rows(configuration: TaskConfiguration, rows: dict[str, list[Row]]) -> TaskConfiguration:
    """The same task over rows in memory; splits that are not there are not declared."""
    absent = {key: None for key in ("training_split", "validation_split", "fewshot_split") if configuration.get(key) not in rows}
    return {**configuration, **absent, "rows": rows, "dataset_path": None, "dataset_name": None, "dataset_kwargs": None}


def _build(configuration: TaskConfiguration) -> ConfigurableTask:
    name = configuration["task"]
    if configuration.get("output_type") != "multiple_choice":
        raise ConfigError(
            found=f"output_type {configuration.get('output_type')!r}",
            expected="multiple_choice",
            where=f"task {name}",
            remedy="only tasks scored by likelihood of choices are supported",
        )
    structural = ("tag", "group", "task_list", "rows")
    definition = {key: value for key, value in configuration.items() if key not in structural}
    if "rows" in configuration:
        return LocalTask(definition, configuration["rows"])
    return ConfigurableTask(config=definition)
