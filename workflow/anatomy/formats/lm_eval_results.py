"""Benchmarks of each variant as lm-eval writes its results: an aggregated file, and the samples of each task.

lm-eval's own writer (``EvaluationTracker``) makes the files, so that whatever reads its output reads these.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from anatomy.errors import DataError, StoreError
from anatomy.serving.benchmarks.sample_rows import COLUMNS, METRICS
from anatomy.stages.task_facts import read_tasks
from anatomy.store.files import read_table
from anatomy.store.json_objects import JsonObject

DIVERGENCE = "harmless_kl"
"""What the divergence from the unedited model is called beside benchmarks; the unedited model has none."""

FILTER = "none"
"""lm-eval's name for answers that went through no filter."""


def write_results(results: Path, model: str, to: Path, say: Callable[[str], None], phase: str = "test") -> list[Path]:
    """Write one folder a variant of a model, named ``<model>__<variant>``.

    Args:
        results: folder of the run.
        to: parent of the folders.

    Returns:
        The aggregated file of each variant.

    Raises:
        DataError: the model was not benchmarked there.
        StoreError: lm-eval's writer left no file.
    """
    folder = results / "evaluate" / model
    files = sorted(folder.glob(f"{phase}.*.samples.parquet"))
    samples = pd.concat([read_table(file) for file in files], ignore_index=True) if files else pd.DataFrame()
    if samples.empty:
        known = sorted(path.name for path in (results / "evaluate").glob("*") if any(path.glob(f"{phase}.*.samples.parquet")))
        raise DataError(
            found=f"no benchmark samples of {model}",
            expected=f"a model of {known}" if known else "a run with benchmarks",
            where=str(folder),
            remedy="name one of them, or benchmark it: stage_benchmark",
        )
    moved = results / "divergence" / model / "test.parquet"
    divergences = read_table(moved) if phase == "test" and moved.is_file() else pd.DataFrame(columns=["variant"])
    read_by = {one["task"]: one["metric"] for file in sorted(folder.glob(f"{phase}.*.tasks.json")) for one in read_tasks(file)}
    return [
        _write_variant(own, divergences[divergences["variant"] == variant], f"{model}/{variant}", read_by, to, say)
        for variant, own in samples.groupby("variant", sort=False)
    ]


def aggregated(samples: pd.DataFrame, read_by: dict[str, str]) -> JsonObject:
    """What lm-eval's ``results`` hold of one variant: each metric's mean and standard error, by task.

    Args:
        read_by: the metric that a task is read by; it stands first.
    """
    from lm_eval.api.metrics import mean_stderr

    found: JsonObject = {"results": {}, "group_subtasks": {}, "configs": {}, "versions": {}, "n-shot": {}}
    found |= {"higher_is_better": {}, "n-samples": {}}
    for task, rows in samples.groupby("task"):
        row: JsonObject = {"alias": task}
        for column in _metrics(rows, read_by.get(str(task))):
            name, values = _lm_eval_name(str(task), column), rows[column].tolist()
            row[f"{name},{FILTER}"] = sum(values) / len(values)
            row[f"{name}_stderr,{FILTER}"] = mean_stderr(values) if len(values) > 1 else "N/A"
        found["results"][task] = row
        found["group_subtasks"][task] = []
        found["higher_is_better"][task] = {_lm_eval_name(str(task), one): True for one in _metrics(rows, None)}
        found["n-samples"][task] = {"original": len(rows), "effective": len(rows)}
    return found


def divergence(rows: pd.DataFrame) -> JsonObject:
    """The entry of ``results`` that says how far a variant moves predictions on harmless prompts, as lm-eval would of a task.

    Args:
        rows: of one variant, a row a prompt, with ``first_token_kl`` and ``kl`` in nats; lower is less moved.
    """
    from lm_eval.api.metrics import mean_stderr

    row: JsonObject = {"alias": DIVERGENCE}
    for name in ("first_token_kl", "kl"):
        values = rows[name].tolist()
        row[f"{name},{FILTER}"] = sum(values) / len(values)
        row[f"{name}_stderr,{FILTER}"] = mean_stderr(values) if len(values) > 1 else "N/A"
    return row


def logged(rows: pd.DataFrame, task: str) -> list[JsonObject]:
    """The samples of a task as lm-eval logs them, without the texts: a run's table holds ids and likelihoods.

    ``doc`` is id and group; whether an answer was the likeliest text is not kept, and stands as None.
    """
    from lm_eval.utils import hash_string

    metrics = _metrics(rows, None)
    found = []
    for number, row in enumerate(rows.to_dict("records")):
        answers = [(value, None) for value in row["loglikelihoods"]]
        found.append(
            {"doc_id": number, "doc": {"id": row["id"], "group": row["group"]}, "target": row["target"], "arguments": []}
            | {"resps": [[answer] for answer in answers], "filtered_resps": answers, "filter": FILTER}
            | {"metrics": [_lm_eval_name(task, one) for one in metrics], "doc_hash": hash_string(str(row["id"]))}
            | {"prompt_hash": hash_string(str(row["id"])), "target_hash": hash_string(str(row["target"]))}
            | {_lm_eval_name(task, one): row[one] for one in metrics}
        )
    return found


def _write_variant(
    samples: pd.DataFrame,
    moved: pd.DataFrame,
    name: str,
    read_by: dict[str, str],
    to: Path,
    say: Callable[[str], None],
) -> Path:
    from lm_eval.loggers import EvaluationTracker

    tracker = EvaluationTracker(output_path=str(to))
    arguments = {"pretrained": name}
    tracker.general_config_tracker.log_experiment_args("anatomy", arguments, "", "", False)
    found = aggregated(samples, read_by)
    if len(moved):
        found["results"][DIVERGENCE] = divergence(moved)
        found["higher_is_better"][DIVERGENCE] = {"first_token_kl": False, "kl": False}
        found["n-samples"][DIVERGENCE] = {"original": len(moved), "effective": len(moved)}
    found["config"] = {"model": "anatomy", "model_args": arguments, "limit": None, "bootstrap_iters": 0}
    found["lm_eval_version"] = version("lm_eval")
    items = {str(task): logged(rows, str(task)) for task, rows in samples.groupby("task")}
    tracker.save_results_aggregated(found, items)
    for task, rows in items.items():
        tracker.save_results_samples(task, rows)
    folder = to / str(tracker.general_config_tracker.model_name_sanitized)
    written = folder / f"results_{tracker.date_id}.json"
    missing = [
        file.name
        for file in (written, *(folder / f"samples_{task}_{tracker.date_id}.jsonl" for task in items))
        if not file.is_file()
    ]
    if missing:
        raise StoreError(
            found=f"no {missing[0]}",
            expected="the files of lm-eval's writer",
            where=str(folder),
            remedy="is there room on the disk?",
        )
    say(f"{written}: {len(items)} tasks, {len(samples)} samples")
    return written


def _metrics(rows: pd.DataFrame, first: str | None) -> list[str]:
    """Columns of metrics that a task has, the one that it is read by first."""
    described = {"model", "variant", "phase", *COLUMNS} - set(METRICS)
    found = [column for column in rows.columns if column not in described and rows[column].notna().all()]
    return sorted(found, key=lambda column: column != first)


def _lm_eval_name(task: str, column: str) -> str:
    """lm-eval calls TruthfulQA's mc1 and mc2 both ``acc``: the other way round from ``sample_rows.metric_column``."""
    return "acc" if column in ("mc1", "mc2") and task.endswith(column) else column
