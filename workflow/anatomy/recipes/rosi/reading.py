"""What figures, tables and the page are made from, read once from a run's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from anatomy.config.schema import Config
from anatomy.evidence.claims.tables import Tables, read_tables
from anatomy.evidence.figures.rates import benchmark_scores, refusal_rates
from anatomy.evidence.report.published import read_published
from anatomy.recipes.rosi.figures import Evidence
from anatomy.recipes.rosi.search import read_searches
from anatomy.stages.paper_report import Files
from anatomy.store.files import read_json

TABLES = ("completions", "judgements", "samples", "variants", "grid", "screen", "projections")


def read_evidence(config: Config, files: Files) -> Evidence:
    """Read a run.

    Args:
        files: table name to its files; besides the tables ``tasks``, ``selected``, ``judge_notes`` (JSON, one folder a model)
            and ``bars``.
    """
    tables = read_tables({name: files[name] for name in TABLES if files.get(name)})
    wanted = config.statistics
    resampling: dict[str, Any] = {"confidence": wanted.confidence, "seed": wanted.seed, "resamples": wanted.bootstrap}
    tasks = {entry["task"]: entry for file in files.get("tasks", []) for entry in read_json(file)}
    bars = [pd.read_csv(file, dtype={"held": "boolean"}) for file in files.get("bars", [])]
    return Evidence(
        tables=tables,
        rates=refusal_rates(tables.judgements, tables.variants, judge=config.judges[0], phase="test", **resampling),
        scores=scores_of(tables, tasks, resampling),
        chance={name: entry["chance"] for name, entry in tasks.items()},
        bars=pd.concat(bars, ignore_index=True) if bars else None,
        adapters=pd.DataFrame([row for file in files.get("adapters", []) for row in read_json(file)]),
        published=read_published(Path(config.rosi.published)) if config.rosi.published else None,
        picks={
            (file.parent.name, contrast): picked(found)
            for file in files["selected"]
            for contrast, found in read_json(file).items()
        },
        searches=read_searches(files),
        judge_notes=pd.DataFrame([note_row(file) for file in files.get("judge_notes", [])]),
    )


def note_row(file: Path) -> dict[str, object]:
    """What one judge could not judge of one pass, ``<model>/<pass>.<judge>.notes.json``, as a row."""
    notes = read_json(file)
    failures = ", ".join(f"{number} of {name}" for name, number in notes["parse_failures"].items() if number) or "none"
    return {"model": file.parent.name, "pass": file.name.split(".")[0], **notes, "parse_failures": failures}


def scores_of(tables: Tables, tasks: dict[str, dict], resampling: dict) -> pd.DataFrame:
    """Benchmark scores with intervals; an empty table where nothing was benchmarked."""
    samples = tables.samples if tables.samples is not None else pd.DataFrame(columns=["model", "variant", "phase", "task"])
    metrics = {name: entry["metric"] for name, entry in tasks.items()}
    return benchmark_scores(samples, tables.variants, metrics=metrics, phase="test", **resampling)


def picked(found: dict) -> tuple[int, int] | None:
    """Position and layer of a selection, if it ended in a pick."""
    return (found["position"], found["layer"]) if found["outcome"] == "picked" else None
